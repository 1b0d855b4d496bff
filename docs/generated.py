"""Pages that are made each time, the reference, the studies, the notebooks; and docstrings as Sphinx reads them."""

import importlib
import inspect
import re
import shutil

ROOMS = {
    "keras_inr": "What most people need",
    "keras_inr.layers": "Layers",
    "keras_inr.models": "Models",
    "keras_inr.initializers": "Initialisation schemes",
    "keras_inr.signals": "Pictures",
    "keras_inr.coordinates": "Coordinates",
    "keras_inr.derivatives": "Derivatives",
    "keras_inr.poisson": "Poisson solvers",
    "keras_inr.rendering": "Rendering",
    "keras_inr.choosing": "Choosing a network",
    "keras_inr.presets": "Presets",
    "keras_inr.training": "Training",
    "keras_inr.training.optimizers": "Optimizers",
    "keras_inr.training.starts": "Weights to start from",
    "keras_inr.metrics": "Metrics",
    "keras_inr.losses": "Losses",
    "keras_inr.export": "Export",
    "keras_inr.serving": "Serving",
    "keras_inr.gateway": "Tiles and IIIF",
    "keras_inr.datasets": "Lists of pictures",
    "keras_inr.runs": "Runs",
    "keras_inr.fleet": "Many pictures",
    "keras_inr.blocks": "Large pictures",
    "keras_inr.errors": "Errors",
}
"""Module -> title. Of a module without __all__ what it defines itself is public, unless its name begins with _."""


def write(docs):
    """Writes docs/reference, docs/studies and docs/notebooks."""
    for name in ("reference", "studies", "notebooks"):
        shutil.rmtree(docs / name, ignore_errors=True)
        (docs / name).mkdir()
    for module, title in ROOMS.items():
        (docs / "reference" / f"{module}.md").write_text(room_page(module, title))
    rooms = "\n".join(ROOMS)
    (docs / "reference" / "index.md").write_text(
        f"# Reference\n\nEvery public name, room by room.\n\n```{{toctree}}\n{rooms}\n```\n"
    )
    for page in sorted((docs.parent / "experiments").glob("*/README.md")):
        name = page.parent.name
        include = f"```{{include}} ../../experiments/{name}/README.md\n:relative-images:\n```\n"
        (docs / "studies" / f"{name}.md").write_text(include)
    for notebook in sorted((docs.parent / "examples").glob("*.ipynb")):
        shutil.copy(notebook, docs / "notebooks")


def public_names(module):
    """Names that a module is for."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and callable(value)
    ]


def room_page(name, title):
    """A page of the reference: what the module says of itself, and each of its names."""
    module = importlib.import_module(name)
    lines = [f"# {title}", "", f"```{{py:module}} {name}", "```", "", inspect.getdoc(module) or "", ""]
    for public in public_names(module):
        if not public.startswith("__"):
            lines += entry(name, public, getattr(module, public))
    return "\n".join(lines)


def top_names():
    """Names that the package itself has."""
    return set(importlib.import_module("keras_inr").__all__)


def entry(room, name, value):
    """Lines for one name; for one that the package itself has, too, a link to it."""
    if room != "keras_inr" and name in top_names():
        kind = "class" if inspect.isclass(value) else "func"
        return [f"## {name}", "", f"See {{py:{kind}}}`keras_inr.{name}`.", ""]
    directive = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "autodata"
    options = ["   :members:"] if inspect.isclass(value) else []
    return [f"## {name}", "", "```{eval-rst}", f".. {directive}:: {room}.{name}", *options, "```", ""]


def docstring(app, what, name, obj, options, lines):
    """Docstrings are Markdown where they have a table; Sphinx reads reStructuredText."""
    text = "\n".join(lines)
    text = re.sub(r"(?m)^((?: *\|.*\n?)+)", lambda found: as_list_table(found[0]), text)
    lines[:] = text.split("\n")


def as_list_table(table):
    """A table of Markdown, its rows between bars, as reStructuredText."""
    rows = [row.strip() for row in table.strip("\n").split("\n")]
    if len(rows) < 2 or not re.fullmatch(r"\|[-:| ]+\|", rows[1]):
        return table
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (rows[0], *rows[2:])]
    found = ["", ".. list-table::", "   :header-rows: 1", ""]
    for row in cells:
        found += [f"   {'* -' if place == 0 else '  -'} {cell}" for place, cell in enumerate(row)]
    return "\n".join([*found, "", ""])
