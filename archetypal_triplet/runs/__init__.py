"""One run of the method: images or profiles to a folder of results, and later plates through its model.

Every public name is imported on first use: to look at results, nothing that trains a network is loaded.
"""

from importlib import import_module as _import_module

# public name -> module that defines it
_PUBLIC = {
    "are_images": "_sources",
    "assess_run": "_assay",
    "check_results_folder": "_results",
    "embed_profiles": "_embed",
    "load_model": "_model",
    "plan_images": "_image_plan",
    "plan_run": "_plan",
    "run_demo": "_demo",
    "run_images": "_images",
    "run_profiles": "_run",
    "save_model": "_model",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return list(__all__)
