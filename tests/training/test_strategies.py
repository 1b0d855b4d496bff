"""Training on several devices, here two logical CPU devices, against training on one."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from keras_inr.training.strategies import make_strategy

pytestmark = pytest.mark.slow

PROCESS = pathlib.Path(__file__).with_name("mirrored_process.py")
ROUNDING = 1e-12  # sums of 120 numbers in float64 in another order, after 40 steps


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    paths = os.pathsep.join(str(PROCESS.parents[up]) for up in (1, 2))
    done = subprocess.run(
        [sys.executable, str(PROCESS), str(tmp_path_factory.mktemp("mirrored"))],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "case",
    ["siren random", "siren full", "siren plateau", "siren derivatives", "multi_hash random", "multi_hash full"],
)
def test_two_devices_are_one(told, case):
    assert told[case]["difference"] < ROUNDING
    (one_psnr, one_rate, _), (two_psnr, two_rate, _) = told[case]["figures"]
    assert two_psnr == pytest.approx(one_psnr, rel=ROUNDING)
    assert two_rate == pytest.approx(one_rate, rel=1e-6)  # float32


def test_the_history_is_that_of_one_device(told):
    # not of hash grids, whose rounds have other lengths where several steps are one call
    (*_, one), (*_, two) = told["siren random"]["figures"]
    assert two == pytest.approx(one, rel=1e-6)  # float32


def test_the_plateau_lowers_the_rate_on_all_devices(told):
    assert told["siren plateau"]["figures"][1][1] < 1e-10


def test_a_step_must_be_shared_equally(told):
    assert told["odd"] == "points in a step must be a multiple of the 2 devices, received 51"


def test_a_resumed_fit_is_an_undisturbed_one(told):
    assert told["resumed"] == 0.0


def test_a_whole_run(told):
    assert told["run"]["device"].startswith("2 x CPU")
    assert told["run"]["psnr_db"] > 8
    assert told["run"]["difference"] < 1e-6  # served by other kernels


def test_refusals():
    with pytest.raises(ValueError, match=r"strategy must be 'none' where TensorFlow sees one device .*'mirrored'"):
        make_strategy("mirrored")
    with pytest.raises(ValueError, match=r"strategy must be one of .*received 'parallel'"):
        make_strategy("parallel")
