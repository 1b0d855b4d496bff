"""What all steps of bench_derivatives.py train: the same weights on the same points and targets."""

import dataclasses
import itertools

import numpy as np

WIDTHS, OMEGA_0 = (2, 256, 256, 256, 256, 1), 30.0
KINDS = ("value", "gradient", "laplacian")


@dataclasses.dataclass
class Problem:
    """Weights [(kernel (in, out), bias)], coords (N, 2) and targets by kind, the same in every process."""

    points: int
    dtype: type = np.float32
    omega_0: float = OMEGA_0
    learning_rate: float = 1e-4

    def __post_init__(self):
        draw = np.random.default_rng(0)
        self.weights = []
        for fan_in, units in itertools.pairwise(WIDTHS):
            limit = 1 / fan_in if fan_in == 2 else (6 / fan_in) ** 0.5 / self.omega_0
            kernel, bias = draw.uniform(-limit, limit, (fan_in, units)), draw.uniform(-1, 1, units) / fan_in**0.5
            self.weights.append((self.rounded(kernel), self.rounded(bias)))
        axis = np.linspace(-1, 1, round(self.points**0.5))
        self.coords = self.rounded(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
        shapes = {"value": (1,), "gradient": (1, 2), "laplacian": (1,)}
        self.targets = {kind: self.rounded(draw.normal(size=(self.points, *shapes[kind]))) for kind in KINDS}

    def rounded(self, array):
        """float32 numbers, whatever the dtype."""
        return array.astype(np.float32).astype(self.dtype)
