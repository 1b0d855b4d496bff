"""keras-inr export-web: from a run folder to a page, and one readable line for what it cannot do."""

import functools
import json
import sys

import pytest

from cli.fit_calls import SCRIPTS, call, forked
from keras_inr.models import Siren

SCRIPT = SCRIPTS / "export_web.py"
export = functools.partial(forked, SCRIPT)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder as `scripts/fit.py` leaves it, as far as the export reads it."""
    folder = tmp_path_factory.mktemp("runs") / "a run"
    folder.mkdir()
    Siren(units=(8,), picture_size=(20, 30), seed=0).save(folder / "model.keras")
    (folder / "metrics.json").write_text(json.dumps({"psnr_db": 31.5, "image": "photos/my fox.jpg"}))
    return folder


@pytest.mark.slow
def test_exports_a_run_from_any_folder(run, tmp_path):
    done = call(f"--run={run}", cwd=tmp_path, command=[sys.executable, SCRIPT])
    assert (done.returncode, done.stderr) == (0, "")
    page = run / "web"
    lines = done.stdout.splitlines()
    assert lines[0] == str(page)
    assert "MB where the host compresses: any static host will do" in lines[1]
    assert lines[-1].startswith(f"  python -m http.server --directory '{page}' 8000")
    told = json.loads((page / "field.json").read_text())
    assert (told["title"], told["psnr_db"], told["half"]) == ("my_fox", 31.5, False)
    again = export(f"--run={run}", "--title=A fox", "--half", cwd=tmp_path)  # in its place
    assert again.returncode == 0, again.stderr
    told = json.loads((page / "field.json").read_text())
    assert (told["title"], told["half"]) == ("A fox", True)


def test_exports_a_file_to_a_folder(run, tmp_path):
    done = export(f"--model={run / 'model.keras'}", "--to=there", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / "index.html").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give one of --run=FOLDER and --model=FILE.keras, received neither"),
        (("--run=nowhere",), "there is no model: nowhere/model.keras does not exist"),
        (("--model={run}/model.keras", "--to=taken"), "folder must be new, empty, or one that export_web wrote"),
    ],
)
def test_one_line_for_what_cannot_be(run, tmp_path, flags, message):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    done = export(*(flag.format(run=run) for flag in flags), cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
