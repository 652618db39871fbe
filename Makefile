# make demo   set up, materialize the emoji pipeline through Dagster, search it
# make serve  the search page on what the demo published
# make dev    the Dagster UI on the same definitions and the same Dagster home
# make test   set up, lint, types, definitions, all tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*)
SOURCES := $(wildcard plugins/*/src templates/*/src)
empty :=
space := $(empty) $(empty)
EDITABLE := -e .[serve] $(foreach plugin,$(PLUGINS),-e $(plugin))
DEMO := -e .[serve] -e plugins/open_clip -e plugins/sentence_transformers
PORT ?= 3000
SEARCH_PORT ?= 8080
export DAGSTER_HOME ?= $(CURDIR)/.dagster

.PHONY: demo serve dev test lint types clean

$(VENV)/.demo: pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "embeddings_orch needs Python 3.11 to 3.13; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	@echo "installing embeddings-orch with open-clip, sentence-transformers and torch (5.5 GB on Linux; a minute or two)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group demo $(DEMO)
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev $(EDITABLE)
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/python -m definitions.demo

serve: $(VENV)/.demo
	@$(BIN)/embeddings-orch serve --port $(SEARCH_PORT) --open

dev: $(VENV)/.dev
	@$(BIN)/python -c "from pathlib import Path; from embeddings_orch.spec.project import prepare_home; prepare_home(Path.cwd())"
	EMBEDDINGS_ORCH_WEBSERVER_URL=http://127.0.0.1:$(PORT) $(BIN)/dg dev --port $(PORT)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	MYPYPATH=.:$(subst $(space),:,$(SOURCES)) $(BIN)/mypy embeddings_orch definitions tests/typing $(SOURCES)

test: lint types
	$(BIN)/dg check defs
	$(BIN)/python -m pytest --numprocesses 3 --durations=10

clean:
	rm -rf $(VENV) .dagster .embeddings_orch out
