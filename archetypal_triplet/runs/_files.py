"""The files of a run: models, tables and maps, each with what it holds."""

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.runs._model import save_model


def save_models(folder, pipeline, models):
    """Save the models of a run, each in a folder of its own where there are several; say what they are."""
    if not models:
        save_model(pipeline, folder)
        return "normalizer and network, for later plates: archetypal-triplet embed"
    folder.mkdir()
    for name, model in {"features": pipeline, **models}.items():
        save_model(model, folder / name)
    return f"models, each in a folder of its own: features, {', '.join(models)}"


def write_tables(folder, embedding, archetypes, groups, quality, history):
    """Write the tables of a run; return what each file holds."""
    pd = import_optional("pandas", extra="screens")
    files = {}

    def write(name, table, what):
        if name.endswith(".parquet"):
            table.to_parquet(folder / name, index=False)
        else:
            table.to_csv(folder / name, index=False)
        files[name] = what

    write("embedding.parquet", embedding, f"{len(embedding)} rows: metadata, embedding, shares, pseudo-label")
    write("archetypes.parquet", archetypes, f"{len(archetypes)} archetypes: what each one is")
    if groups is not None:
        write("wells.parquet", groups, f"{len(groups)} groups of rows: mean embedding and shares")
    if quality is not None:
        write("quality.csv", quality, "control separability")
    write("training.csv", pd.DataFrame(history), "the course of the training")
    return files


def draw_maps(folder, plan, embedding, groups):
    """Draw the maps of a run as PNG; return what each file shows."""
    what = "the first two principal components of the embedding"
    if groups is None:
        _draw_map(folder / "map.png", plan, embedding)
        return {"map.png": f"the map: {what}"}
    level = plan.options["level"]
    _draw_map(folder / "map.png", plan, groups)
    _draw_map(folder / f"map_{level}s.png", plan, embedding)
    return {"map.png": f"the map of the groups: {what}", f"map_{level}s.png": f"the map of all {level}s"}


def _draw_map(path, plan, table):
    from archetypal_triplet.plotting import plot_run_overview

    color = plan.options["color"]
    if color and color not in table:  # a feature, or what differs within groups
        values = plan.table[color]
        if len(table) != len(plan.table):
            grouped = plan.table[plan.kept].groupby(plan.group_columns, sort=False, observed=True)[color]
            values = grouped.mean() if values.dtype.kind in "fiub" else grouped.first()
        table = table.assign(**{color: values.to_numpy()})
    # long legends push the labels out of the picture otherwise
    plot_run_overview(table, color=color).savefig(path, dpi=150, bbox_inches="tight")
