import numpy as np
import pytest

from keras_inr.models import Siren
from keras_inr.models.stacking import empty_stack, fresh_copy, stack, unstack
from keras_inr.presets import from_preset, list_presets

COORDS = np.random.default_rng(0).uniform(-1, 1, (7, 2)).astype("float32")


@pytest.mark.parametrize("preset", [info.name for info in list_presets() if not info.name.startswith("cell_grid_")])
def test_every_network_comes_back_from_a_stack(preset):
    size = {"picture_size": (20, 30)}
    fields = [from_preset(preset, seed=seed, channels=1, **size) for seed in (3, 5)]
    stacked = stack(fields)
    assert stacked.num_fields == 2
    assert stacked.picture_size == (20, 30)
    values = stacked(COORDS)
    for place, (field, back) in enumerate(zip(fields, unstack(stacked), strict=True)):
        # products of stacked kernels are summed in another order
        np.testing.assert_allclose(values[place], field(COORDS), rtol=1e-4, atol=1e-4)
        assert back.picture_size == (20, 30)
        for one, other in zip(field.weights, back.weights, strict=True):
            np.testing.assert_array_equal(one, other)


def test_tables_of_an_empty_stack_are_not_drawn():
    """Which takes long, and as much memory again, where they are large."""
    field = from_preset("pixel_grid", picture_size=(20, 30), seed=3)
    stacked = empty_stack(field, 2)
    assert not any(np.any(table) for table in stacked.stack[0].tables)
    assert all(np.any(table) for table in fresh_copy(field, seed=4).stack[0].tables)


def test_places_and_sizes():
    fields = [Siren(units=(4,), seed=seed, picture_size=(5, 5 + seed)) for seed in range(3)]
    stacked = stack(fields)
    assert stacked.picture_size is None
    (back,) = unstack(stacked, [1])
    np.testing.assert_array_equal(back.weights[0], fields[1].weights[0])


def test_frozen_layers_of_the_first_are_frozen():
    fields = [Siren(units=(4, 4), seed=seed) for seed in range(2)]
    fields[0].stack[1].trainable = False
    assert [layer.trainable for layer in stack(fields).stack] == [layer.trainable for layer in fields[0].stack]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "fields must be one at least, received none"),
        ([Siren(units=(4,), num_fields=2)], "fields must be single ones, received num_fields=2"),
        ([Siren(units=(4,)), Siren(units=(4,), omega_0=20.0)], "omega_0 30.0 and 20.0"),
        ([Siren(units=(4,)), from_preset("relu")], "class Siren and ReluMLP"),
    ],
)
def test_what_cannot_be_stacked(fields, message):
    with pytest.raises(ValueError, match=message):
        stack(fields)


def test_single_field_cannot_be_unstacked():
    with pytest.raises(ValueError, match="field must be stacked, received num_fields=None"):
        unstack(Siren(units=(4,)))


@pytest.mark.parametrize("call", [lambda: stack([Siren(units=(4,)), 3]), lambda: unstack(3)])
def test_what_is_no_field(call):
    with pytest.raises(TypeError, match=r"fields must be keras_inr\.models\.Field, received int"):
        call()
