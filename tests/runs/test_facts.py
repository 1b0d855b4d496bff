"""What every kind of run records."""

import csv
import os
import platform

import pytest
import tensorflow as tf

from keras_inr.runs import facts
from keras_inr.runs.facts import HISTORY, device_name, write_history


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


class TestDeviceName:
    def test_processor(self, monkeypatch):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
        text = "processor\t: 0\nmodel name\t: Abacus 3000 @ 2.0 GHz\nmodel name\t: other\n"
        monkeypatch.setattr(facts.pathlib.Path, "read_text", lambda path: text)
        assert device_name() == "CPU, 3 cores, Abacus 3000 @ 2.0 GHz"
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2})
        assert device_name() == "CPU, 1 core, Abacus 3000 @ 2.0 GHz"

    def test_processor_that_does_not_tell(self, monkeypatch):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])

        def absent(path):
            raise FileNotFoundError(path)

        monkeypatch.setattr(facts.pathlib.Path, "read_text", absent)
        number = facts.usable_cores()
        cores = "1 core" if number == 1 else f"{number} cores"
        assert device_name() == f"CPU, {cores}, {platform.machine()}"

    @pytest.mark.parametrize(("details", "name"), [({"device_name": "NVIDIA H100"}, "NVIDIA H100"), ({}, "unknown")])
    def test_graphics_card(self, monkeypatch, details, name):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["/GPU:0"])
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["/physical_device:GPU:0"])
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
        assert device_name() == f"GPU, {name}"
