"""What a user can import: it resolves, loads nothing heavy, and is documented as it is."""

import ast
import configparser
import inspect
import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

import archetypal_triplet

ROOT = Path(__file__).resolve().parent.parent

# the rooms, each with the names that it gives away; a room that does not exist yet is not listed
ROOMS = sorted(
    module.name
    for module in pkgutil.iter_modules(archetypal_triplet.__path__)
    if module.ispkg and not module.name.startswith("_") and module.name != "cli"  # a command, and no API
)


def public_objects():
    """Every public function and class once, by the name that a user writes."""
    found = {}
    for name in archetypal_triplet.__all__:
        if name not in ROOMS:
            found[getattr(archetypal_triplet, name)] = f"archetypal_triplet.{name}"
    for room in ROOMS:
        module = import_module(f"archetypal_triplet.{room}")
        for name in module.__all__:
            found.setdefault(getattr(module, name), f"archetypal_triplet.{room}.{name}")
    return sorted(
        ((name, thing) for thing, name in found.items() if callable(thing)), key=lambda pair: pair[0]
    )


PUBLIC = public_objects()
METHODS = [
    (f"{name}.{attribute}", member)
    for name, thing in PUBLIC
    if inspect.isclass(thing)
    for attribute, member in vars(thing).items()
    if not attribute.startswith("_")
    and (inspect.isfunction(member) or isinstance(member, classmethod | staticmethod))
]


def ids(pairs):
    return [name.removeprefix("archetypal_triplet.") for name, _ in pairs]


def modules_after(code, *watched):
    """Run code in a fresh interpreter and tell which of the watched modules it has loaded."""
    code += f"\nimport json, sys\nprint(json.dumps([name for name in {watched!r} if name in sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


HEAVY = ("torch", "skorch", "matplotlib", "pandas", "pyarrow")


def test_every_public_name_resolves():
    for name in archetypal_triplet.__all__:
        assert getattr(archetypal_triplet, name) is not None
    for room in ROOMS:
        module = import_module(f"archetypal_triplet.{room}")
        assert sorted(module.__all__) == list(module.__all__), f"__all__ of {room} is not sorted"
        for name in module.__all__:
            assert hasattr(module, name), f"{room}.__all__ names {name}, which does not exist"


def test_dir_lists_what_is_public():
    assert set(archetypal_triplet.__all__) | {"__version__"} == set(dir(archetypal_triplet))


def test_every_room_is_public():
    assert set(ROOMS) <= set(archetypal_triplet.__all__)


def test_the_version_is_that_of_pyproject():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert archetypal_triplet.__version__ == project["version"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'archetypal_triplet' has no attribute 'Archetypes'"):
        archetypal_triplet.Archetypes  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    assert modules_after("import archetypal_triplet", *HEAVY, "sklearn", "numba", "scipy") == []


FIT_ARCHETYPES = (
    "import numpy as np\n"
    "from archetypal_triplet import ArchetypalAnalysis\n"
    "X = np.random.default_rng(0).normal(size=(30, 4))\n"
    "ArchetypalAnalysis(3, random_state=0).fit(X).transform(X)\n"
)


def test_fitting_archetypes_loads_neither_torch_nor_plots_and_no_tables_by_itself():
    # scikit-learn imports pandas by itself where it is installed: what we add to that must be nothing
    by_scikit_learn = modules_after("import sklearn.base, sklearn.utils.validation", *HEAVY)
    assert set(modules_after(FIT_ARCHETYPES, *HEAVY)) <= set(by_scikit_learn) & {"pandas", "pyarrow"}


def test_archetypes_are_fitted_where_torch_tables_and_plots_are_not_installed():
    blocked = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {HEAVY!r}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    assert modules_after(blocked + FIT_ARCHETYPES, "numba") == ["numba"]


@pytest.mark.parametrize("name", ["PseudoLabeler", "EnsembleLabeler", "ScreenNormalizer", "NeighborAverager"])
def test_importing_the_other_stages_loads_neither_torch_nor_plots(name):
    assert modules_after(f"from archetypal_triplet import {name}", "torch", "skorch", "matplotlib") == []


def test_looking_at_results_loads_no_network():
    code = (
        "from archetypal_triplet.report import write_report\nfrom archetypal_triplet.runs import assess_run"
    )
    assert modules_after(code, "torch", "skorch", "bokeh") == []


def test_the_command_line_answers_help_without_loading_torch():
    code = "from archetypal_triplet.cli import main\nmain(['--help'])"
    assert modules_after(code, *HEAVY) == []


def documented_parameters(thing):
    """(names, types) of the Parameters section."""
    doc = ClassDoc(thing) if inspect.isclass(thing) else FunctionDoc(thing)
    rows = [(name.strip(), row.type) for row in doc["Parameters"] for name in row.name.split(",")]
    return [name.lstrip("*") for name, _ in rows], dict(rows)


def signature_parameters(thing):
    parameters = inspect.signature(thing).parameters.values()
    return [p for p in parameters if p.name not in {"self", "cls"}]


def unwrapped(member):
    return member.__func__ if isinstance(member, classmethod | staticmethod) else member


DOCUMENTED = [*PUBLIC, *((name, unwrapped(member)) for name, member in METHODS)]


@pytest.mark.parametrize(("name", "thing"), DOCUMENTED, ids=ids(DOCUMENTED))
def test_documented_parameters_are_those_of_the_signature(name, thing):
    assert inspect.getdoc(thing), f"{name} has no docstring"
    names, _ = documented_parameters(thing)
    assert names == [p.name for p in signature_parameters(thing)]


@pytest.mark.parametrize(("name", "thing"), DOCUMENTED, ids=ids(DOCUMENTED))
def test_documented_defaults_are_those_of_the_signature(name, thing):
    _, types = documented_parameters(thing)
    for parameter in signature_parameters(thing):
        documented = types[parameter.name]
        if repr(parameter.default) == "<factory>":  # of a dataclass
            continue
        if parameter.default is inspect.Parameter.empty:
            assert "default" not in documented, f"{name}: {parameter.name} has no default"
        elif "default" in documented or inspect.isclass(thing):
            assert "default=" in documented, f"{name}: say default={parameter.default!r} of {parameter.name}"
            text = documented.partition("default=")[2].strip("` ")
            assert ast.literal_eval(text) == parameter.default, f"{name}: default of {parameter.name}"


@pytest.mark.parametrize(("name", "thing"), DOCUMENTED, ids=ids(DOCUMENTED))
def test_docstrings_of_public_names_keep_to_numpydoc(name, thing):
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    left_out = set(config["tool:numpydoc_validation"]["checks"].split(",")) - {"all"}
    # setup.cfg leaves these out for helpers; what is public has to fulfil them
    left_out -= {"PR01", "PR02", "RT01", "GL08"}
    if inspect.isclass(thing) or name in dict(PUBLIC):
        left_out -= {"EX01"}
    errors = [(code, text) for code, text in validate(name)["errors"] if code not in left_out]
    assert errors == []


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=ids(PUBLIC))
def test_no_constructor_or_function_takes_anything(name, thing):
    kinds = {p.kind for p in inspect.signature(thing).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds, f"{name} takes **kwargs"
