"""Every flagfile in configs/ is one run of the zoo, and holds no number that a preset holds."""

import json
import pathlib
import re

import pytest
from cli.fit_calls import Call

from keras_inr.cli.preset_arguments import model_arguments
from keras_inr.presets import list_presets

CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"
NETWORKS = ("relu", "relu_pe", "siren", "multi_hash", "siren_256")


def flags_in(path):
    """[(name, value)] of a flagfile, comments left out."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [re.fullmatch(r"--(\w+)(?:=(.+))?", line).groups() for line in lines if line and not line.startswith("#")]


def test_each_network_has_one():
    assert {path.name for path in CONFIGS.iterdir()} >= {f"{name}.cfg" for name in NETWORKS}


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
class TestEachConfig:
    def test_has_the_numbers_of_a_run_and_none_of_an_architecture(self, path):
        assert path.suffix == ".cfg"
        flags = dict(flags_in(path))
        assert len(flags) == len(flags_in(path)), "a flag is given twice"
        assert not set(flags) & set(model_arguments())
        assert flags["preset"] in [info.name for info in list_presets()]
        assert len({"steps", "epochs"} & set(flags)) == 1
        assert flags["image"].startswith("sample:")  # which every machine has
        assert {"seed", "learning_rate", "batch_size"} <= set(flags)
        assert not {"out", "resume", "overwrite", "dry_run"} & set(flags)

    def test_is_named_after_its_preset(self, path):
        assert dict(flags_in(path))["preset"] == path.stem

    def test_dry_runs(self, path, tmp_path):
        (tmp_path / "cwd").mkdir()
        call = Call(f"--flagfile={path}", "--dry_run", cwd=tmp_path / "cwd", log=tmp_path)
        code, out, error = call.wait()
        assert (code, error) == (0, "")
        told = json.loads(out)
        flags = dict(flags_in(path))
        assert (told["preset"], told["arguments"]) == (flags["preset"], {})
        for name in ("learning_rate", "seed", "batch_size"):
            assert told[name] == float(flags[name])
        assert not list((tmp_path / "cwd").iterdir())
