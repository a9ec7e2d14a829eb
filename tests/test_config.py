"""The configuration files agree with each other and with the code."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "archetypal_triplet"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# who may import what is heavy: the same rule as in setup.cfg, held here for imports by name as well
ROOMS_THAT_MAY_IMPORT = {
    "torch": {"triplets"},
    "skorch": {"triplets"},
    "numba": {"archetypes", "images", "screens"},
    "matplotlib": {"plotting", "report"},
    "bokeh": {"report"},
    "jinja2": {"report"},
    "pandas": {"screens", "images", "qc", "plotting", "report", "runs", "datasets", "cli"},
    "pyarrow": {"screens", "images", "qc", "plotting", "report", "runs", "datasets", "cli"},
}
FLOORS = [
    {"cli"},
    {"report"},
    {"runs"},
    {"plotting", "qc", "datasets", "_pipeline"},
    {"archetypes", "labels", "triplets", "images", "screens"},
    {"_utils"},
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def read_pins(name):
    pins = {}
    for line in (ROOT / name).read_text().splitlines():
        line = line.partition("#")[0].strip()
        if line:
            package, _, version = line.partition("==")
            pins[canonicalize_name(package)] = version
    return pins


def all_requirements():
    extras = PROJECT["optional-dependencies"]
    listed = [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]
    requirements = [Requirement(line) for line in listed]
    return [r for r in requirements if canonicalize_name(r.name) != "archetypal-triplet"]


def lower_bound(requirement):
    return Version(next(s.version for s in requirement.specifier if s.operator == ">="))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(tree):
    """Dotted names that a module imports, in functions too, and also by string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Call) and node.args:
            function = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = node.args[0]
            if function in {"import_optional", "import_module", "__import__"} and isinstance(
                name, ast.Constant
            ):
                yield name.value


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-oldest.txt"])
def test_a_constraint_is_one_exact_public_version(name):
    lines = [
        line for line in (ROOT / name).read_text().splitlines() if line.strip() and not line.startswith("#")
    ]
    assert len(lines) > 40
    wrong = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert wrong == []
    assert len(read_pins(name)) == len(lines), "a package is named twice"


def test_every_dependency_is_pinned_at_a_version_that_pyproject_allows():
    pins = read_pins("constraints.txt")
    for requirement in all_requirements():
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} of pyproject.toml is not in constraints.txt"
        assert requirement.specifier.contains(pins[name]), (
            f"{name}=={pins[name]} does not fulfil {requirement}"
        )


def test_the_oldest_constraints_are_the_lower_bounds():
    pins = read_pins("constraints-oldest.txt")
    extras = PROJECT["optional-dependencies"]
    tested = {
        Requirement(line).name
        for line in [*PROJECT["dependencies"], *extras["screens"], *extras["images"], *extras["test"]]
    }
    for requirement in all_requirements():
        if requirement.name not in tested:
            continue
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} of pyproject.toml is not in constraints-oldest.txt"
        lowest, pinned = lower_bound(requirement), Version(pins[name])
        assert pinned.release[: len(lowest.release)] == lowest.release, (
            f"{requirement}, but {pinned} is tested"
        )


def test_torch_is_pinned_to_the_same_version_everywhere():
    assert read_pins("constraints.txt")["torch"] == read_pins("constraints-oldest.txt")["torch"] == "2.13.0"


def test_what_is_installed_for_the_tests_fulfils_the_requirements():
    from importlib.metadata import version

    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(version(requirement.name)), requirement


def test_every_extra_is_in_all():
    extras = PROJECT["optional-dependencies"]
    (line,) = extras["all"]
    assert Requirement(line).extras == set(extras) - {"all"}


def test_the_extras_that_messages_and_makefile_name_exist():
    extras = set(PROJECT["optional-dependencies"])
    in_code = re.compile(r"extra=[\"'](\w+)[\"']|archetypal-triplet\[(\w+)\]")
    named = {a or b for path in MODULES for a, b in in_code.findall(path.read_text())}
    named |= set(re.findall(r"\.with-(\w+)", (ROOT / "Makefile").read_text()))
    assert named, "neither the package nor the Makefile names an extra: the pattern above is out of date"
    assert named <= extras


def test_one_tool_has_one_configuration_file():
    rivals = [
        "pytest.ini",
        "tox.ini",
        ".coveragerc",
        "mypy.ini",
        ".mypy.ini",
        ".codespellrc",
        ".importlinter",
    ]
    assert [
        name for name in [*rivals, "ruff.toml", ".ruff.toml", ".flake8", "setup.py"] if (ROOT / name).exists()
    ] == []
    judges = configparser.ConfigParser()
    judges.read(ROOT / "setup.cfg")
    # these two would silently lose against pyproject.toml
    assert not {"metadata", "options", "tool:pytest"} & set(judges.sections())
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert not {"coverage", "mypy", "numpydoc_validation", "codespell", "importlinter"} & set(tools)


def test_warnings_are_errors_and_an_empty_parametrization_fails():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"][0] == "error"
    assert options["empty_parameter_set_mark"] == "fail_at_collect"
    assert options["xfail_strict"]


def test_the_contracts_name_every_room_and_each_floor():
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    lines = contracts["importlinter:contract:floors"]["layers"].split("\n")
    floors = [{re.sub(r"[()\s]", "", room) for room in line.split("|")} for line in lines if line.strip()]
    assert floors == FLOORS
    rooms = {room_of(path) for path in MODULES} - {"__init__"}
    assert rooms <= set.union(*FLOORS)


@pytest.mark.parametrize("package", ROOMS_THAT_MAY_IMPORT)
def test_the_contracts_let_the_same_rooms_import_a_heavy_package(package):
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    sections = [contracts[s] for s in contracts.sections() if s.startswith("importlinter:contract:")]
    (contract,) = [c for c in sections if package in c.get("forbidden_modules", "").split()]
    pattern = r"archetypal_triplet\.(\w+)(?:\.\*\*)? -> " + package + r"\n"
    allowed = re.findall(pattern, contract["ignore_imports"] + "\n")
    assert set(allowed) == ROOMS_THAT_MAY_IMPORT[package]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may_by_name_or_by_string(path):
    room = room_of(path)
    own_floor = next((i for i, floor in enumerate(FLOORS) if room in floor), None)
    for name in imported_names(ast.parse(path.read_text())):
        package = name.partition(".")[0]
        if package in ROOMS_THAT_MAY_IMPORT:
            assert room in ROOMS_THAT_MAY_IMPORT[package], f"{path.name} of {room} imports {name}"
        if package == "archetypal_triplet" and room != "__init__":
            target = [*name.split("."), ""][1]
            assert target or room == "cli", (
                f"{path.name} takes a public name from the package: name the room that it lives in, "
                "or the import rules cannot be checked"
            )
            if target and target != room:
                floor = next(i for i, rooms in enumerate(FLOORS) if target in rooms)
                assert floor > own_floor, f"{room} may not import {target}"


def tracked_files():
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: there is no list of the repository's files")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry():
    # the text is put together here so that this file does not match itself
    patterns = [
        "/ho" + r"me/\w",
        "/ro" + r"ot/\w",
        "/Us" + r"ers/\w",
        "/wo" + r"rk/\w",
        "/tm" + r"p/\w",
        "/op" + "t/wheels",
        "extra-index" + "-url",
        "find" + "-links",
    ]
    machine = re.compile("|".join(patterns))
    found = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
            for line in text.splitlines()
            if machine.search(line)
        ]
    assert found == []


def test_no_large_file_is_in_the_repository():
    assert [str(path) for path in tracked_files() if path.stat().st_size > 1 << 20] == []


def test_the_package_neither_prints_nor_asserts():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), f"assert in {path}:{node.lineno}"
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                assert room_of(path) == "cli", f"print in {path}:{node.lineno}"


def test_the_makefile_lists_its_commands():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make (\S+)", listed, flags=re.M))
    wanted = {"demo", "test", "test-slow", "test-nojit", "test-oldest", "lint", "doctest", "docs"}
    assert wanted | {"asv-check", "browser-test", "quality", "gpu", "clean"} <= targets
    steps = re.search(r"for step in (.*); do", (ROOT / ".ci" / "run").read_text()).group(1).split()
    assert set(steps) <= targets
    mentioned = set()
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        mentioned |= set(re.findall(r"`make ([a-z-]+)", page.read_text()))
        mentioned |= set(re.findall(r"^ *make ([a-z-]+)", page.read_text(), flags=re.M))
    assert mentioned <= targets


def test_an_old_python_is_refused_with_the_cure(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$*" in *--version*) echo Python 3.9.1;; *) exit 1;; esac\n')
    old.chmod(0o755)
    ended = subprocess.run(
        ["make", "test", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode != 0
    assert "is Python 3.9.1; Python 3.11 or newer is needed" in ended.stderr
    assert not (tmp_path / "venv").exists()


def test_ci_script_is_executable_and_runs_the_readmes_test_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in (ROOT / "README.md").read_text()
    subprocess.run(["bash", "-n", script], check=True)
    assert sys.version_info >= (3, 11)
