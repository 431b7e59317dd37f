# The five verbs, for people and CI alike, and the demo.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LIGHT := .light
INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: check test test-all test-avx2 light docs bench demo install clean

$(BIN)/.light: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(subst --quiet ,,$(INSTALL)) -e .
	touch $@

$(BIN)/.dev: $(BIN)/.light
	$(BIN)/python $(INSTALL) --upgrade "pip>=25.1"
	$(BIN)/python $(INSTALL) -e ".[train]" --group dev
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

light:  ## a bare install matches and measures without torch
	rm -rf $(LIGHT)
	$(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/bin/python $(INSTALL) .
	$(LIGHT)/bin/python -I tests/light.py

docs: $(BIN)/.dev  ## docs/commands.md says what --help says, links lead somewhere, examples run
	$(BIN)/python docs/check.py

bench: $(BIN)/.dev  ## every benchmark that needs no clips; benchmarks/README.md tells of the others
	$(BIN)/python benchmarks/synthetic.py
	$(BIN)/python benchmarks/cost.py

clean:
	rm -rf $(VENV) $(LIGHT) demo build dist
