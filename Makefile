# What to type here. Every verb makes what it needs; a second run installs nothing again.
#   make lab         JupyterLab, open on the quickstart        make lint        ruff, mypy, import-linter
#   make demo        the quickstart in this terminal           make bench       figures beside their peers
#   make test        unit tests, notebooks, browser tests      make tiny-model  train the packaged model again
#   make clean       remove what these verbs made
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with notebooks/nbval.cfg

.PHONY: lab demo test lint bench tiny-model clean

lab: $(VENV)/.lab
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/01_quickstart.ipynb

demo: $(VENV)/.lab
	$(BIN)/python -m modelhub demo notebooks/01_quickstart.ipynb

# MODELHUB_STREAM=final: nbval compares what stands in a cell when it is done, not the updates on the way.
# ALONE: the notebooks are run with no settings, models, plugins and log of the user's.
ALONE = MODELHUB_HOME=$(abspath $(VENV))/home MODELHUB_PLACES=none MODELHUB_PLUGINS=off
test: $(VENV)/.test
	@$(BIN)/python -m tests.browser.chromium || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && \
	  apt-get update -q && apt-get install -yq --no-install-recommends chromium; }
	MODELHUB_STREAM=final $(ALONE) $(BIN)/pytest $(NBVAL) tests notebooks

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# FIGURES="NAME …" measures some of them; FULL=1 takes the long runs; SAVE=docs/figures.md puts the rows there too.
bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(FIGURES) $(if $(FULL),--full) $(if $(SAVE),--save $(SAVE))

tiny-model: $(VENV)/.train
	$(BIN)/python -m tiny_model

clean:
	rm -rf .venv .benchmarks-cache build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(VENV)/.lab: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "modelhub needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing; llama.cpp is compiled, which takes about 3 minutes the first time"
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[local,lab]'
	@touch $@

# The example plugin is installed as anybody's would be: the tests find it through its entry point.
$(VENV)/.test: $(VENV)/.lab examples/modelhub-parrot/pyproject.toml examples/modelhub-parrot/modelhub_parrot.py
	$(BIN)/python -m pip install --quiet --group test
	$(BIN)/python -m pip install --quiet ./examples/modelhub-parrot
	@touch $@

$(VENV)/.train: $(VENV)/.test tiny_model/requirements.txt
	$(BIN)/python -m pip install --quiet -r tiny_model/requirements.txt
	@touch $@
