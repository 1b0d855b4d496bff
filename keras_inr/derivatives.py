"""Derivatives of fields, and of any other function from coords to values, with respect to the coords.

All are per coordinate unit; times the pixel pitch (squared for second derivatives) they are per pixel. They work
eagerly, inside `tf.function`, under XLA and inside an export, and can be differentiated with respect to weights.

Args that all functions share:
    function: a `Field`, or any callable coords (..., dims) -> values (..., channels) that treats points on their own.
    coords: tensor (..., dims), floating.
    method: "tape", nested `tf.GradientTape`s, the reference; "forward", one pass that carries value, tangents and a
        sum of second derivatives through the rules of the layers (functions with `propagate` only); "auto", whichever
        takes fewer matrix products, and the tape for a function without rules. Under a mixed policy the rules compute
        in float32, and the tape in the policy's half precision, which "auto" therefore avoids.

Second derivatives raise a ValueError for functions with a kink on their path, such as ReLU or linear interpolation,
unless allow_kinks=True, which gives the almost-everywhere value (for a ReLU network zero).
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from keras_inr._arguments import one_of
from keras_inr.errors import InputError, InputTypeError
from keras_inr.forward_rules import Jet
from keras_inr.kinks import kinks_of, states

METHODS = ("auto", "tape", "forward")
OUTPUTS = ("values", "jacobian", "laplacian")


def gradient(function: Callable[..., tf.Tensor], coords: tf.Tensor | npt.ArrayLike, method: str = "auto") -> tf.Tensor:
    """Gradient (..., dims) of a function with one channel.

    Raises:
        InputError: for several channels (see `jacobian`), or as in `differentiate`.

    >>> gradient(lambda coords: coords[..., :1] * coords[..., 1:], tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[3.0, 2.0]]
    """
    rows = jacobian(function, coords, method)
    if rows.shape[-2] != 1:
        raise InputError(f"gradient needs a function with one channel, received {rows.shape[-2]}: use jacobian")
    return rows[..., 0, :]


def jacobian(function: Callable[..., tf.Tensor], coords: tf.Tensor | npt.ArrayLike, method: str = "auto") -> tf.Tensor:
    """Jacobian (..., channels, dims), J[c, d] = d values_c / d coords_d.

    >>> jacobian(lambda coords: coords**2, tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[[4.0, 0.0], [0.0, 6.0]]]
    """
    return differentiate(function, coords, ("jacobian",), method)["jacobian"]


def laplacian(
    function: Callable[..., tf.Tensor],
    coords: tf.Tensor | npt.ArrayLike,
    method: str = "auto",
    allow_kinks: bool = False,
) -> tf.Tensor:
    """Laplacian (..., channels), sum_d d^2 values_c / d coords_d^2.

    >>> laplacian(lambda coords: coords**2, tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[2.0, 2.0]]
    """
    return differentiate(function, coords, ("laplacian",), method, allow_kinks)["laplacian"]


def divergence(
    function: Callable[..., tf.Tensor], coords: tf.Tensor | npt.ArrayLike, method: str = "auto"
) -> tf.Tensor:
    """Divergence (...), sum_d d values_d / d coords_d, of a function with as many channels as dims.

    >>> divergence(lambda coords: coords**2, tf.constant([[2.0, 3.0]])).numpy().tolist()
    [10.0]
    """
    return tf.linalg.trace(_square_jacobian("divergence", function, coords, method))


def curl(function: Callable[..., tf.Tensor], coords: tf.Tensor | npt.ArrayLike, method: str = "auto") -> tf.Tensor:
    """Curl of a function with as many channels as dims: (...), d values_1 / dx - d values_0 / dy, or (..., 3) in 3-D.

    >>> curl(lambda coords: tf.reverse(coords, [-1]) * (1.0, -1.0), tf.constant([[2.0, 3.0]])).numpy().tolist()
    [-2.0]
    """
    rows = _square_jacobian("curl", function, coords, method)
    if rows.shape[-1] not in (2, 3):
        raise InputError(f"curl is defined in 2 and 3 dimensions, received {rows.shape[-1]}")
    skew = rows - tf.linalg.matrix_transpose(rows)
    if rows.shape[-1] == 2:
        return skew[..., 1, 0]
    return tf.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], axis=-1)


def hessian(
    function: Callable[..., tf.Tensor],
    coords: tf.Tensor | npt.ArrayLike,
    method: str = "auto",
    allow_kinks: bool = False,
) -> tf.Tensor:
    """Hessian (..., channels, dims, dims), H[c, i, j] = d^2 values_c / (d coords_i d coords_j).

    Forward, the mixed entries come from second derivatives along diagonals: H_ij = (D_(i+j) - H_ii - H_jj) / 2.

    >>> hessian(lambda coords: coords[..., :1] * coords[..., 1:], tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[[[0.0, 1.0], [1.0, 0.0]]]]
    """
    coords = _checked(function, coords, method)
    _refuse_kinks("hessian", function, coords, allow_kinks)
    if _is_point_of_stack(function, coords):
        return tf.squeeze(hessian(function, coords[None], method, allow_kinks), 1)
    coords = _own_points(function, coords)
    if _resolved(function, method) == "tape":
        return _tape_hessian(function, coords)
    dims = coords.shape[-1]
    unit = tf.eye(dims, dtype=coords.dtype)

    def second_along(direction):
        jet = _forward(function, coords, [direction], True)
        return _like(jet.second, jet.value)

    along = [second_along(unit[i]) for i in range(dims)]
    entries = [[along[i] if i == j else None for j in range(dims)] for i in range(dims)]
    for i in range(dims):
        for j in range(i):
            entries[i][j] = entries[j][i] = (second_along(unit[i] + unit[j]) - along[i] - along[j]) / 2
    return tf.stack([tf.stack(row, axis=-1) for row in entries], axis=-2)


def differentiate(
    function: Callable[..., tf.Tensor],
    coords: tf.Tensor | npt.ArrayLike,
    outputs: Collection[str] = OUTPUTS,
    method: str = "auto",
    allow_kinks: bool = False,
) -> dict[str, tf.Tensor]:
    """Any of values (..., channels), jacobian (..., channels, dims) and laplacian (..., channels), in one pass.

    Returns:
        Dict of the outputs asked for.

    Raises:
        InputError: for unknown outputs or methods, coords that are not floating, method="forward" where there are no
            rules, or "laplacian" where there is a kink.

    >>> from keras_inr.models import Siren
    >>> parts = differentiate(Siren(channels=1), tf.zeros((5, 2)))
    >>> {name: tuple(tensor.shape) for name, tensor in parts.items()}
    {'values': (5, 1), 'jacobian': (5, 1, 2), 'laplacian': (5, 1)}
    """
    if not outputs or not set(outputs) <= set(OUTPUTS):
        raise InputError(f"outputs must be some of {OUTPUTS}, received {outputs!r}")
    coords = _checked(function, coords, method)
    if "laplacian" in outputs:
        _refuse_kinks("laplacian", function, coords, allow_kinks)
    if _is_point_of_stack(function, coords):
        parts = differentiate(function, coords[None], outputs, method, allow_kinks)
        return {name: tf.squeeze(part, 1) for name, part in parts.items()}
    coords = _own_points(function, coords)
    if _resolved(function, method, outputs) == "tape":
        return _tape(function, coords, outputs)
    directions = tf.unstack(tf.eye(coords.shape[-1], dtype=coords.dtype))
    jet = _forward(function, coords, directions, "laplacian" in outputs)
    parts = {"values": lambda: jet.value, "laplacian": lambda: _like(jet.second, jet.value)}
    parts["jacobian"] = lambda: tf.stack([_like(tangent, jet.value) for tangent in jet.tangents], axis=-1)
    return {name: parts[name]() for name in outputs}


def has_rules(function: Callable[..., Any]) -> bool:
    """Whether method="forward" can differentiate a function: it has `propagate`, and so has each of its layers.

    >>> has_rules(tf.sin)
    False
    """
    return all(states(part, "propagate") for part in (function, *getattr(function, "stack", ())))


def _refuse_kinks(name: str, function: Callable[..., tf.Tensor], coords: tf.Tensor, allow_kinks: bool) -> None:
    reasons = [] if allow_kinks else kinks_of(function, coords)
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise InputError(
            f"{name} does not exist everywhere, since {reasons[0]}{more}; allow_kinks=True takes the value between "
            "the kinks"
        )


def _checked(function: Callable[..., tf.Tensor], coords: tf.Tensor | npt.ArrayLike, method: str) -> tf.Tensor:
    """The coords as a tensor, in the dtype of a field's values."""
    if not callable(function):
        raise InputTypeError(f"function must be a field or another callable, received {function!r}")
    one_of("method", method, METHODS)
    if method == "forward" and not has_rules(function):
        raise InputError(f'method="forward" needs a field, whose layers have rules, received {function!r}')
    coords = tf.convert_to_tensor(coords)
    if not coords.dtype.is_floating or not coords.shape.rank or coords.shape[-1] is None:
        raise InputError(f"coords must be floating with shape (..., dims), received {coords.dtype.name} {coords.shape}")
    dims = getattr(function, "num_dims", coords.shape[-1])
    if coords.shape[-1] != dims:
        raise InputError(f"coords must have a last axis of {dims}, received shape {coords.shape}")
    return tf.cast(coords, getattr(function, "values_dtype", coords.dtype))


def _checked_values(values: tf.Tensor, coords: tf.Tensor) -> tf.Tensor:
    """The values of a function on points of their own."""
    wanted = f"values must be a floating tensor of shape (..., channels) for coords of shape {coords.shape}"
    if not tf.is_tensor(values) or not values.dtype.is_floating:
        raise InputError(f"{wanted}, received {getattr(values, 'dtype', type(values).__name__)!r}")
    if not values.shape[:-1].is_compatible_with(coords.shape[:-1]) or values.shape.rank == 0:
        raise InputError(f"{wanted}, received shape {values.shape}")
    return values


def _is_point_of_stack(function: Callable[..., tf.Tensor], coords: tf.Tensor) -> bool:
    """Whether the coords are a single point for stacked fields: its copies would be taken for shared points."""
    return getattr(function, "num_fields", None) is not None and coords.shape.rank == 1


def _own_points(function: Callable[..., tf.Tensor], coords: tf.Tensor) -> tf.Tensor:
    """The coords broadcast over stacked fields, so that each has points of its own."""
    fields = getattr(function, "num_fields", None)
    if fields is None:
        return coords
    if coords.shape.rank > 2 and coords.shape[0] not in (None, 1, fields):
        raise InputError(f"coords must have a first axis of 1 or {fields} stacked fields, received {coords.shape}")
    points = tf.shape(coords) if coords.shape.rank == 2 else tf.shape(coords)[1:]
    return tf.broadcast_to(coords, tf.concat([[fields], points], axis=0))


def _resolved(function: Callable[..., tf.Tensor], method: str, outputs: Collection[str] = ("laplacian",)) -> str:
    """ "tape" or "forward"."""
    if method != "auto":
        return method
    if not has_rules(function):
        return "tape"
    if getattr(function, "compute_dtype", "float32") in ("float16", "bfloat16"):
        return "forward"
    # a backward pass costs as much for each channel as a tangent does for each axis
    few_channels = getattr(function, "channels", 1) < getattr(function, "num_dims", 1)
    return "tape" if "laplacian" not in outputs and few_channels else "forward"


def _forward(function: Any, coords: tf.Tensor, directions: Sequence[tf.Tensor], second: bool) -> Jet:
    """The function's jet at coords along directions (dims,)."""
    leading = [1] * (coords.shape.rank - 1)
    tangents = tuple(tf.reshape(direction, [*leading, -1]) for direction in directions)
    return function.propagate(Jet(coords, tangents, tf.zeros_like(tangents[0]) if second else None))


def _like(part: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """The part at every point."""
    return tf.broadcast_to(part, tf.shape(value))


def _tape(function: Callable[..., tf.Tensor], coords: tf.Tensor, outputs: Collection[str]) -> dict[str, tf.Tensor]:
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(coords)
        values, rows = _tape_rows(function, coords)
        axes = [tf.unstack(row, axis=-1) for row in rows] if "laplacian" in outputs else []
    parts = {"values": values, "jacobian": tf.stack(rows, axis=-2)}
    if "laplacian" in outputs:
        sums = [sum(_slope(tape, along, coords)[..., axis] for axis, along in enumerate(row)) for row in axes]
        parts["laplacian"] = tf.stack(sums, axis=-1)
    return {name: parts[name] for name in outputs}


def _tape_hessian(function: Callable[..., tf.Tensor], coords: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(coords)
        rows = [tf.unstack(row, axis=-1) for row in _tape_rows(function, coords)[1]]
    return tf.stack([tf.stack([_slope(tape, along, coords) for along in row], axis=-2) for row in rows], axis=-3)


def _tape_rows(function: Callable[..., tf.Tensor], coords: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Values, and the gradient (..., dims) of each channel."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(coords)
        values = _checked_values(function(coords), coords)
        channels = tf.unstack(values, axis=-1)
    return values, [_slope(tape, channel, coords) for channel in channels]


def _slope(tape: tf.GradientTape, target: tf.Tensor, coords: tf.Tensor) -> tf.Tensor:
    return tape.gradient(target, coords, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _square_jacobian(
    name: str, function: Callable[..., tf.Tensor], coords: tf.Tensor | npt.ArrayLike, method: str
) -> tf.Tensor:
    rows = jacobian(function, coords, method)
    if rows.shape[-2] != rows.shape[-1]:
        raise InputError(f"{name} needs as many channels as dims, received {rows.shape[-2]} and {rows.shape[-1]}")
    return rows
