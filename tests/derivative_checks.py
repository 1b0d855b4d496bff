"""Fields whose derivatives the tests compare, and the comparisons."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
from public_presets import PUBLIC

from keras_inr.derivatives import differentiate, hessian
from keras_inr.models import MultiHash, ReluMLP, Siren, from_preset

ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53}
# By how many roundings of the largest entry a derivative may be off. What counts is the largest phase or position:
# its own rounding moves every derivative by so much, relative to the next higher one.
RELU, SINE = 64, 256  # phases of some 30 (1 + 0.7) radians in each sine layer
ENCODED = 1024  # 2^7 pi = 402 radians
LATTICE = 4096  # 512 cells, and the second derivative of a smoothstep changes by its own size within a tenth of one
FIELDS_OF = {"relu": RELU, "relu_pe": ENCODED, "siren": SINE, "multi_hash": LATTICE, "siren_jax": SINE}
FIELDS_OF |= {"finer": 2 * SINE}  # its phase changes twice as fast
FIELDS_OF |= {"pixel_grid": LATTICE, "pixel_grid_small": LATTICE}  # 511 cells along a side
FIELDS_OF |= {"cell_grid": LATTICE, "cell_grid_4": LATTICE}  # up to 4088 cells along a side, but no smoothstep


@dataclasses.dataclass(frozen=True)
class Case:
    """A kind of field and its bound, in roundings of the largest entry of each derivative."""

    name: str
    make: object
    roundings: float

    def __str__(self):
        return self.name

    @functools.cached_property
    def fields(self):
        """The same weights in float32 and float64; none is constant, and tables are of the size of features."""
        narrow, wide = (self.make(seed=1, channels=2, dtype=dtype) for dtype in ROUNDING)
        rng = np.random.default_rng(0)
        for weight in narrow.weights:
            if weight.path.endswith("table"):
                weight.assign(rng.uniform(-1, 1, weight.shape))
            elif np.size(weight.numpy()) > 1 and np.ptp(weight.numpy()) == 0:
                weight.assign(rng.normal(0, 0.1, weight.shape))
        wide.set_weights(narrow.get_weights())
        return narrow, wide


# Narrower and slower than the presets, whose higher derivatives are too large for differences in float64
GENTLE = {
    "finer": {"units": (32, 32), "omega_0": 10.0},
    "gauss": {"units": (32, 32), "scale": 5.0},
    "hash_16": {"num_levels": 8, "finest_resolution": 128},
    "wire": {"units": (32, 32), "omega_0": 5.0, "scale": 3.0},
    "wire_own": {"units": (32, 32, 32), "omega_0": 5.0, "scale": 3.0},
    "wire_real": {"units": (32, 32), "omega_0": 5.0, "scale": 3.0},
}
SMALL_LATTICE = {"num_levels": 4, "table_size": 256, "units": (16,)}
CASES = [
    *(
        Case(
            info.name,
            lambda name=info.name, **more: from_preset(name, **GENTLE.get(name, {}), **more),
            FIELDS_OF.get(info.name, SINE),
        )
        for info in PUBLIC
    ),
    Case("smoothstep", lambda **more: from_preset("multi_hash", interpolation="smoothstep", **more), LATTICE),
    Case("include_input", lambda **more: from_preset("relu_pe", include_input=True, **more), ENCODED),
    Case("stacked siren", lambda **more: Siren((32, 32), num_fields=3, **more), SINE),
    Case("stacked relu_pe", lambda **more: ReluMLP((16, 16), num_frequencies=4, num_fields=3, **more), ENCODED),
    Case("stacked relu", lambda **more: ReluMLP((16, 16), num_fields=3, **more), RELU),
    Case(
        "stacked smoothstep",
        lambda **more: MultiHash(**SMALL_LATTICE, interpolation="smoothstep", num_fields=3, **more),
        LATTICE,
    ),
]
# two of them outside [-1, 1], where hash encodings are constant; none within 1e-6 of a kink
COORDS = np.concatenate([np.random.default_rng(1).uniform(-1, 1, (4, 2)), [[1.2, 0.31], [-1.7, -1.3]]])
COORDS = COORDS.astype("float32").astype("float64")


def derivatives_of(function, coords, method):
    """All that `keras_inr.derivatives` gives, between kinks too."""
    parts = differentiate(function, coords, method=method, allow_kinks=True)
    return {**parts, "hessian": hessian(function, coords, method, allow_kinks=True)}


def assert_same_derivatives(actual, expected, roundings, dtype):
    """Equal up to so many roundings of the largest entry of each; second derivatives share theirs."""
    assert set(actual) == set(expected)
    for name, part in expected.items():
        assert actual[name].dtype == dtype
        assert actual[name].shape == part.shape
        largest = np.abs(expected["hessian" if name == "laplacian" else name]).max()
        bound = roundings * ROUNDING[dtype] * largest
        np.testing.assert_allclose(actual[name], part, rtol=0, atol=bound, err_msg=name)


def assert_methods_agree(case, coords=COORDS):
    """forward = auto = tape, in float32 and float64, all compared with the float64 tape."""
    fields = dict(zip(ROUNDING, case.fields, strict=True))
    expected = derivatives_of(fields["float64"], coords, "tape")
    for dtype, field in fields.items():
        for method in ("forward", "tape", "auto"):
            actual = derivatives_of(field, coords.astype(dtype), method)
            assert_same_derivatives(actual, expected, case.roundings, dtype)


def central_jacobian(function, coords, h):
    """(f(x + h) - f(x - h)) / 2h along each axis, on a new last axis."""
    steps = h * np.eye(coords.shape[-1])
    return np.stack([(np.asarray(function(coords + e)) - function(coords - e)) / (2 * h) for e in steps], axis=-1)


def central_hessian(function, coords, h):
    """Second differences of values: f(x + e_i + e_j) and its reflections, e_i of length h."""
    steps = h * np.eye(coords.shape[-1])

    def entry(d, e):
        inner = np.asarray(function(coords + d - e)) + function(coords - d + e)
        return (np.asarray(function(coords + d + e)) + function(coords - d - e) - inner) / (4 * h * h)

    return np.stack([np.stack([entry(d, e) for e in steps], axis=-1) for d in steps], axis=-2)


def relative_error(actual, expected, least=0.0):
    """Largest difference, by the largest entry or `least`."""
    return np.abs(actual - expected).max() / max(np.abs(expected).max(), least)


class Formula:
    """A function of x and y that is written once and called on tensors or on jets."""

    def __init__(self, formula):
        self.formula = formula

    def __call__(self, coords):
        return self.formula(coords[..., :1], coords[..., 1:])

    def propagate(self, jet):
        return self.formula(jet.linear(lambda part: part[..., :1]), jet.linear(lambda part: part[..., 1:]))


def as_float64(array):
    return tf.constant(array, tf.float64)
