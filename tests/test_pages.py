"""docs/: what pages show runs as it stands, and what they name is there."""

import pathlib
import re
import shlex

import pytest
from cli.fit_calls import forked

from keras_inr.cli import main

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*/*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if page.parent.name not in ("reference", "studies", "notebooks", "_build")]
OF_OWN_TESTS = ("own_layers.md",)
"""What tests/test_own_modules.py runs."""

GUIDES = [page for page in PAGES if "```python\n" in page.read_text() and page.name not in OF_OWN_TESTS]
GUIDES = [pytest.param(page, marks=[pytest.mark.slow] * (page.name != "README.md")) for page in GUIDES]


def blocks(page, language):
    """Code of a language in a page, one text for each block."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text())


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_runs(page, tmp_path):
    """Each block by itself, in an empty folder."""
    for number, block in enumerate(blocks(page, "python")):
        script = tmp_path / f"block_{number}.py"
        script.write_text(block)
        done = forked(script, cwd=tmp_path)
        assert done.returncode == 0, f"{block}\n{done.stderr[-3000:]}"


def commands(page):
    """The calls of keras-inr in a page, as lists of words."""
    text = "\n".join(re.findall(r"(?ms)^```(?:sh)?\n(.*?)^```$", page.read_text())).replace("\\\n", " ")
    lines = (line.split("#")[0].split("|")[0].strip() for line in text.splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("keras-inr ")]


NAMED = [(page, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), NAMED, ids=[f"{p.stem}-{' '.join(w)[:40]}" for p, w in NAMED])
def test_commands_have_these_flags(page, words):
    """Of every command that a page shows, the command and each of its flags exist."""
    command, *given = words
    assert command in main.COMMANDS
    known = flags_of(command)
    for word in given:
        name = word.removeprefix("--").split("=")[0]
        assert name in known or name.removeprefix("no") in known, f"{command} has no --{name}"


_flags = {}


def flags_of(command):
    """Names of a command's flags, all models' arguments among them."""
    if command not in _flags:
        done = forked("keras_inr", command, "--helpfull")
        _flags[command] = set(re.findall(r"(?m)^\s*--(?:\[no\])?([a-z_0-9]+)", done.stdout)) | {"flagfile"}
    return _flags[command]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """In the repository, where nothing has been built."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{target} in {page.name}"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
