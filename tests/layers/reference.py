"""The layers' formulas in NumPy, for whichever float the arguments have; nothing here is taken from the package."""

import itertools

import numpy as np

HASH_PRIMES = (1958374283, 2654435761, 805459861)


def affine(x, kernel, bias=0):
    return np.asarray(x @ kernel + bias, kernel.dtype)


def leaky_relu_dense(x, kernel, bias=0, slope=0.01):
    z = affine(x, kernel, bias)
    return np.where(z > 0, z, kernel.dtype.type(slope) * z)


def sine_dense(x, kernel, bias=0, omega_0=30.0, input_scale=1.0):
    omega_0, input_scale = kernel.dtype.type(omega_0), kernel.dtype.type(input_scale)
    return np.sin(omega_0 * affine(x / input_scale, kernel, bias))


def positional_encoding(x, num_frequencies, include_input=False):
    """One point, one number at a time: the order is part of the formula."""
    encoded = []
    for point in x:
        row = list(point) if include_input else []
        for coordinate in point:
            phases = [coordinate.dtype.type(np.pi) * 2**k * coordinate for k in range(num_frequencies)]
            row += [np.sin(phase) for phase in phases] + [np.cos(phase) for phase in phases]
        encoded.append(row)
    return np.array(encoded, x.dtype)


def hash_resolutions(num_levels, base, finest):
    growth = np.exp(np.log(finest / base) / max(num_levels - 1, 1))
    return [int(np.floor(base * growth**level + 1e-9)) for level in range(num_levels)]


def hash_entry(vertex, resolution, table_size):
    """Row of a vertex in its level's table, in Python integers."""
    if (resolution + 1) ** len(vertex) <= table_size:
        return sum(c * (resolution + 1) ** axis for axis, c in enumerate(vertex))
    mixed = 0
    for c, prime in zip(vertex, HASH_PRIMES, strict=False):
        mixed ^= (c * prime) % 2**32
    return mixed % table_size


def hash_encoding(x, table, resolutions, table_size, smooth=False):
    """Level by level, point by point, corner by corner; x in [-1, 1]."""
    dims = x.shape[-1]
    encoded, first_row = [], 0
    for resolution in resolutions:
        rows = []
        for point in x:
            position = (point * x.dtype.type(0.5) + x.dtype.type(0.5)) * resolution
            cell = np.minimum(np.floor(position), resolution - 1).astype(int)
            t = position - cell.astype(x.dtype)
            t = 6 * t**5 - 15 * t**4 + 10 * t**3 if smooth else t
            features = 0
            for corner in itertools.product((0, 1), repeat=dims):
                weight = np.prod([t[d] if corner[d] else 1 - t[d] for d in range(dims)])
                entry = hash_entry([int(cell[d]) + corner[d] for d in range(dims)], resolution, table_size)
                features = features + weight * table[first_row + entry]
            rows.append(features)
        encoded.append(np.array(rows, x.dtype))
        first_row += min(table_size, (resolution + 1) ** dims)
    return np.concatenate(encoded, axis=-1)


def assert_as_exact_as_numpy(actual, formula, *arguments):
    """`actual`, computed in float32, errs at most as NumPy's float32 does on the same formula, within a factor.

    The factor is 8: sums are ordered otherwise, scales are folded into weights, and the largest of some hundred
    rounding errors scatters. 4 roundings of the largest value cover formulas that NumPy happens to hit exactly.
    """
    exact, narrow = (formula(*(_cast(argument, dtype) for argument in arguments)) for dtype in ("float64", "float32"))
    bound = 8 * np.abs(narrow - exact).max() + 4 * 2.0**-24 * np.abs(exact).max()
    np.testing.assert_allclose(actual, exact, rtol=0, atol=bound)


def _cast(argument, dtype):
    return argument.astype(dtype) if isinstance(argument, np.ndarray) else argument
