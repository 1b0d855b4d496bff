"""keras-inr compare."""

import csv
import functools

import pytest

from cli.fit_calls import forked

compare = functools.partial(forked, "keras_inr", "compare")
SMALL = ("--images=sample:chelsea,sample:coffee", "--size=24", "--batch_size=64")


@pytest.mark.slow
def test_a_comparison(tmp_path):
    (tmp_path / "more.json").write_text('{"slow": {"preset": "siren_paper", "arguments": {"omega_0": 5.0}}}')
    flags = (*SMALL, "--presets=siren,relu", "--variants=more.json", "--budget=5steps,1kparameters", "--seeds=2")
    done = compare(*flags, "--out=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| network | weights |" in done.stdout
    assert "5 steps, about 1,000 weights for each fit" in done.stdout
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * 2 * 2
    assert {line["batch_size"] for line in lines} == {"64"}
    assert "slow, seed 1: " in done.stderr
    again = compare(*flags, "--out=out", "--resume", cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout == done.stdout
    assert compare(*flags, "--out=out", cwd=tmp_path).returncode == 2


@pytest.mark.slow
def test_some_failed(tmp_path):
    (tmp_path / "torn.png").write_text("torn")
    done = compare("--images=sample:chelsea,torn.png", "--size=24", "--presets=relu", "--budget=2steps", cwd=tmp_path)
    assert done.returncode == 4
    assert "(1 failed)" in done.stdout


def test_bad_flags(tmp_path):
    for flags, message in (
        ((), "images must be given"),
        (SMALL, "presets must be names"),
        ((*SMALL, "--presets=sirens"), "sirens"),
        ((*SMALL, "--presets=siren", "--budget=3cats"), "budget must be such as"),
        ((*SMALL, "--presets=siren", "--variants=no.json"), "variants must be a JSON file"),
    ):
        done = compare(*flags, cwd=tmp_path)
        assert done.returncode == 2
        assert message in done.stderr
