"""Sphinx configuration. Nothing is fetched (no intersphinx), and `make docs` turns warnings into errors."""

import inspect
import os
import pkgutil
import re
from importlib import import_module
from importlib.metadata import version as installed_version
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")
HERE = Path(__file__).parent

project = "archetypal_triplet"
author = "The archetypal_triplet developers"
copyright = author
release = version = installed_version("archetypal-triplet")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
templates_path = ["_templates"]
exclude_patterns = ["_build", "examples", "auto_examples/*.ipynb"]
# single backticks in docstrings name parameters and classes alike: code, not references that may dangle
default_role = "code"
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_imported_members = False
# methods are listed by the class template; numpydoc would list those inherited from scikit-learn as well
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "default_thumb_file": None,
}

html_theme = "pydata_sphinx_theme"
html_title = "archetypal_triplet"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"install": [], "glossary": []}
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def write_api_pages():
    """List the public names of the package and of every room, so that no page has to be kept by hand."""
    package = import_module(project)
    rooms = [
        room.name
        for room in pkgutil.iter_modules(package.__path__)
        if room.ispkg and not room.name.startswith("_") and room.name in package.__all__
    ]
    lists = {room: sorted(import_module(f"{project}.{room}").__all__) for room in rooms}
    in_rooms = {name for names in lists.values() for name in names}
    top = [name for name in package.__all__ if name not in in_rooms and name not in rooms]
    lists = {"": top, **lists}
    folder = HERE / "api" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    for room, names in lists.items():
        module = f"{project}.{room}".rstrip(".")
        title = f"The {room} room" if room else "The whole method"
        lines = [title, "=" * len(title), "", f".. currentmodule:: {module}", ""]
        if room:
            lines += [(inspect.getdoc(import_module(module)) or "").partition("\n")[0], ""]
        at_top = [name for name in names if room and name in package.__all__]
        if at_top:
            imported = ", ".join(f"``{name}``" for name in at_top)
            lines += [f"Also from the package itself: {imported}.", ""]
        lines += [".. autosummary::", "   :toctree: .", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in names]
        text = "\n".join([*lines, ""])
        page = folder / f"room_{room or '0_method'}.rst"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)
    pages = {f"room_{room or '0_method'}.rst" for room in lists}
    for stale in folder.glob("room_*.rst"):
        if stale.name not in pages:
            stale.unlink()


write_api_pages()


def escape_trailing_underscores(app, what, name, obj, options, lines):
    """Let "ndarray of shape (n_features_in_,)" stand in a docstring: to reStructuredText it is a link."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        # the name of a parameter or attribute is numpydoc's to escape
        head, colon, tail = line.partition(" : ") if re.match(r"\w+( ?, \w+)* : ", line) else ("", "", line)
        if not colon and re.fullmatch(r"\s*\w+", line):
            continue
        pieces = re.split(r"(``.*?``|`.*?`)", tail)
        pieces[::2] = [re.sub(r"(?<=\w)_(?!\w)", r"\\_", piece) for piece in pieces[::2]]
        lines[i] = head + colon + "".join(pieces)


def setup(app):
    """Run before numpydoc, which turns docstrings into reStructuredText."""
    app.connect("autodoc-process-docstring", escape_trailing_underscores, priority=100)
