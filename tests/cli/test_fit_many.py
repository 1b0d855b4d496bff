import functools
import json
import sys

import pytest
from fleet.small_fleets import write_pictures

from cli.fit_calls import SCRIPTS, call, forked
from keras_inr.presets import get_preset

SCRIPT = SCRIPTS / "fit_many.py"
SMALL = ("--preset=siren_256", "--units=8,8", "--sampling=full", "--steps=5")


fit_many = functools.partial(forked, SCRIPT)


def test_all_fitted(tmp_path):
    write_pictures(tmp_path / "in", 3)
    flags = (f"--images={tmp_path}/in", *SMALL, f"--out={tmp_path}/out")
    done = call(*flags, cwd=tmp_path, command=[sys.executable, SCRIPT])
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("3 of 3 pictures fitted, PSNR from ")
    assert f"manifest: {tmp_path}/out/manifest.csv" in last


@pytest.mark.slow
def test_some_failed(tmp_path):
    source = write_pictures(tmp_path / "in", 2)
    (source / "torn.png").write_text("torn")
    done = fit_many(f"--images=folder:{source},sample:camera", "--size=8", *SMALL, f"--out={tmp_path}/out")
    assert done.returncode == 4
    assert done.stdout.splitlines()[0].startswith("3 of 4 pictures fitted")
    assert "\ntorn.png: " in done.stdout


@pytest.mark.slow
def test_exports(tmp_path):
    """Of pictures that were fitted before; the file where one's export should be is told."""
    source, flags = write_pictures(tmp_path / "in", 2), (*SMALL, f"--out={tmp_path}/out")
    fit_many(f"--images={source}", *flags)
    (tmp_path / "out" / "pictures" / "001" / "saved_model").write_text("mine")
    done = fit_many(f"--images={source}", *flags, "--export", "--resume")
    assert done.returncode == 4, done.stderr
    first, second, _ = done.stdout.splitlines()
    assert first.endswith("; 1 exported")
    assert second.startswith("001.png: it is fitted but cannot be exported: ")
    assert (tmp_path / "out" / "pictures" / "000" / "saved_model" / "1" / "saved_model.pb").is_file()


def test_nothing_could_start(tmp_path):
    (tmp_path / "empty").mkdir()
    for flags, message in (
        ((), "images must be given"),
        ((f"--images={tmp_path}/empty",), "must hold pictures"),
        (("--images=folder:nowhere",), "folder 'nowhere' does not exist"),
        (("--images=sample:camera,sample:camera",), "pictures must have different names"),
        (("--images=sample:camera", "--supervise=gradient"), "supervise must be 'value'"),
        (("--images=sample:camera", "--ray_address=127.0.0.1:1"), "no Ray cluster answers at '127.0.0.1:1'"),
    ):
        done = fit_many(*flags, f"--out={tmp_path}/out")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out").exists()


def test_the_rate_is_a_number():
    done = fit_many("--images=sample:camera", "--learning_rate=auto")
    assert done.returncode == 1
    assert "learning_rate must be a number (keras-inr fit alone takes auto), received 'auto'" in done.stderr


@pytest.mark.slow
def test_the_recipe_is_the_preset_s_own_and_stays_that_of_a_run(tmp_path):
    source, flags = write_pictures(tmp_path / "in", 1), ("--preset=siren", "--units=8,8", "--steps=5", "--out=out")
    done = fit_many(f"--images={source}", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run_json = tmp_path / "out" / "run.json"
    content = json.loads(run_json.read_text())
    own = get_preset("siren").own_recipes
    recipe = content["identity"]["recipe"]
    assert recipe["optimizer"] == next(iter(own))
    assert recipe["learning_rate"] == own[recipe["optimizer"]]["learning_rate"]
    recipe |= {"optimizer": "adam", "learning_rate": 0.001}  # as an earlier version started it
    run_json.write_text(json.dumps(content))
    again = fit_many(f"--images={source}", *flags, "--resume", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    other = fit_many(f"--images={source}", *flags, "--resume", "--learning_rate=0.5", cwd=tmp_path)
    assert other.returncode == 2
    assert "Traceback" not in other.stderr
