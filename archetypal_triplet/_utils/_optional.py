"""Import of packages that belong to an extra, with a message that says what to install."""

from importlib import import_module


def import_optional(module, *, extra):
    """Import `module`, or raise an ImportError naming the extra of archetypal-triplet that brings it.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        The extra, e.g. ``"screens"``, whose installation brings the module.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If the module is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{package} is needed here and is not installed. "
            f"Install it with: pip install 'archetypal-triplet[{extra}]'"
        ) from error
