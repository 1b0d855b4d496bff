"""Sphinx's settings: python -m sphinx -W docs docs/_build, or make docs."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generated

from keras_inr._version import __version__

project = "keras_inr"
copyright = "the keras_inr authors"
author = "the keras_inr authors"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "myst_nb",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
html_theme = "furo"
html_title = f"keras_inr {version}"
html_static_path = []

# text within single backticks is code, as in Markdown
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures have them
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Other arguments", "params_style")]

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # examples/ is run by the tests, and its outputs are committed
suppress_warnings = ["myst.strikethrough"]


def setup(app):
    """Pages that are made from the package, the studies and the notebooks."""
    app.connect("builder-inited", lambda app: generated.write(HERE))
    app.connect("source-read", generated.source)
    app.connect("autodoc-process-docstring", generated.docstring, priority=400)  # before napoleon
