"""Pages that are made each time, the reference, the studies, the notebooks; and docstrings as Sphinx reads them."""

import importlib
import inspect
import os
import pathlib
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
    "keras_inr.comparing": "Comparing networks",
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
        (docs / "studies" / f"{name}.md").write_text(page_from(page.read_text(), f"experiments/{name}"))
    notes = (docs.parent / "benchmarks" / "NOTES.md").read_text()
    (docs / "results" / "notes.md").write_text(page_from(notes, "benchmarks"))
    for notebook in sorted((docs.parent / "examples").glob("*.ipynb")):
        shutil.copy(notebook, docs / "notebooks")


def source(app, name, content):
    """Pages link to files of the repository; here these become links to the pages that are made of them."""
    up = "../" * name.count("/")
    text = re.sub(r"\]\((?:\.\./)+experiments/(\w+)/README\.md\)", rf"]({up}studies/\1.md)", content[0])
    text = re.sub(r"\]\((?:\.\./)+examples/(\w+)\.ipynb\)", rf"]({up}notebooks/\1.ipynb)", text)
    content[0] = re.sub(r"\]\((?:\.\./)+benchmarks/NOTES\.md\)", f"]({up}results/notes.md)", text)


def page_from(text, folder):
    """A page of a folder of the repository, with links and pictures as they are from a folder of docs/.

    Links to files that are no pages become the names of the files.
    """

    def link(found):
        mark, shown, target = found.groups()
        if "://" in target or target.startswith("#"):
            return found[0]
        place = target.partition("#")[0]
        path = pathlib.PurePosixPath(os.path.normpath(f"{folder}/{place}"))
        if mark:
            return f"![{shown}](../../{path})"
        study = re.fullmatch(r"experiments/(\w+)(/README\.md)?", str(path))
        if study:
            return f"[{shown}](../studies/{study[1]}.md)"
        if path.name == "NOTES.md":
            return f"[{shown}](../results/notes.md)"
        return f"`{path}`"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", link, text)


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
    about, _, code = (inspect.getdoc(module) or "").partition("\n\nimport ")
    lines = [f"# {title}", "", f"```{{py:module}} {name}", "```", "", about, ""]
    lines += ["```python", f"import {code}", "```", ""] if code else []
    for public in public_names(module):
        if not public.startswith("__"):
            lines += entry(name, public, getattr(module, public))
    return "\n".join(lines)


def top_names():
    """Names that the package itself has."""
    return set(importlib.import_module("keras_inr").__all__)


def entry(room, name, value):
    """Lines for one name; for one that the package itself has, too, a link to it."""
    home = "keras_inr.errors" if value.__module__ == "keras_inr.errors" else "keras_inr"
    if room != home and (home != "keras_inr" or name in top_names()):
        kind = "class" if inspect.isclass(value) else "func"
        return [f"## {name}", "", f"See {{py:{kind}}}`{home}.{name}`.", ""]
    directive = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "autodata"
    options = ["   :members:"] if inspect.isclass(value) else []
    return [f"## {name}", "", "```{eval-rst}", f".. {directive}:: {room}.{name}", *options, "```", ""]


SECTIONS = ("Args:", "Other arguments:", "Attributes:", "Raises:", "Yields:", "Call:", "Shapes:")


def docstring(app, what, name, obj, options, lines):
    """Docstrings are plain text with code between single backticks; Sphinx reads reStructuredText."""
    parts = re.split(r"(?m)^((?: *\|.*\|\n)+)", "\n".join([*lines, ""]))
    found = [as_list_table(part) if place % 2 else as_text(part) for place, part in enumerate(parts)]
    lines[:] = "".join(found).split("\n")


def as_text(text):
    """Text without what reStructuredText takes for marks, and without its need of even indentation."""
    examples = re.split(r"(?m)^( *>>>.*(?:\n *\S.*)*)", text)
    text = "".join(part if place % 2 else escaped(part) for place, part in enumerate(examples))
    found, section = [], None
    for line in text.split("\n"):
        bare, indent = line.strip(), len(line) - len(line.lstrip())
        if indent == 0 and bare in SECTIONS:
            section = bare
        elif indent == 0 and bare == "Returns:":
            section = "Returns:"
        elif indent == 0 and bare:
            section = None
        if bare == "Returns:":
            found.append(":returns:")
            continue
        deepest = 4 if section == "Returns:" else 8 if section else indent_before(found)
        if bare and indent > deepest and not bare.startswith((">>>", "...")):
            line = " " * deepest + line.strip()
        found.append(line)
    return "\n".join(found)


def indent_before(lines):
    """How far a paragraph's lines so far are indented; any depth where a new one begins."""
    return len(lines[-1]) - len(lines[-1].lstrip()) if lines and lines[-1].strip() else 99


def escaped(text):
    """Text with marks of reStructuredText as themselves, but for code between backticks."""
    pieces = re.split(r"(`[^`]+`)", text)
    for place, piece in enumerate(pieces):
        if place % 2:
            follows = pieces[place + 1][:1]
            pieces[place] = piece + ("\\ " if follows.isalnum() else "")
        else:
            pieces[place] = re.sub(r"(?<=\w)_(?=\W|$)|[*|`]", lambda found: "\\" + found[0], piece)
    return "".join(pieces)


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
