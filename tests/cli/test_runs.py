"""keras-inr runs."""

import functools

import pytest

from cli.fit_calls import TINY, forked

runs = functools.partial(forked, "keras_inr", "runs")
fit = functools.partial(forked, "keras_inr", "fit")


@pytest.mark.slow
def test_runs(tmp_path):
    assert runs(cwd=tmp_path).returncode == 2  # there is no folder runs/
    for seed in (0, 1):
        assert fit(*TINY, f"--seed={seed}", "--preview_every=5", cwd=tmp_path).returncode == 0
    listed = runs(cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["0001", "0002"]
    assert all("siren sample:chelsea" in line and " dB " in line for line in listed)
    compared = runs("--compare=1,0002", "--out=beside.png", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    lines = {line.split()[0]: line.split()[1:] for line in compared.stdout.splitlines()}
    assert lines["seed"] == ["0", "1"]
    assert lines["steps"] == ["20", "20"]
    assert (tmp_path / "beside.png").is_file()
    tried = runs("--clean=all", "--dry_run", cwd=tmp_path)
    assert tried.stdout.splitlines()[0] == "runs/0001: would remove checkpoints, previews, tensorboard"
    assert (tmp_path / "runs" / "0001" / "previews").is_dir()
    assert runs("--clean=1", cwd=tmp_path).stdout.startswith("runs/0001: removed checkpoints, previews, tensorboard, ")
    assert not (tmp_path / "runs" / "0001" / "previews").exists()
    assert (tmp_path / "runs" / "0002" / "previews").is_dir()
    assert fit("--out=runs/0001", "--resume", cwd=tmp_path).returncode == 0  # it is reported as ever


def test_bad_flags(tmp_path):
    (tmp_path / "runs").mkdir()
    for flags, message in (
        (("--compare=1,2", "--clean=1"), "give one of compare and clean"),
        (("--compare=1",), "compare must be two runs, received 1"),
        (("--compare=1,2",), "runs must be folders of runs, received runs/0001"),
        (("--clean=7",), "runs must be folders of runs, received runs/0007"),
        (("--out=a.png",), "out goes with compare"),
    ):
        done = runs(*flags, cwd=tmp_path)
        assert done.returncode == 2
        assert message in done.stderr
