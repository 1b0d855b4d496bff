"""A fit that was stopped and resumed ends bit-identical to an undisturbed one."""

import importlib
import re

import pytest

from keras_inr.errors import CheckpointError
from keras_inr.training import fit
from training.small_fits import StopAfter, fingerprint, small_field, small_picture

SIREN = {"steps": 20, "batch_size": 32, "learning_rate": 0.05}
HASH = {"steps": 84, "batch_size": 32, "learning_rate": 0.05, "table_learning_rate": 0.2}
# so slow that which round is better is left to the luck of its batches, and half a round would often tell otherwise
ANY_TIME = {"schedule": "inverse", "hold_epochs": 2.0, "averaging": 4.0}
PLATEAU = {"schedule": "plateau", "plateau_patience": 4, "optimizer": "sgd", "learning_rate": 1e-4}


@pytest.fixture(autouse=True)
def long_rounds(monkeypatch):
    """Rounds of 3 steps for the sine network, and of two executions of 8 for the hash encoding."""
    monkeypatch.setattr(importlib.import_module("keras_inr.training.fitting"), "ROUNDS", 6.7)


def run(kind, arguments, folder=None, moments=(None,), **more):
    """Fits, stopped after so many executions of each part, every part with another fresh field; None ends it."""
    for part, moment in enumerate(moments):
        field = small_field(kind, seed=part, **more)
        stop = StopAfter(moment)
        result = fit(
            field,
            small_picture(),
            checkpoint_dir=folder,
            checkpoint_seconds=0 if part % 2 else 30,
            should_stop=stop,
            progress=False,
            **arguments,
        )
        assert result.stopped_by == ("steps" if moment is None else "interrupt")
    return fingerprint(field), [{**row, "seconds": None} for row in result.rows], result


def assert_alike(kind, arguments, folder, *moments, **more):
    undisturbed, resumed = (run(kind, arguments, *parts, **more) for parts in ((), (folder, (*moments, None))))
    assert resumed[0] == undisturbed[0]
    assert resumed[1] == undisturbed[1]
    assert resumed[2].psnr_db == undisturbed[2].psnr_db
    return undisturbed[1]


class TestSiren:
    @pytest.mark.parametrize(
        ("sampling", "schedule", "moments"),
        [
            ("random", {}, (1, 5, 4)),  # in the first round, at the end of the second, in the fourth
            ("shuffled", PLATEAU, (3, 9)),
            ("full", {"warmup_epochs": 2.0}, (13, 4)),
            ("continuous", PLATEAU, (10, 1, 1)),
            ("shuffled", ANY_TIME, (1, 5, 4)),
            ("random", {**ANY_TIME, "optimizer": "muon"}, (13, 2)),
        ],
    )
    def test_stopped_and_resumed(self, tmp_path, sampling, schedule, moments):
        rows = assert_alike("siren", {**SIREN, "sampling": sampling, **schedule}, tmp_path, *moments)
        assert [row["step"] for row in rows] == [3, 6, 9, 12, 15, 18, 20]
        assert len({row["learning_rate"] for row in rows}) > 1  # the schedule was at work


class TestMultiHash:
    @pytest.mark.parametrize(
        ("sampling", "schedule", "moments"),
        [
            ("random", {**PLATEAU, "table_learning_rate": 1e-3}, (2,)),
            ("shuffled", {}, (5,)),
            ("full", {"optimizer": "adamw", "weight_decay": 0.1}, (11,)),
            ("continuous", {"optimizer": "sgd", "clip_norm": 1.0}, (1, 3)),
        ],
    )
    def test_stopped_and_resumed(self, tmp_path, sampling, schedule, moments):
        rows = assert_alike("multi_hash", {**HASH, "sampling": sampling, **schedule}, tmp_path, *moments)
        assert [row["step"] for row in rows] == [16, 32, 48, 64, 80, 84]

    def test_rounds_of_an_epoch_and_averages(self, tmp_path):
        rows = assert_alike("multi_hash", {**HASH, **ANY_TIME, "batch_size": 10}, tmp_path, 4, 1, 3)
        assert [row["step"] for row in rows] == [16, 32, 48, 64, 80, 84]
        assert rows[-1]["learning_rate"] == pytest.approx(0.05 * 24 / 85)


class TestDerivatives:
    @pytest.mark.parametrize(
        ("kind", "settings", "moments"),
        [
            ("siren", {"supervise": "gradient"}, (1, 5, 4)),
            ("siren", {"supervise": "laplacian", "sampling": "shuffled", "derivative_rule": "spline"}, (7,)),
            ("siren", {"supervise": "combined", "sampling": "continuous", "schedule": "plateau"}, (3, 9)),
            ("siren", {"supervise": "combined", "sampling": "full", "laplacian_weight": 0.0}, (4,)),
            ("siren", {"supervise": "gradient", "optimizer": "muon"}, (4,)),
        ],
    )
    def test_stopped_and_resumed(self, tmp_path, kind, settings, moments):
        assert_alike(kind, {**SIREN, **settings}, tmp_path, *moments)

    def test_of_a_hash_encoding(self, tmp_path):
        assert_alike("multi_hash", {**HASH, "supervise": "gradient"}, tmp_path, 5)


class TestOther:
    @pytest.mark.parametrize("policy", ["float64", "mixed_float16"])
    def test_other_precisions(self, tmp_path, policy):
        assert_alike("siren", SIREN, tmp_path, 4, dtype=policy)

    def test_stopped_at_the_very_last_step(self, tmp_path):
        assert_alike("siren", SIREN, tmp_path, 20)

    def test_a_finished_run_is_only_measured(self, tmp_path):
        first = run("siren", SIREN, tmp_path)
        again = run("siren", SIREN, tmp_path)
        assert again[:2] == first[:2]
        assert again[2].psnr_db == first[2].psnr_db
        assert again[2].train_seconds == first[2].train_seconds

    @pytest.mark.parametrize("schedule", [{"schedule": "constant"}, ANY_TIME], ids=["constant", "inverse"])
    def test_more_steps_than_before_go_on(self, tmp_path, schedule):
        short = {**SIREN, **schedule}
        run("siren", short, tmp_path)
        longer = {**short, "steps": 31}
        extended = run("siren", longer, tmp_path)
        assert extended[2].steps == 31
        assert extended[0] == run("siren", longer)[0]

    @pytest.mark.parametrize(
        ("arguments", "received"),
        [
            ({"omega_0": 2.0}, r"field_omega_0 was 1\.0 and is 2\.0$"),
            ({"scheme": "paper", "omega_0": 1.0}, r"field_scheme was 'descent' and is 'paper'$"),
            ({"value_range": (-1, 1)}, r"field_value_range was \[0\.0, 1\.0\] and is \[-1\.0, 1\.0\]$"),
        ],
    )
    def test_a_checkpoint_of_a_network_of_the_same_shape_is_refused(self, tmp_path, arguments, received):
        run("siren", SIREN, tmp_path)
        with pytest.raises(CheckpointError, match=received):
            run("siren", SIREN, tmp_path, **arguments)

    def test_fewer_steps_than_there_are_are_refused(self, tmp_path):
        run("siren", SIREN, tmp_path)
        with pytest.raises(CheckpointError, match=r"has 20 steps already, .* received steps=19$"):
            run("siren", {**SIREN, "steps": 19}, tmp_path)

    def test_a_checkpoint_without_averages_is_refused(self, tmp_path):
        run("siren", SIREN, tmp_path)
        with pytest.raises(CheckpointError, match=r"expected 1485 numbers in 25 arrays, received 1114 in 19$"):
            run("siren", {**SIREN, "averaging": 4.0}, tmp_path)

    @pytest.mark.parametrize("arguments", [{"units": (16, 17)}, {"units": (16,)}])
    def test_a_checkpoint_of_another_network_is_refused(self, tmp_path, arguments):
        run("siren", SIREN, tmp_path)
        # 371 weights and Adam's two moments of each, and its count of steps: 6 + 12 + 1 arrays
        received = rf"the checkpoint in {re.escape(str(tmp_path))} belongs to another .* received 1114 in 19$"
        with pytest.raises(ValueError, match=received):
            run("siren", SIREN, tmp_path, **arguments)

    def test_a_checkpoint_of_another_optimizer_is_refused(self, tmp_path):
        run("siren", SIREN, tmp_path)
        with pytest.raises(ValueError, match=r"another network or optimizer: expected 743 numbers in 13 arrays, rec"):
            run("siren", {**SIREN, "optimizer": "sgd"}, tmp_path)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run("siren", SIREN, tmp_path)
    with pytest.raises(CheckpointError, match=r"belongs to another run: seed was \d+ and is 99"):
        run("siren", {**SIREN, "seed": 99}, tmp_path)
