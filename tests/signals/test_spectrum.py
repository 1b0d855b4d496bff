import numpy as np
import pytest

from keras_inr.signals import load_image
from keras_inr.signals._spectrum import cutoff, cutoffs, energy_above, plain_db, sparse_db


def stripes(per_picture, size=32):
    """A cosine of so many half periods along x, of the kind that mirroring leaves smooth, and a constant."""
    x = (np.arange(size) + 0.5) / size
    return 0.5 + 0.25 * np.cos(np.pi * per_picture * x)[None, :, None] * np.ones((size, 1, 1))


@pytest.mark.parametrize("per_picture", [1, 8, 20])
def test_a_cosine_has_its_mean_square_at_its_frequency(per_picture):
    frequency, above = energy_above(stripes(per_picture))
    at = per_picture / 32  # of the Nyquist limit, one half period per pixel
    mean_square = 0.25**2 / 2
    # sums of 4096 float64 terms
    np.testing.assert_allclose(above[frequency < at - 1e-9], mean_square, rtol=1e-9)
    assert np.all(above[frequency > at] < 1e-15)


@pytest.mark.parametrize("per_picture", [1, 8, 20])
def test_cutoff_is_the_frequency_that_must_be_known(per_picture):
    values = stripes(per_picture)
    assert cutoff(values, 1e-4) == pytest.approx(per_picture / 32)
    assert cutoff(values, 0.1) == 0.0


def test_sparse_is_what_the_largest_quarter_of_the_coefficients_leaves():
    """Four pixels have three coefficients beside the mean, a quarter of which is none; of 15 three stay."""
    values = np.random.default_rng(0).random((4, 4, 2))
    assert sparse_db(values[:2, :2]) == pytest.approx(plain_db(values[:2, :2]))
    corner = np.zeros((4, 4, 1))
    corner[:2] = 1.0  # a single coefficient
    assert sparse_db(corner) == 100.0
    # by hand: the coefficients of one level are those of 2 x 2 blocks, halves of sums and differences
    blocks = values.reshape(2, 2, 2, 2, 2).transpose(0, 2, 1, 3, 4).reshape(2, 2, 4, 2)
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    first = np.einsum("st,ijtc->ijsc", signs, blocks)
    second = np.einsum("st,tc->sc", signs, first[:, :, 0].reshape(4, 2))
    squares = np.sort(np.concatenate([np.sum(part**2, axis=-1).ravel() for part in (first[:, :, 1:], second[1:])]))
    assert len(squares) == 15
    assert sparse_db(values) == pytest.approx(-10 * np.log10(np.sum(squares[:-3]) / values.size))


def test_an_edge_is_sparser_than_a_texture_of_its_energy():
    edge = np.zeros((32, 32, 1))
    edge[:, 13:] = 1.0
    texture = 0.5 + edge.std() * np.random.default_rng(0).choice([-1.0, 1.0], size=edge.shape)
    assert sparse_db(edge) > sparse_db(texture) + 10


def test_all_of_a_picture_is_counted():
    """Parseval: what lies above the constant is the variance."""
    values = load_image("sample:coffee", size=48).values.astype("float64")
    frequency, above = energy_above(values)
    variance = np.mean(np.var(values, axis=(0, 1)))
    np.testing.assert_allclose(above[np.flatnonzero(frequency == 0)[-1]], variance, rtol=1e-9)
    assert above[-1] == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 4)])
def test_tiny_pictures(size):
    values = np.random.default_rng(0).random((*size, 3))
    assert 0 <= cutoff(values, 1e-3) <= 1
    assert sparse_db(values) <= 100


def test_cutoffs_are_the_cutoff_of_each():
    values = stripes(20) * stripes(7)
    assert cutoffs(values, [0.1, 1e-3, 1e-6]) == [cutoff(values, mean_square) for mean_square in (0.1, 1e-3, 1e-6)]


def test_plain_is_the_psnr_of_the_mean_colour():
    values = np.random.default_rng(0).random((9, 7, 3)) * [1.0, 0.5, 0.1]
    error = np.mean((values - values.mean(axis=(0, 1))) ** 2)
    assert plain_db(values) == pytest.approx(-10 * np.log10(error), rel=1e-12)  # float64 sums
    assert plain_db(np.full((4, 4, 1), 0.3)) == pytest.approx(100.0)
