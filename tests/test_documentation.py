"""docs/ is built without a warning, and has a page for every public name."""

import importlib
import pathlib
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("sphinx")

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import generated

ROOMS = sorted(path.parent for path in (ROOT / "keras_inr").rglob("__init__.pyi"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The pages, out of a copy, as the sources get pages beside them."""
    place = tmp_path_factory.mktemp("copy")
    for name in ("docs", "examples", "experiments", "benchmarks"):
        ignored = shutil.ignore_patterns("_build", "reference", "studies", "notebooks", "__pycache__")
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "README.md"):
        shutil.copy(ROOT / name, place)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "1", place / "docs", place / "pages"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    return place / "pages"


def test_every_public_name_has_an_entry(built):
    for module in generated.ROOMS:
        text = (built / "reference" / f"{module}.html").read_text()
        for name in generated.public_names(importlib.import_module(module)):
            assert name.startswith("__") or f">{name}<" in text, f"{module}.{name}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_has_a_page(room):
    assert ".".join(room.relative_to(ROOT).parts) in generated.ROOMS


def test_tables_of_docstrings_are_tables():
    table = "| a | b |\n|---|---|\n| `x` | y |\n"
    found = generated.as_list_table(table)
    assert found.split("\n") == [
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - a",
        "     - b",
        "   * - `x`",
        "     - y",
        "",
        "",
    ]
    assert generated.as_list_table("| no table |\n") == "| no table |\n"
