"""How the files of a field are called in the layouts of real instruments."""

from uuid import NAMESPACE_OID, uuid5


def _name_imagexpress(plate, well, row, column, site, channel, name, n_columns):
    guid = str(uuid5(NAMESPACE_OID, f"{plate} {well} {site} {channel}")).upper()
    return f"{plate}/{plate}_{well}_s{site}_w{channel}{guid}.tif"


def _name_operetta(plate, well, row, column, site, channel, name, n_columns):
    return f"{plate}/Images/r{row:02d}c{column:02d}f{site:02d}p01-ch{channel}sk1fk1fl1.tiff"


def _name_cellvoyager(plate, well, row, column, site, channel, name, n_columns):
    return f"{plate}/{plate}_{well}_T0001F{site:03d}L01A01Z01C{channel:02d}.tif"


def _name_arrayscan(plate, well, row, column, site, channel, name, n_columns):
    return f"{plate}/SIM_{plate}_{well}f{site - 1:02d}d{channel - 1}.TIF"


def _name_incell(plate, well, row, column, site, channel, name, n_columns):
    return f"{plate}/{well[:-2]} - {column:02d}(fld {site} wv {name} - {name}).tif"


def _name_sbs(plate, well, row, column, site, channel, name, n_columns):
    return f"{plate}/Channel{channel}-{(row - 1) * n_columns + column:02d}-{well[:-2]}-{column:02d}.tif"


# one file for each plane
NAMES = {
    "arrayscan": _name_arrayscan,
    "cellvoyager": _name_cellvoyager,
    "imagexpress": _name_imagexpress,
    "incell": _name_incell,
    "operetta": _name_operetta,
    "sbs": _name_sbs,
}
LAYOUTS = (*NAMES, "ome-tiff", "ome-zarr")
ONE_FIELD = ("sbs",)  # the name has no place for a field
