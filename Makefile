# Needs python3 (3.11 or later) and make; a compiler only where a wheel is missing. Everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
EXAMPLES ?= 60
STORE ?= sqlite

.DEFAULT_GOAL := help
.PHONY: help install run run-mirror test replay check bench fmt requirements clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## make .venv from the pinned, hashed requirements (the others do it when needed)

run: $(READY) ## serve sample data on a free port, from .local/ (PORT=8080 make run for a given one)
	@$(BIN)/airtable-connector demo

run-mirror: $(READY) ## mirror a base of 20,000 records from a stand-in for Airtable, in .local/ (PORT and AIRTABLE_PORT give ports)
	@$(BIN)/airtable-connector demo-mirror $(if $(PORT),--port=$(PORT)) $(if $(AIRTABLE_PORT),--airtable-port=$(AIRTABLE_PORT))

test: $(READY) ## run every test
	$(BIN)/pytest --numprocesses=2 --dist=loadfile

replay: $(READY) ## run the model of callers, people and faults as a failed run has printed it (SEED=1 EXAMPLES=60 STORE=sqlite)
	SYNC_MODEL_SEED=$(SEED) SYNC_MODEL_EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/property/test_sync_model.py -k $(STORE)

check: $(READY) ## format, lint, types, import directions, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/pytest tests/architecture

bench: $(READY) ## measure against the bare server's ceiling
	$(BIN)/python -m bench

fmt: $(READY) ## put code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# No option is written into the files: whose mirror made them is nobody's business, the hashes say what they mean.
COMPILE := CUSTOM_COMPILE_COMMAND="make requirements" $(BIN)/pip-compile --quiet --no-build-isolation --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --annotation-style=line

requirements: $(READY) ## pin again what pyproject.toml asks for (UPGRADE=--upgrade for the newest)
	$(COMPILE) $(UPGRADE) --output-file=requirements.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --extra=dev --constraint=requirements.txt --output-file=requirements-dev.txt pyproject.toml
	$(COMPILE) --only-build-deps --build-deps-for=wheel --constraint=requirements-dev.txt --output-file=requirements-build.txt pyproject.toml

clean: ## remove the environment and everything made by tools
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis \
		bench/results build src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; make PYTHON=... names one")'
	@echo "making .venv from requirements-dev.txt (a minute or two, once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --no-index -e .
	@touch $@
