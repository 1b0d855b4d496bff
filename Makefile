# make fit   installs into .venv, fits a bundled photograph, and tells where the results are (two to four minutes)
# make test  installs into .venv and runs the tests
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

# folders of tests, each word in processes of its own: TensorFlow keeps what it has compiled for as long as one lives
PARTS := training runs export,signals layers,models fleet,scripts
PYTEST := $(VENV)/bin/python -m pytest

.PHONY: fit test install clean

fit: $(INSTALLED)
	$(VENV)/bin/python scripts/fit.py --flagfile=configs/siren.cfg

test: $(INSTALLED)
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --check --quiet .
	for part in $(PARTS); do $(PYTEST) $$(echo tests/$$part | sed 's|,| tests/|g') || exit 1; done
	$(PYTEST) tests --ignore-glob='*/tests/*/*'

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
