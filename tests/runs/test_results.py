"""The parts of what a run leaves."""

import json
import math
import platform

import numpy as np
import pytest
import tensorflow as tf
from small_runs import make_settings, plan

from keras_inr.runs.facts import device_name
from keras_inr.runs.results import NUMBER, SUMMARIZED, describe, read_metrics
from keras_inr.training.result import FitResult


def make_result(**fields):
    values = {
        "psnr_db": 31.5,
        "psnr_8bit_db": 31.25,
        "ssim": 0.75,
        "steps": 60,
        "train_seconds": 1.5,
        "setup_seconds": 0.5,
        "stopped_by": "steps",
        "rows": [],
        "prediction": np.zeros((24, 32, 3)),
    }
    return FitResult(**{**values, **fields})


class TestDescribe:
    def test_what_was_measured_and_on_what(self):
        prepared = plan(make_settings(recipe={"seed": 3}))
        described = describe(prepared, make_result())
        assert described["image"] == "sample:chelsea"
        assert described["image_options"] == {"crop": (100, 150, 24, 32)}
        sizes = [described[name] for name in ("height", "width", "channels", "bit_depth", "num_parameters", "seed")]
        assert sizes == [24, 32, 3, 8, 16 * 3 + 16 * 17 + 3 * 17, 3]
        assert (described["psnr_db"], described["psnr_8bit_db"], described["ssim"]) == (31.5, 31.25, 0.75)
        assert (described["steps"], described["epochs"], described["points_per_step"]) == (60, 20.0, 256)
        assert described["recipe"]["steps"] == 60
        assert described["versions"]["tensorflow"] == tf.__version__
        assert described["versions"]["python"] == platform.python_version()
        assert described["device"] == device_name()

    def test_an_exact_picture_is_null(self):
        prepared = plan(make_settings())
        described = describe(prepared, make_result(psnr_db=math.inf, psnr_8bit_db=math.inf, ssim=None))
        assert [described[key] for key in ("psnr_db", "psnr_8bit_db", "ssim")] == [None, None, None]


@pytest.mark.parametrize(
    ("goal", "result", "expected"),
    [
        (None, {}, (None, None)),
        (31.0, {}, ("31 dB", True)),
        (40.5, {}, ("40.5 dB", False)),
        (40.0, {"psnr_db": math.inf}, ("40 dB", True)),
        (40.0, {"stopped_by": "psnr"}, ("40 dB", True)),  # after an offset, where derivatives are fitted
    ],
)
def test_whether_a_goal_was_met(goal, result, expected):
    described = describe(plan(make_settings(goal_psnr_db=goal)), make_result(**result))
    assert (described["goal"], described["goal_met"]) == expected


class TestReadMetrics:
    def test_whole(self, tmp_path):
        values = {float: 0.5, int: 3, str: "text", NUMBER: None}
        metrics = {**{name: values[kind] for name, kind in SUMMARIZED.items()}, "more": 3}
        (tmp_path / "metrics.json").write_text(json.dumps(metrics))
        assert read_metrics(str(tmp_path)) == metrics

    @pytest.mark.parametrize("content", [None, b"", b'{"psnr_db": 31', b"{}", b"null", b"[]", b'"psnr_db"', b"\xff"])
    def test_absent_or_damaged(self, tmp_path, content):
        if content is not None:
            (tmp_path / "metrics.json").write_bytes(content)
        assert read_metrics(tmp_path) is None
