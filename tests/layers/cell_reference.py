"""The cell encoding's formulas, point by point; hashes in Python integers. Nothing here is taken from the package."""

import math

import numpy as np


def num_vertices(side, cell_size):
    """Vertices 0, cell_size, 2 cell_size ... up to the first at or behind the last pixel's centre, two at least."""
    return max(2, math.ceil((side - 1) / cell_size) + 1)


def corrected_entry(x, y, columns, rows, table_size):
    """Row of a vertex in its level's table."""
    if columns * rows <= table_size:
        return y * columns + x
    mixed = (x * 1958374283 % 2**32) ^ (y * 2654435761 % 2**32)
    signed = mixed - 2**32 if mixed >= 2**31 else mixed
    return (signed ^ (signed >> 14)) % table_size


def source_entry(x, y, table_size):
    """HashGrid-AI-Upscaler's row of a cell."""
    mixed = x
    mixed ^= mixed >> 16
    mixed *= 0x85EBCA6B
    mixed ^= mixed >> 13
    mixed += y * 0xC2B2AE35
    mixed ^= mixed >> 16
    return mixed % table_size


def positions(coords, size):
    """(column, row) of coordinates, clamped to the pixel centres of a picture of size (height, width)."""
    height, width = size
    kind = coords.dtype.type
    first = np.array([(width - 1) / 2, (height - 1) / 2], coords.dtype)
    return np.clip(coords * kind(max(size) / 2) + first, 0, np.array([width - 1, height - 1], coords.dtype))


def corrected(coords, level_weights, *tables, layout, size):
    """Interpolated features of all levels, and clamped coordinates."""
    height, width = size
    kind = coords.dtype.type
    powers = np.exp(level_weights)
    encoded = []
    for column, row in positions(coords, size):
        features = []
        for power, table, (bits, cell_size, _) in zip(powers, tables, layout, strict=True):
            columns, rows = num_vertices(width, cell_size), num_vertices(height, cell_size)
            x, y = (place / kind(cell_size) for place in (column, row))
            left, above = min(math.floor(x), columns - 2), min(math.floor(y), rows - 2)
            total = 0
            for right, below in [(0, 0), (0, 1), (1, 0), (1, 1)]:
                along = x - left if right else left + 1 - x
                down = y - above if below else above + 1 - y
                row_of = corrected_entry(left + right, above + below, columns, rows, 2**bits)
                total += kind(along * down) * table[row_of]
            features.append(total * power / powers.sum())
        last = [(column - (width - 1) / 2) * 2 / max(size), (row - (height - 1) / 2) * 2 / max(size)]
        encoded.append(np.concatenate([*features, last]))
    return np.array(encoded, coords.dtype)


def source(coords, level_weights, *tables, layout, size):
    """The entries of the cells that points are in, of all levels, and clamped pixel positions."""
    powers = np.exp(level_weights)
    encoded = []
    for position in positions(coords, size):
        x, y = (round(float(place) * 64) / 64 for place in position)
        features = [
            table[source_entry(math.floor(x / cell_size), math.floor(y / cell_size), 2**bits)] * power / powers.sum()
            for power, table, (bits, cell_size, _) in zip(powers, tables, layout, strict=True)
        ]
        encoded.append(np.concatenate([*features, position]))
    return np.array(encoded, coords.dtype)
