"""Pixel grids that become larger and compute what they computed."""

from collections.abc import Iterable

import numpy as np

from keras_inr.errors import InputError
from keras_inr.layers.cell_encoding import CellEncoding, checked_layout
from keras_inr.models.cell_grid import CellGrid, Layout
from keras_inr.models.stacking import fresh_copy


def grown(field: CellGrid, layout: Iterable[tuple[int, float, int]]) -> CellGrid:
    """A pixel grid of a larger layout that has the same values everywhere, to go on learning.

    An entry that vertices shared is copied to all that they have now. Features that are new are drawn, and the first
    layer reads them with zeros until it learns.

    Args:
        field: a single `CellGrid` of the form "plain".
        layout: levels of the same cells, each with at least as many features and as large a table.

    Raises:
        InputError: for a field of another form, or a layout that is not larger.

    >>> from keras_inr.models.cell_grid import pixel_layout
    >>> field = CellGrid(pixel_layout((1, 2), 4), form="plain", picture_size=(20, 30), seed=0)
    >>> larger = grown(field, pixel_layout((2, 2), 9))
    >>> np.array_equal(larger.sample_grid(), field.sample_grid())
    True
    """
    layout = checked_layout(layout)
    if field.form != "plain" or field.num_fields is not None:
        told = f"received form={field.form!r}, num_fields={field.num_fields!r}"
        raise InputError(f"field must be a single CellGrid of form='plain', {told}")
    if not is_larger(layout, field.layout):
        told = f"layout must have the cells of {field.layout} and no level that is smaller"
        raise InputError(f"{told}, received {layout}")
    larger = fresh_copy(field, layout=layout)
    old, new = field.stack[0], larger.stack[0]
    for level, tables in enumerate(zip(old.tables, new.tables, strict=True)):
        before, table = (part.numpy() for part in tables)
        table[:, : before.shape[1]] = before[_origins(old, new, level)]
        new.tables[level].assign(table)
    larger.stack[1].kernel.assign(_with_zero_rows(field, larger))
    larger.stack[1].bias.assign(field.stack[1].bias)
    for before, after in zip(field.stack[2:], larger.stack[2:], strict=True):
        after.set_weights(before.get_weights())
    return larger


def is_larger(layout: Layout, before: Layout) -> bool:
    """Whether a layout has the cells of another, and no level that is smaller.

    >>> is_larger(((9, 1.0, 2),), ((9, 1.0, 1),)), is_larger(((9, 1.0, 1), (9, 2.0, 1)), ((9, 1.0, 1),))
    (True, False)
    """
    if [cell for _, cell, _ in layout] != [cell for _, cell, _ in before]:
        return False
    return all(new[0] >= old[0] and new[2] >= old[2] for new, old in zip(layout, before, strict=True))


def _origins(old: CellEncoding, new: CellEncoding, level: int) -> np.ndarray:
    """For each entry of a level's new table, the old one that its vertices had."""
    count = new.num_entries[level]
    columns, rows = new.num_vertices[level]
    if count < columns * rows:  # both are shared: the old index is the low bits of the new one
        return np.arange(count) % old.num_entries[level]
    vertices = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(np.int32)
    return old.entries(level, vertices).numpy()


def _with_zero_rows(field, larger):
    """The first layer's kernel with rows of zeros for the features that are new."""
    old_kernel = field.stack[1].kernel.numpy()
    kernel, first, before = np.zeros(larger.stack[1].kernel.shape, old_kernel.dtype), 0, 0
    for (_, _, old), (_, _, new) in zip(field.layout, larger.layout, strict=True):
        kernel[first : first + old] = old_kernel[before : before + old]
        first, before = first + new, before + old
    return kernel
