"""A field of blocks whose weights stay in files."""

import numpy as np
import pytest

from keras_inr.derivatives import differentiate
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.models import Siren
from keras_inr.models.block_field import field_of_blocks
from keras_inr.models.lattice import Lattice
from keras_inr.models.stored_block_field import StoredBlockField

LATTICE = Lattice((40, 61), (20, 21), 3)
SMALLER = Lattice((10, 16), (10, 16), 3)
POINTS = np.random.default_rng(0).uniform(-1, 1, (300, 2)).astype("float32")


def sines(lattice, block, dtype="float32"):
    return Siren(units=(8, 8) if block % 2 else (6,), picture_size=lattice.block_size, seed=block, dtype=dtype)


class Files:
    """Fields in memory in the place of files; it notes which blocks were asked for."""

    def __init__(self, lattice, dtype="float32"):
        self.fields = [sines(lattice, block, dtype) for block in range(lattice.num_blocks)]
        self.asked = []

    def __call__(self, block):
        self.asked.append(block)
        return self.fields[block].get_weights()


def stored_field(lattice, files, reduced=None, **kwargs):
    odd, even = (list(range(first, lattice.num_blocks, 2)) for first in (1, 0))
    places = [some for some in (even, odd) if some]
    networks = [sines(lattice, some[0], **kwargs) for some in places]
    number = sum(field.count_params() for field in files.fields)
    return StoredBlockField(networks, places, lattice, files, number, reduced, **kwargs)


@pytest.fixture
def both():
    files, small = Files(LATTICE), Files(SMALLER)
    stored = stored_field(LATTICE, files, stored_field(SMALLER, small))
    whole = field_of_blocks(files.fields, LATTICE, reduced=field_of_blocks(small.fields, SMALLER))
    return stored, whole, files, small


def test_it_is_the_field_in_memory(both):
    stored, whole, _, _ = both
    np.testing.assert_array_equal(stored(POINTS), whole(POINTS))
    np.testing.assert_array_equal(stored.render(80, 122), whole.render(80, 122))
    for output in ("jacobian", "laplacian"):
        found, expected = (differentiate(field, POINTS, (output,))[output] for field in (stored, whole))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_float64_field_too():
    files = Files(LATTICE, "float64")
    stored, whole = stored_field(LATTICE, files, dtype="float64"), field_of_blocks(files.fields, LATTICE)
    np.testing.assert_array_equal(stored(np.float64(POINTS)), whole(np.float64(POINTS)))


def test_only_blocks_that_are_touched_are_read(both):
    stored, _, files, small = both
    stored.sample_grid(4, 4, (-0.95, -0.6, -0.9, -0.55))
    assert set(files.asked) == {0}
    assert not small.asked
    files.asked.clear()
    stored.sample_grid(5, 8)  # by the reduced picture
    assert not files.asked
    assert set(small.asked) == {0}


def test_its_parameters_are_all_blocks(both):
    stored, whole, files, _ = both
    assert stored.count_params() == sum(field.count_params() for field in files.fields)
    assert stored.reduced.count_params() == whole.reduced.count_params()


def test_it_cannot_be_saved(both, tmp_path):
    with pytest.raises(InputError, match="blocks lie in files cannot be saved"):
        both[0].save(tmp_path / "field.keras")


@pytest.mark.parametrize("use", [lambda field: field(POINTS), lambda field: field.render()])
def test_a_file_that_cannot_be_read(both, use):
    stored, _, files, _ = both

    def torn(block):
        raise DamagedFileError(f"block {block} is damaged")

    stored = stored_field(LATTICE, files)
    broken = StoredBlockField(stored.networks, stored.places, LATTICE, torn, 1)
    with pytest.raises(DamagedFileError, match=r"block \d is damaged"), broken.errors_of_files():
        use(broken)
