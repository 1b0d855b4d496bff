# make fit   installs into .venv, fits a bundled photograph, and tells where the results are (one to two minutes)
# make test  installs into .venv and runs the tests, each file in a process of its own
# make test-all  the same, with the slow ones
PYTHON ?= python3
VENV := .venv
# what a fit needs, what a server needs beside it, and what tests and documentation need
BASE := $(VENV)/.base
SERVING := $(VENV)/.serving
INSTALLED := $(VENV)/.installed

# make docs  builds the documentation into docs/_build
.PHONY: fit demo test test-all docs style install clean

fit: $(BASE)
	$(VENV)/bin/python scripts/fit.py --flagfile=configs/pixel_grid.cfg

# what was stopped goes on where it was; rm -r runs/demo begins anew
demo: $(SERVING)
	$(call fitted,cat,configs/pixel_grid.cfg)
	$(call fitted,cat_by_sines,configs/siren.cfg)
	$(VENV)/bin/keras-inr serve --base=runs/demo/models

define fitted
	test -f runs/demo/$(1)/metrics.json || test ! -f runs/demo/$(1)/run.json || $(VENV)/bin/keras-inr fit --out=runs/demo/$(1) --resume
	test -f runs/demo/$(1)/metrics.json || $(VENV)/bin/keras-inr fit --flagfile=$(2) --out=runs/demo/$(1)
	test -d runs/demo/models/$(1)/1 || $(VENV)/bin/keras-inr export --run=runs/demo/$(1) --to=runs/demo/models --name=$(1) --original
endef

test: style
	$(VENV)/bin/python tests/run.py

test-all: style
	$(VENV)/bin/python tests/run.py -- -m "not reproduction"

docs: $(INSTALLED)
	$(VENV)/bin/python -m sphinx -W --keep-going -q docs docs/_build
	@echo "docs/_build/index.html"

style: $(INSTALLED)
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy --no-error-summary

install: $(INSTALLED)

$(BASE) $(SERVING) $(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".$(extras)"
	touch $@ $(covered)

$(SERVING): extras = [serving]
$(SERVING): covered = $(BASE)
$(INSTALLED): extras = [dev]
$(INSTALLED): covered = $(BASE) $(SERVING)

clean:
	rm -rf $(VENV) build dist *.egg-info
