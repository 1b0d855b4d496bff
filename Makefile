# make fit   installs into .venv, fits a bundled photograph, and tells where the results are (one to two minutes)
# make test  installs into .venv and runs the tests, a few files at a time in fresh processes
# make test-all  the same, with the slow ones
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: fit test test-all style install clean

fit: $(INSTALLED)
	$(VENV)/bin/python scripts/fit.py --flagfile=configs/pixel_grid.cfg

test: style
	$(VENV)/bin/python tests/run.py

test-all: style
	$(VENV)/bin/python tests/run.py -- -m "not reproduction"

style: $(INSTALLED)
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy --no-error-summary

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
