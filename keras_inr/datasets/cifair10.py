"""ciFAIR-10 for TensorFlow Datasets: CIFAR-10 with the duplicates in its test set replaced.

Importing this module registers the builder, so that `tfds.builder("cifair10")` knows it.
"""

import hashlib
import io
import os
import pathlib
import pickle
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from keras_inr.errors import InputError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = "ciFAIR-10.zip"
URL = f"https://github.com/cvjena/cifair/releases/download/v1.0/{ARCHIVE}"
FOLDER = "ciFAIR-10"
FILES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
SHAPE = (32, 32, 3)


class Cifair10(tfds.core.GeneratorBasedBuilder):
    """ciFAIR-10: 50,000 pictures of 32 x 32 to train on and 10,000 to test on, in 10 classes.

    The archive is taken from the folder for manual downloads if it lies there, else downloaded; its MD5 must be the
    published one. Its pickled batches are read without running any code that they may name. Features and splits are
    those of TFDS's cifar10.

    Source: Barz and Denzler, Do We Train on Test Data?, 2020; https://cvjena.github.io/cifair/.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first one."}
    MANUAL_ARCHIVE = ARCHIVE
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Without a network, download {URL} elsewhere and give its folder as manual_dir."
    ARCHIVE_MD5 = "ca08fd390f0839693d3fc45c4e49585f"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="CIFAR-10 with the duplicates in its test set replaced.",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=SHAPE),
                    "label": tfds.features.ClassLabel(names=CLASSES),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://cvjena.github.io/cifair/",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        archive = self._archive(dl_manager)
        found = hashlib.md5(pathlib.Path(archive).read_bytes(), usedforsecurity=False).hexdigest()
        if found != self.ARCHIVE_MD5:
            raise InputError(f"{archive} must have the MD5 {self.ARCHIVE_MD5}, received {found}: download it again")
        folder = pathlib.Path(dl_manager.extract(archive)) / FOLDER
        return {
            split: self._generate_examples(split, [folder / name for name in names]) for split, names in FILES.items()
        }

    def _archive(self, dl_manager: tfds.download.DownloadManager) -> str | os.PathLike[str]:
        try:
            by_hand = pathlib.Path(dl_manager.manual_dir) / ARCHIVE
        except AssertionError:  # there is no such folder
            by_hand = None
        if by_hand is not None and by_hand.exists():
            return by_hand
        check_network(URL)
        return dl_manager.download(URL)

    def _generate_examples(self, split: str, paths: Iterable[pathlib.Path]) -> Iterator[tuple[int, dict[str, Any]]]:
        index = 0
        for path in paths:
            for image, label in read_batch(path.read_bytes()):
                yield index, {"id": f"{split}_{index:05d}", "image": image, "label": label}
                index += 1


def check_network(url: str) -> None:
    """Raises a ConnectionError where the host of a URL has no address, for which a download would wait minutes."""
    host = urllib.parse.urlsplit(url).hostname
    if urllib.request.getproxies():  # it looks addresses up itself
        return
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise ConnectionError(f"{host} cannot be reached: {error.strerror}") from None


def read_batch(data: bytes) -> Iterator[tuple[np.ndarray, int]]:
    """Yields (uint8 array (32, 32, 3), label) from the bytes of a batch: planes of red, green and blue, row by row."""
    batch = _ArraysOnly(data).load()
    pixels, labels = (batch.get(name, batch.get(name.encode())) for name in ("data", "labels"))
    pictures = np.asarray(pixels, np.uint8).reshape(-1, 3, *SHAPE[:2]).transpose(0, 2, 3, 1)
    yield from zip(pictures, map(int, labels), strict=True)


class _ArraysOnly(pickle.Unpickler):
    """Reads dicts, lists, numbers, text and NumPy arrays; refuses everything else, which might run code."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def __init__(self, data: bytes) -> None:

        super().__init__(io.BytesIO(data), encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"a batch must hold arrays and lists, received {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
