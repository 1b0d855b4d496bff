"""What a forward pass carries beside values: derivatives along directions and a sum of second derivatives.

A layer that can be differentiated in one pass has a method `propagate(jet) -> jet`, its rule, and names in `kink` what
keeps it from having second derivatives (None for nothing). Both stand in the class that defines its `call`: a
subclass with another call is not taken for a layer with its parent's rule. `keras_inr.derivatives` starts the pass.
Other layers, such as those of Keras, need neither: derivatives are then taken by tapes, and `keras_inr.kinks`
searches what the layer computes.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_inr._custom_gradients import custom_gradient


@dataclasses.dataclass(frozen=True)
class Jet:
    """A function's value at points with its derivatives along K directions d_k in coordinate space.

    Attributes:
        value: f (..., C).
        tangents: tuple of K tensors, sum_i d_k,i df/dx_i.
        second: sum_k sum_ij d_k,i d_k,j d^2 f / dx_i dx_j; for the unit vectors of all axes the Laplacian, for one
            direction the second derivative along it. None if it is not wanted.

    Tangents and second may have axes of length 1 where they are the same at all points: that is how the pass starts.

    Source: the forward Laplacian of Li et al., arXiv 2307.08214, section 3.

    >>> x = tf.constant([[3.0]])
    >>> jet = Jet(x, (tf.ones((1, 1)),), tf.zeros((1, 1)))
    >>> cube = jet * jet * jet
    >>> [float(part[0, 0]) for part in (cube.value, cube.tangents[0], cube.second)]
    [27.0, 27.0, 18.0]
    """

    value: tf.Tensor
    tangents: tuple[tf.Tensor, ...]
    second: tf.Tensor | None = None

    def linear(self, function: Callable[..., tf.Tensor]) -> "Jet":
        """The jet of A f, for a linear map A of the last axes that broadcasts over the others."""
        second = None if self.second is None else function(self.second)
        return Jet(function(self.value), tuple(function(tangent) for tangent in self.tangents), second)

    def chain(self, value: tf.Tensor, first: tf.Tensor, second: Callable[[], tf.Tensor] | None = None) -> "Jet":
        """The jet of g(f) for an elementwise g, from g(f), g'(f) and a callable for g''(f); None where that is zero."""
        summed = None
        if self.second is not None:
            summed = first * self.second
            if second is not None:
                summed += second() * self.squared_speed()
        return Jet(value, tuple(first * tangent for tangent in self.tangents), summed)

    def squared_speed(self) -> tf.Tensor:
        """sum_k (df/dd_k)^2, elementwise."""
        return sum_of([tf.square(tangent) for tangent in self.tangents])

    def __add__(self, other: Any) -> "Jet":
        """f + g, or f + constant."""
        if not isinstance(other, Jet):
            return dataclasses.replace(self, value=self.value + other)
        second = None if self.second is None else self.second + other.second
        tangents = tuple(one + another for one, another in zip(self.tangents, other.tangents, strict=True))
        return Jet(self.value + other.value, tangents, second)

    def __mul__(self, other: Any) -> "Jet":
        """f g, or f times a constant."""
        if not isinstance(other, Jet):
            return self.linear(lambda part: part * other)
        pairs = list(zip(self.tangents, other.tangents, strict=True))
        second = None
        if self.second is not None:
            mixed = sum_of([one * another for one, another in pairs])
            second = self.second * other.value + 2.0 * mixed + self.value * other.second
        tangents = tuple(one * other.value + self.value * another for one, another in pairs)
        return Jet(self.value * other.value, tangents, second)


def sine(jet: Jet) -> Jet:
    """The jet of sin(f).

    value sin f, tangents cos(f) t_k, second cos(f) s - sin(f) sum_k t_k^2. In a training step its gradient is written
    out, which shares sine and cosine between the four outputs and keeps no other intermediate.
    """
    parts = (jet.value, *jet.tangents, *([] if jet.second is None else [jet.second]))
    value, *rest = _sine(jet.second is not None, *parts)
    count = len(jet.tangents)
    return Jet(value, tuple(rest[:count]), rest[count] if jet.second is not None else None)


def _sine(has_second: bool, *parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """`sine` on a flat list of tensors, with a gradient of its own."""

    @custom_gradient
    def forward(phase, *rest):
        sin, cos = tf.sin(phase), tf.cos(phase)
        tangents, second = (rest[:-1], rest[-1]) if has_second else (rest, None)
        speed = sum_of([tf.square(tangent) for tangent in tangents]) if has_second else None
        outputs = [sin, *[cos * tangent for tangent in tangents]]
        if has_second:
            outputs.append(cos * second - sin * speed)

        def backward(*upstream):
            to_value, *to_rest = upstream
            to_tangents, to_second = (to_rest[:-1], to_rest[-1]) if has_second else (to_rest, None)
            through_sin = sum_of([t * g for t, g in zip(tangents, to_tangents, strict=True)])
            through_cos = to_value
            gradients = [cos * g for g in to_tangents]
            if has_second:
                through_sin += second * to_second
                through_cos -= speed * to_second
                twice = 2.0 * sin * to_second
                gradients = [g - twice * t for g, t in zip(gradients, tangents, strict=True)]
                gradients.append(cos * to_second)
            gradients = [sum_to(g, part) for g, part in zip(gradients, rest, strict=True)]
            return (cos * through_cos - sin * through_sin, *gradients)

        return tuple(outputs), backward

    return forward(*parts)


def sum_to(gradient: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
    """The gradient summed over the axes along which a part was the same at all points (length 1)."""
    axes = [axis for axis, length in enumerate(part.shape) if length == 1 and gradient.shape[axis] != 1]
    return tf.reduce_sum(gradient, axes, keepdims=True) if axes else gradient


def sum_of(tensors: Sequence[Any]) -> Any:
    """Their sum; `sum` would begin with a needless 0 + x."""
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total


def side_by_side(jets: Sequence[Jet]) -> Jet:
    """The jet of concatenated functions, along the last axis."""
    shape = tf.shape(jets[0].value)[:-1]

    def joined(parts):
        # a part may have axes of length 1 where it is the same at all points
        full = [tf.broadcast_to(part, tf.concat([shape, tf.shape(part)[-1:]], axis=0)) for part in parts]
        return tf.concat(full, axis=-1)

    tangents = tuple(joined(parts) for parts in zip(*(jet.tangents for jet in jets), strict=True))
    second = None if jets[0].second is None else joined([jet.second for jet in jets])
    return Jet(joined([jet.value for jet in jets]), tangents, second)
