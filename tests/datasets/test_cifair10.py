"""The builder on a small archive in ciFAIR-10's own format."""

import hashlib
import pathlib
import pickle
import shutil
import tempfile
import urllib.request
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_inr.datasets import cifair10
from keras_inr.datasets.cifair10 import ARCHIVE, CLASSES, FILES, URL, Cifair10, read_batch
from keras_inr.datasets.pictures import list_pictures
from keras_inr.errors import ImageError
from keras_inr.signals._tfds import prepare
from keras_inr.signals.image import load_image

PER_FILE = 3


def batch(number):
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 256, (PER_FILE, 3072), dtype="uint8")
    return pixels, generator.integers(0, 10, PER_FILE).tolist()


def write_archive(folder):
    """ciFAIR-10.zip with batches of three pictures; training batches have keys of bytes, as Python 2 wrote them."""
    with zipfile.ZipFile(folder / ARCHIVE, "w") as archive:
        for number, name in enumerate(FILES["train"] + FILES["test"]):
            pixels, labels = batch(number)
            content = {"data": pixels, "labels": labels}
            if name != "test_batch":
                content = {key.encode(): value for key, value in content.items()}
            archive.writestr(f"ciFAIR-10/{name}", pickle.dumps(content, protocol=2))
    return hashlib.md5((folder / ARCHIVE).read_bytes()).hexdigest()


@pytest.fixture
def manual_dir(tmp_path, monkeypatch):
    folder = tmp_path / "manual"
    folder.mkdir()
    monkeypatch.setattr(Cifair10, "ARCHIVE_MD5", write_archive(folder))
    return folder


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    """What TensorFlow Datasets asks of every builder."""

    DATASET_CLASS = Cifair10
    SPLITS = {"train": 15, "test": 3}
    SKIP_CHECKSUMS = True  # the builder itself checks the published MD5; TFDS wants SHA-256

    @classmethod
    def setUpClass(cls):
        cls.published = Cifair10.ARCHIVE_MD5
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        Cifair10.ARCHIVE_MD5 = write_archive(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        Cifair10.ARCHIVE_MD5 = cls.published
        shutil.rmtree(cls.EXAMPLE_DIR)


def test_published_archive():
    assert Cifair10.ARCHIVE_MD5 == "ca08fd390f0839693d3fc45c4e49585f"
    assert URL == "https://github.com/cvjena/cifair/releases/download/v1.0/ciFAIR-10.zip"


def test_prepared_pictures_are_those_of_the_archive(manual_dir, tmp_path):
    counts, _ = prepare("cifair10", tmp_path, manual_dir)
    assert counts == {"test": 3, "train": 15}
    pictures = list_pictures("tfds:cifair10/test", tmp_path)
    pixels, labels = batch(5)
    planes = {pixels[place].reshape(3, 32, 32).tobytes(): CLASSES[labels[place]] for place in range(PER_FILE)}
    for picture in pictures:
        values = load_image(picture.source, data_dir=tmp_path).values
        found = np.rint(values * 255).astype("uint8").transpose(2, 0, 1).tobytes()
        assert planes.pop(found) == picture.label
    assert not planes


def test_a_damaged_archive(manual_dir, tmp_path):
    (tmp_path / ARCHIVE).write_bytes((manual_dir / ARCHIVE).read_bytes()[:-1])
    with pytest.raises(
        ImageError, match=r"'cifair10' cannot be prepared \(it is of .*\): .* must have the MD5 \w{32}, received \w{32}"
    ):
        prepare("cifair10", tmp_path / "data", tmp_path)


def test_a_folder_without_the_archive(tmp_path, monkeypatch):
    """Whoever names a folder has the archive at hand, or thinks so: nothing is downloaded in its place."""
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda self, url: pytest.fail("downloaded"))
    with pytest.raises(
        ImageError, match=rf"manual_dir must hold {ARCHIVE}, received '.*' without it.*Without a network"
    ):
        prepare("cifair10", tmp_path / "data", tmp_path)


def test_without_network_and_archive(tmp_path, monkeypatch):
    def refuse(self, url):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds.download.DownloadManager, "download", refuse)
    monkeypatch.setattr(cifair10, "check_network", lambda url: None)
    by_hand = rf"Without a network, download {URL} elsewhere and give its folder as manual_dir"
    message = rf"\(it is of https://cvjena\.github\.io/cifair/\): no route to host\. {by_hand}"
    with pytest.raises(ImageError, match=message):
        prepare("cifair10", tmp_path)


def test_a_host_without_an_address_is_told_at_once(tmp_path, monkeypatch):
    """The download itself would try again for minutes."""
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    monkeypatch.setattr(cifair10, "URL", "https://nowhere.invalid/ciFAIR-10.zip")
    with pytest.raises(ImageError, match=r"nowhere\.invalid cannot be reached: .*Without a network"):
        prepare("cifair10", tmp_path)


class Harmful:
    def __reduce__(self):
        return exec, ("print('this must not be printed')",)  # Ray puts another print in the place of Python's


def test_no_code_of_a_batch_is_run(capsys):
    with pytest.raises(pickle.UnpicklingError, match=r"must hold arrays and lists, received builtins\.exec"):
        list(read_batch(pickle.dumps({b"data": Harmful(), b"labels": []})))
    assert capsys.readouterr().out == ""
