# Needs Python 3.11 or newer with venv, make and a package index; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement

.DEFAULT_GOAL := help
.PHONY: help run test check bench format

help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Starts the whole product and keeps it running until Ctrl-C.
	@exec $(BIN)/python manage.py up

test: $(VENV)/installed-dev ## Runs every check and test, on SQLite and on PostgreSQL.
	@exec $(BIN)/python -m tests.everything

check: $(VENV)/installed-dev ## Checks style and types only.
	@exec $(BIN)/python -m tests.everything --checks

bench: $(VENV)/installed-dev ## Measures the product against its goals and its peers; takes 20 minutes.
	@exec $(BIN)/python -m benchmarks

format: $(VENV)/installed-dev ## Puts the code into shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A stamp is older than its list when the list changed: then, and only then, pip runs again.
$(VENV)/installed: requirements.txt | $(VENV)/bin/python
	@echo "Installing what requirements.txt pins into $(VENV) …"
	@$(INSTALL) requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing what requirements-dev.txt pins into $(VENV) …"
	@$(INSTALL) requirements-dev.txt
	@touch $(VENV)/installed $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed.")'
	@$(PYTHON) -m venv $(VENV)
