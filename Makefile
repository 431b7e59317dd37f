# The verbs, for people and CI alike, and the demo.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LIGHT := .light
INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: check test test-all test-avx2 coverage mutants light release audit docs bench demo install clean

$(BIN)/.light: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(subst --quiet ,,$(INSTALL)) -e .
	touch $@

$(BIN)/.dev: $(BIN)/.light
	$(BIN)/python $(INSTALL) --upgrade "pip>=25.1"
	$(BIN)/python $(INSTALL) -e ".[train,pretrained]" --group dev
	touch $@

install: $(BIN)/.dev

demo: $(BIN)/.light  ## render twenty clips, match them, show the table
	$(BIN)/avmatch synth demo/clips --scenes 20 --extra-videos 2 --extra-audio 2
	$(BIN)/avmatch match demo/clips/videos demo/clips/audio -o demo/result
	@$(BIN)/python examples/count_right.py demo/result/matches.csv demo/clips/truth.csv
	@echo "open demo/result/report.html"

check: $(BIN)/.dev  ## style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The code is compiled once for all processes, though the environment may forbid it.
test test-all: export PYTHONDONTWRITEBYTECODE =
# Files in their order: the end-to-end tests come early, so no worker waits for one of them at the end.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: $(BIN)/.dev  ## all but the slow ones (tests/conftest.py)
	$(PYTEST) -m "not slow"

test-all: $(BIN)/.dev  ## every test; those marked `shared` skip where the clips are absent
	$(PYTEST)

# Backward passes of oneDNN differ by what the CPU can do (decision 0013): those of one without AVX-512.
test-avx2: $(BIN)/.dev  ## the tests that train networks, as on a CPU without AVX-512
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest $$(grep -lrw torch tests --include="test_*.py")

coverage: $(BIN)/.dev  ## every test, and how much of src runs in them, with branches; about twice the time of test-all
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under 92

mutants: $(BIN)/.dev  ## do the tests of matching, alignment and core notice 300 changes of the code?
	$(BIN)/python benchmarks/mutants.py build/mutants

light:  ## a bare install matches and measures without torch
	rm -rf $(LIGHT)
	$(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/bin/python $(INSTALL) .
	$(LIGHT)/bin/python -I tests/light.py

$(BIN)/.release: $(BIN)/.dev
	$(BIN)/python $(INSTALL) --group release
	touch $@

release: $(BIN)/.release  ## dist/: wheel and sdist, checked and tried; licences and SBOM (build/) of what the wheel brings
	rm -rf dist $(LIGHT)
	mkdir -p build
	$(BIN)/pyproject-build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/bin/python $(INSTALL) dist/*.whl
	$(LIGHT)/bin/python -I tests/light.py
	$(BIN)/python docs/licences.py $(LIGHT)/bin/python
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-file build/sbom.cdx.json $(LIGHT)/bin/python

audit: $(BIN)/.release  ## known weaknesses of what `make release` installed; asks PyPI
	$(LIGHT)/bin/python -m pip freeze --exclude avmatch > build/requirements.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement build/requirements.txt

docs: export XDG_CACHE_HOME = $(CURDIR)/build/cache
docs: $(BIN)/.dev  ## commands, links and tutorials hold; build/site/index.html is the site, its notebooks executed
	$(BIN)/python docs/check.py
	$(BIN)/python docs/run_tutorials.py
	rm -rf build/site
	$(BIN)/python -m sphinx -q -W --keep-going -j 2 -c docs -d build/doctrees . build/site
	$(BIN)/python docs/check_site.py build/site

bench: $(BIN)/.dev  ## every benchmark that needs no clips; benchmarks/README.md tells of the others
	$(BIN)/python benchmarks/synthetic.py
	$(BIN)/python benchmarks/cost.py

clean:
	rm -rf $(VENV) $(LIGHT) demo build dist
