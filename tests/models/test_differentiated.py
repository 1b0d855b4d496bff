"""What `Differentiated` takes and refuses; what it computes is held by the derivatives' tests and those of `fit`."""

import re

import numpy as np
import pytest

from keras_inr.models import Siren
from keras_inr.models.differentiated import Differentiated

COORDS = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype("float32")
OUTPUTS = ("values", "jacobian")
TARGETS = {"values": np.zeros((50, 2), "float32"), "jacobian": np.ones((50, 2, 2), "float32")}


def compiled(chunk=None, **arguments):
    model = Differentiated(Siren(units=(8,), channels=2, seed=0), OUTPUTS, chunk=chunk, **arguments)
    model.compile("sgd", loss=dict.fromkeys(OUTPUTS, "mse"))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 7, 16, 1000])
def test_plain_arrays_with_a_shorter_last_batch(chunk):
    """A chunk changes nothing but memory, also where batches are too short or of unknown length."""
    histories, weights = [], []
    for model in (compiled(), compiled(chunk)):
        data = {"validation_data": (COORDS, TARGETS), "batch_size": 16, "shuffle": False, "verbose": 0}
        histories.append(model.fit(COORDS, TARGETS, epochs=2, **data).history)
        weights.append(np.concatenate([np.ravel(weight) for weight in model.get_weights()]))
    for name, values in histories[0].items():
        # sums of some hundred float32 terms, ordered otherwise
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-5)
    np.testing.assert_allclose(*weights, rtol=0, atol=1e-5)


@pytest.mark.parametrize("call", ["fit", "evaluate"])
@pytest.mark.parametrize(
    ("targets", "weights", "message"),
    [
        (TARGETS, np.ones(50, "float32"), "sample_weight must be None"),
        ({"values": TARGETS["values"]}, None, "targets must be a dict with the keys ('values', 'jacobian'), received"),
        (
            TARGETS["values"],
            None,
            "the keys ('values', 'jacobian'), received SymbolicTensor",
        ),
        (
            {**TARGETS, "jacobian": TARGETS["jacobian"][:, :1]},
            None,
            "target 'jacobian' must have shape (None, 2, 2), received (None, 1, 2)",
        ),
    ],
)
def test_targets_that_would_be_taken_for_others(call, targets, weights, message):
    with pytest.raises(ValueError, match="must") as error:
        getattr(compiled(), call)(COORDS, targets, sample_weight=weights, verbose=0)
    assert message in str(error.value)


@pytest.mark.parametrize("outputs", [(), "values", 3, [["values"]], ("hessian",)])
def test_outputs(outputs):
    with pytest.raises(ValueError, match=re.escape(f"received {outputs!r}")):
        Differentiated(Siren(units=(8,), seed=0), outputs)
