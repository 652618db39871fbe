# make demo   set up, materialize the emoji pipeline through Dagster, search it
# make serve  the search page on what the demo published
# make dev    the Dagster UI on the same definitions and the same Dagster home
# make check  lint and the tests that are quick and start no process: for every change
# make test   lint, types, definitions and all tests but the campaigns: what CI runs
# make soak   the long campaigns, by hand

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*)
SOURCES := $(wildcard plugins/*/src templates/*/src)
empty :=
space := $(empty) $(empty)
EDITABLE := -e .[dagster,serve] $(foreach plugin,$(PLUGINS),-e $(plugin))
DEMO := -e .[dagster,serve] -e plugins/open_clip -e plugins/sentence_transformers
PAGE_JS := tests/server/page
NEW_NODE := const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)
PORT ?= 3000
SEARCH_PORT ?= 8080
export DAGSTER_HOME ?= $(CURDIR)/.dagster

# A file's tests stay in one worker: what they share is made once.
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
UNMARKED := not (process or daemon or browser or slow or soak)

.PHONY: demo serve dev check test soak lint lint-js check-js types clean

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

lint: $(VENV)/.dev lint-js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# The page needs no build: node is for its checks alone, and may be missing.
lint-js:
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then echo "no node: the page's JavaScript is not checked"; \
	elif ! node -e '$(NEW_NODE)'; then echo "node $$(node --version) is older than 20.19: the page's JavaScript is not checked"; \
	else $(MAKE) --no-print-directory check-js; fi

$(PAGE_JS)/node_modules/.installed: $(PAGE_JS)/package.json $(PAGE_JS)/package-lock.json
	cd $(PAGE_JS) && npm ci --silent --no-audit --no-fund
	@touch $@

check-js: $(PAGE_JS)/node_modules/.installed
	cd $(PAGE_JS) && npm run --silent check

types: $(VENV)/.dev
	MYPYPATH=.:$(subst $(space),:,$(SOURCES)) $(BIN)/mypy embeddings_orch definitions tests/typing $(SOURCES)

check: lint
	$(PYTEST) -q -m "$(UNMARKED)"

test: lint types
	$(BIN)/dg check defs
	$(PYTEST) -q -m "not soak"

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -v -m soak --durations=0

clean:
	rm -rf $(VENV) $(PAGE_JS)/node_modules .dagster .embeddings_orch out
