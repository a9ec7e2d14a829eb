# Each command sets up what it needs by itself, in the folder .venv; the second call finds it there.
# Wanted beforehand: Python 3.11 or newer, and make.

PYTHON ?= python3
VENV ?= .venv
OLDEST ?= .venv-oldest
RESULTS ?= demo_results

# torch and BLAS start a thread per core in each of the two test workers unless told otherwise
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST_WORKERS ?= 2
# scikit-learn's checks of array types skip themselves unless scipy was told so before its first import
export SCIPY_ARRAY_API = 1

PY = $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-slow has-chromium browser-test test-nojit test-oldest lint lint-ruff lint-spelling lint-docstrings lint-imports \
	lint-types format doctest docs asv-check quality peers peers-features peers-network gpu coverage clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---- the environment: one stamp for each set of packages, renewed when what it was made from changes

define CHECK_PYTHON
@command -v "$(PYTHON)" > /dev/null || { \
	echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "'$(PYTHON)' is $$("$(PYTHON)" --version 2>&1); Python 3.11 or newer is needed. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
@"$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { \
	echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
endef

$(VENV)/.python:
	$(CHECK_PYTHON)
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

# the extra of pyproject.toml is the part of the stamp's name after "with-"
$(VENV)/.with-%: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing the package with [$*] into $(VENV) (minutes the first time)"
	@$(PY) -m pip install -qq -c constraints.txt -e '.[$*]'
	@touch $@

# ---- what a user wants

demo: $(VENV)/.with-report  ## simulate a screen, learn its map, compare with the truth, write demo_results/ with its report
	$(VENV)/bin/archetypal-triplet demo --out $(RESULTS) --force

# ---- tests

test: $(VENV)/.with-test  ## all tests but the slow ones and those in a browser
	$(ONE_THREAD) $(PY) -m pytest -n $(PYTEST_WORKERS) -m "not slow and not browser"

test-slow: $(VENV)/.with-test  ## the slow tests
	$(ONE_THREAD) $(PY) -m pytest -n $(PYTEST_WORKERS) -m "slow and not browser"

# CHROMIUM and CHROMEDRIVER name them where they are not on the PATH
has-chromium:
	@{ test -x "$$CHROMIUM" || command -v chromium || command -v chromium-browser || command -v google-chrome \
		|| command -v google-chrome-stable; } > /dev/null \
	&& { test -x "$$CHROMEDRIVER" || command -v chromedriver; } > /dev/null || { \
		echo "Chromium or its driver is not here. On Debian: apt install chromium chromium-driver" >&2; exit 1; }

browser-test: has-chromium $(VENV)/.with-browser  ## the report in Chromium: mouse, keys, downloads, printer
	$(ONE_THREAD) $(PY) -m pytest tests/report/browser -m browser

test-nojit: $(VENV)/.with-test  ## the kernels' tests with numba switched off (coverage can see them, bounds are checked)
	$(ONE_THREAD) NUMBA_DISABLE_JIT=1 $(PY) -m pytest -n $(PYTEST_WORKERS) tests/archetypes tests/images -m "not slow"

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(CHECK_PYTHON)
	"$(PYTHON)" -m venv $(OLDEST)
	@echo "Installing the oldest supported packages into $(OLDEST) (minutes the first time)"
	@$(OLDEST)/bin/python -m pip install -qq -c constraints-oldest.txt -e '.[test]'
	@touch $@

test-oldest: $(OLDEST)/.installed  ## the tests with the oldest supported packages (Python 3.11 or 3.12)
	$(ONE_THREAD) $(OLDEST)/bin/python -m pytest -n $(PYTEST_WORKERS) -m "not slow and not browser" -p no:cacheprovider

coverage: $(VENV)/.with-test  ## which lines the tests reach (compiled kernels run as Python, so this takes long)
	$(ONE_THREAD) NUMBA_DISABLE_JIT=1 $(PY) -m coverage run -m pytest -m "not slow and not browser"
	$(PY) -m coverage combine -q
	$(PY) -m coverage report

# ---- judging the code

lint: lint-ruff lint-spelling lint-docstrings lint-imports lint-types  ## style, spelling, docstrings, import rules, types

lint-ruff: $(VENV)/.with-lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

lint-spelling: $(VENV)/.with-lint
	$(VENV)/bin/codespell

# numpydoc's checker reads pyproject.toml where there is one and then never looks at setup.cfg
lint-docstrings: $(VENV)/.with-lint
	@mkdir -p $(VENV)/numpydoc && cp setup.cfg $(VENV)/numpydoc/
	find archetypal_triplet -name '*.py' | sort | xargs $(PY) -m numpydoc lint --config $(VENV)/numpydoc

lint-imports: $(VENV)/.with-lint
	$(VENV)/bin/lint-imports --no-cache

lint-types: $(VENV)/.with-lint
	$(PY) -m mypy

format: $(VENV)/.with-lint  ## let ruff mend style and layout
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

doctest: $(VENV)/.with-test  ## the examples in docstrings, guide and README
	$(ONE_THREAD) $(PY) -m pytest --doctest-modules --doctest-glob="*.md" archetypal_triplet docs/user_guide
	$(ONE_THREAD) $(PY) -m pytest tests/test_readme.py

docs: $(VENV)/.with-docs  ## the documentation, warnings as errors, in docs/_build/html
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

asv-check: $(VENV)/.with-bench  ## do the benchmarks still import and fit together
	cd benchmarks && $(abspath $(VENV))/bin/asv check -E existing:$(abspath $(PY))

quality: $(VENV)/.with-bench  ## the method against its baselines: make quality DATA=folder
	@test -n "$(DATA)" || { echo "Name the folder of real screens: make quality DATA=folder" >&2; exit 1; }
	$(PY) benchmarks/quality/run.py "$(DATA)"

PEERS := .venv-peers

$(PEERS)/.installed: benchmarks/peers/requirements.txt
	$(CHECK_PYTHON)
	"$(PYTHON)" -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install -qq -r benchmarks/peers/requirements.txt
	@$(PEERS)/bin/python -m pip install -qq --no-deps -e .
	@touch $@

peers: $(PEERS)/.installed  ## ArchetypalAnalysis beside SPAMS, archetypes, py_pcha and partipy, in an environment of its own
	$(ONE_THREAD) $(PEERS)/bin/python benchmarks/peers/archetypes.py $(PEERS_ARGS)

peers-features: $(VENV)/.with-test  ## ImageFeatures beside scikit-image, equal values, features per second
	$(ONE_THREAD) $(PY) benchmarks/peers/features.py $(PEERS_ARGS)

peers-network: $(VENV)/.with-test  ## mining, loss and steps beside pytorch-metric-learning and a bare torch loop
	$(PY) benchmarks/peers/triplets.py $(PEERS_ARGS)

gpu: $(VENV)/.with-screens  ## fit on CUDA, load on the CPU, compare (says so where there is no GPU)
	$(PY) benchmarks/gpu/run.py

clean:  ## remove what the commands made, environments included
	rm -rf $(VENV) $(OLDEST) $(PEERS) demo_results docs/_build docs/auto_examples docs/api/generated docs/sg_execution_times.rst
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .asv .coverage .coverage.* htmlcov build *.egg-info
	find archetypal_triplet tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
