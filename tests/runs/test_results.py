"""The parts of what a run leaves."""

import csv
import json
import math
import os
import platform

import numpy as np
import pytest
import tensorflow as tf
from small_runs import make_settings, plan

from keras_inr.runs import results
from keras_inr.runs.results import (
    HISTORY,
    NUMBER,
    SUMMARIZED,
    describe,
    device_name,
    read_metrics,
    write_history,
)
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


class TestHistory:
    def test_rows_and_gaps(self, tmp_path):
        rows = [
            {"step": 1, "seconds": 0.5, "loss": 0.1, "psnr_db": None, "learning_rate": 1e-3},
            {"step": 2, "seconds": 1.0, "loss": 1e-30, "psnr_db": 300.0, "learning_rate": 0.0, "picture_psnr_db": 3.5},
        ]
        write_history(tmp_path / "history.csv", rows)
        with open(tmp_path / "history.csv", newline="") as file:
            read = list(csv.DictReader(file))
        assert list(read[0]) == list(HISTORY)
        assert [row["psnr_db"] for row in read] == ["", "300.0"]
        assert [row["picture_psnr_db"] for row in read] == ["", "3.5"]
        assert [float(row["loss"]) for row in read] == [0.1, 1e-30]

    def test_no_rows(self, tmp_path):
        write_history(tmp_path / "history.csv", [])
        assert (tmp_path / "history.csv").read_text().split() == [",".join(HISTORY)]


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


class TestDeviceName:
    def test_processor(self, monkeypatch):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
        text = "processor\t: 0\nmodel name\t: Abacus 3000 @ 2.0 GHz\nmodel name\t: other\n"
        monkeypatch.setattr(results.pathlib.Path, "read_text", lambda path: text)
        assert device_name() == "CPU, 3 cores, Abacus 3000 @ 2.0 GHz"

    def test_processor_that_does_not_tell(self, monkeypatch):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])

        def absent(path):
            raise FileNotFoundError(path)

        monkeypatch.setattr(results.pathlib.Path, "read_text", absent)
        assert device_name().endswith(f"cores, {platform.machine()}")

    @pytest.mark.parametrize(("details", "name"), [({"device_name": "NVIDIA H100"}, "NVIDIA H100"), ({}, "unknown")])
    def test_graphics_card(self, monkeypatch, details, name):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["/GPU:0"])
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["/physical_device:GPU:0"])
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
        assert device_name() == f"GPU, {name}"
