"""Many fits at once of further networks against as many fits one after the other."""

import pytest

from keras_inr.models import MultiHash
from keras_inr.models.stacking import stack, unstack
from keras_inr.presets import from_preset
from training.one_by_one import compare, pictures


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["relu_pe", "finer", "wire", "mfn_gabor", "bacon", "gauss"])
def test_other_networks(preset):
    compared = ("psnr_db",) if preset == "bacon" else ("loss", "psnr_db")  # whose own loss is the mean over its depths
    small = {"units": 8} if preset in ("mfn_gabor", "bacon") else {"units": (8, 8)}
    fields = [from_preset(preset, seed=seed, dtype="float64", **small) for seed in range(3)]
    compare(lambda: unstack(stack(fields)), pictures(), compared=compared, steps=20)


@pytest.mark.slow
def test_tables_with_a_rate_of_their_own():
    def make():
        return [
            MultiHash(num_levels=3, finest_resolution=8, table_size=16, units=(8,), seed=seed, dtype="float64")
            for seed in range(3)
        ]

    compare(make, pictures(), steps=24, batch_size=64, table_learning_rate=0.02)
