# `make` lists the targets. They need python3 >= 3.11, make and git; the rest they fetch themselves
# (Debian packages as root, Python packages into .venv by the hashes in requirements/).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SILENT:
.PHONY: help demo run test check bench peers pictures lock format docs assets clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
NODE_MISSING := import hatch_build, pathlib, sys; \
	sys.exit(hatch_build.is_current(pathlib.Path(".")) or hatch_build.node_on_path())
WORKERS ?= 2
ARGS ?=

help: ## List the targets
	awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: assets $(VENV)/.demo ## Start a filled sample registry and KubeDash on it; Ctrl-C ends both
	scripts/need.sh docker-registry
	exec $(BIN)/python -m demo.run $(ARGS)

run: assets ## Start KubeDash on an empty folder (./data)
	exec $(BIN)/kubedash serve $(ARGS)

test: assets $(VENV)/.dev ## Run every test (ARGS="-k name" for some)
	scripts/need.sh docker-registry skopeo umoci gnupg chromium fonts-dejavu-core postgresql apache2-utils
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

check: assets $(VENV)/.dev ## Lint, types, layers, budgets, templates, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m scripts.budgets
	$(BIN)/python -m scripts.templates
	$(BIN)/python -m scripts.documentation
	$(BIN)/python -m scripts.words

format: $(VENV)/.dev ## Sort imports and lay the code out
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

bench: assets $(VENV)/.dev ## Print the figures of docs/explanation/performance.md (ARGS="pages crawl")
	scripts/need.sh docker-registry wrk postgresql
	$(BIN)/python -m bench $(ARGS)

peers: ## Build other registries and clients with Go into .tools, for the tests that talk to them
	scripts/peers.sh

pictures: assets $(VENV)/.dev ## Take the pictures of the README from the demo (ARGS="tags-dark" for some)
	scripts/need.sh docker-registry chromium fonts-dejavu-core
	$(BIN)/python -m demo.pictures $(ARGS)

docs: $(VENV)/.dev ## Renew what the docs say from the code
	$(BIN)/python -m scripts.documentation --write

lock: $(VENV)/.dev ## Write requirements/*.txt anew from pyproject.toml
	scripts/lock.sh $(BIN)

clean: ## Remove everything that was made here
	rm -rf $(VENV) .cache .tools node_modules dist build test-results src/kubedash/web/static/dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Style sheets and scripts; nothing to do where they are as their sources.
assets: $(VENV)/.runtime
	$(BIN)/python hatch_build.py >/dev/null

$(VENV)/bin/python:
	scripts/need.sh python3-venv
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "KubeDash needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml hatch_build.py | $(VENV)/bin/python
	echo "Installing KubeDash into $(VENV)"
	$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	if $(BIN)/python -c '$(NODE_MISSING)'; then $(PIP) install --require-hashes -r requirements/node.txt; fi
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

# The real syft makes the demo's bills of materials; without it they are small ones of our own.
$(VENV)/.demo: requirements/demo.txt $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements/demo.txt || echo "syft cannot be installed here"
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime | $(VENV)/bin/python
	echo "Installing what tests and checks need into $(VENV)"
	$(PIP) install --require-hashes -r requirements/dev.txt
	touch $@
