"""Large pictures are measured on windows of them, in little memory."""

import tracemalloc

import numpy as np

from keras_inr.signals._windows import MOST_PIXELS, windows_of
from keras_inr.signals.codecs import encoded_bytes


def test_windows_cover_a_picture_evenly_and_do_not_overlap():
    values = np.arange(1500 * 2000).reshape(1500, 2000, 1)
    windows = windows_of(values)
    assert {window.shape for window in windows} == {(256, 256, 1)}
    assert sum(window.size for window in windows) <= MOST_PIXELS
    assert len(np.unique(np.concatenate([window.ravel() for window in windows]))) == sum(w.size for w in windows)
    assert windows_of(np.zeros((4, 2**20, 1)))[0].shape == (4, 256, 1)
    assert len(windows_of(np.zeros((8, 8, 1)))) == 1


def test_memory_does_not_grow_with_the_picture():
    values = np.random.default_rng(0).random((1500, 2000, 3), "float32")
    tracemalloc.start()
    encoded_bytes("JPEG", values, 30.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
