import hashlib
import io
import os
import pathlib

import numpy as np
import PIL.Image
import pytest

from keras_inr.errors import ImageError
from keras_inr.signals import _sources as sources
from keras_inr.signals._sources import read_source, sample_path

LIMIT = 2**22


def read(source):
    return read_source(source, LIMIT, None)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "grey.png"
    PIL.Image.fromarray(np.arange(12, dtype="uint8").reshape(3, 4)).save(path)
    return path


def test_paths_and_bytes_give_the_same_picture(picture, monkeypatch):
    data = picture.read_bytes()
    monkeypatch.chdir(picture.parent)
    monkeypatch.setenv("HOME", str(picture.parent))
    for source, name in [
        (picture, str(picture)),
        (str(picture), str(picture)),
        ("grey.png", "grey.png"),
        ("~/grey.png", "~/grey.png"),
        (data, "bytes"),
        (bytearray(data), "bytes"),
        (memoryview(data), "bytes"),
    ]:
        raster, shown, sha256 = read(source)
        assert (shown, sha256) == (name, hashlib.sha256(data).hexdigest())
        np.testing.assert_array_equal(raster.samples[..., 0], np.arange(12).reshape(3, 4))


def test_existing_file_with_a_colon(picture, monkeypatch):
    monkeypatch.chdir(picture.parent)
    picture.rename("photo:1.png")
    assert read("photo:1.png")[0].samples.shape == (3, 4, 1)


def test_path_objects_are_never_samples(picture, monkeypatch):
    monkeypatch.chdir(picture.parent)
    picture.rename("sample:chelsea")
    assert read(pathlib.Path("sample:chelsea"))[0].samples.shape == (3, 4, 1)


def test_array():
    raster, name, sha256 = read(np.zeros((2, 2), "uint8"))
    assert (raster.samples.shape, name, len(sha256)) == ((2, 2, 1), "array", 64)


def test_sample_is_the_file_inside_scikit_image():
    raster, name, sha256 = read("sample:camera")
    assert name == "sample:camera"
    assert sha256 == hashlib.sha256(sample_path("camera").read_bytes()).hexdigest()
    assert raster.samples.shape == (512, 512, 1)


SAMPLES = sorted({path.stem for path in sources._sample_folder().iterdir() if path.suffix in sources._SUFFIXES})


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_loads(name):
    assert min(read(f"sample:{name}")[0].samples.shape) >= 1


def test_samples_of_the_design_and_aliases():
    assert {"chelsea", "astronaut", "camera", "coffee", "rocket", "retina", "hubble_deep_field"} <= set(SAMPLES)
    assert set(sources._SAMPLE_FILES.values()) <= set(SAMPLES)
    assert sample_path("cat") == sample_path("chelsea")


@pytest.mark.parametrize("name", ["nobody", "", "../data/camera", "lbpcascade_frontalface_opencv", "lfw_subset"])
def test_unknown_sample_lists_the_names(name):
    with pytest.raises(ImageError) as caught:
        read(f"sample:{name}")
    assert str(caught.value).startswith(f"source 'sample:{name}' is unknown; the samples are astronaut, brick, camera,")


def test_the_sample_that_was_meant():
    with pytest.raises(ImageError, match=r"'sample:chelsa' is unknown; .*, text; did you mean 'chelsea'\?$"):
        read("sample:chelsa")


@pytest.mark.parametrize("name", sources._DOWNLOADED_SAMPLES)
def test_samples_that_would_be_downloaded(name):
    with pytest.raises(
        ImageError, match=f"'sample:{name}' is not inside the scikit-image package and nothing is downl"
    ):
        read(f"sample:{name}")


@pytest.mark.parametrize(
    "source", ["http://example.org/a.png", "file:///a.png", "gs://bucket/a.png", "tdfs:mnist/train#0"]
)
def test_unknown_prefix(source):
    prefix = source.split(":")[0]
    message = f"has the unknown prefix '{prefix}:'; known are 'sample:' and 'tfds:'"
    with pytest.raises(ImageError, match=message) as caught:
        read(source)
    assert repr(source) in str(caught.value)


@pytest.mark.parametrize("source", [None, 5, [1, 2], PIL.Image.new("L", (1, 1)), io.BytesIO(b"")])
def test_unknown_type(source):
    with pytest.raises(ImageError, match=rf"bytes or a NumPy array, received {type(source).__name__}$"):
        read(source)


def test_missing_files(tmp_path):
    for source in (tmp_path / "missing.png", "C:\\missing.png", "no/such/folder/missing.png"):
        with pytest.raises(ImageError, match=r"^source '.*missing.png' does not exist$"):
            read(source)


def test_files_that_are_none(tmp_path):
    for source in (tmp_path, str(tmp_path)):
        with pytest.raises(ImageError, match=r"^source '.*' must be a picture file but is a directory$"):
            read(source)
    with pytest.raises(ImageError, match=r"^source must not be empty: it must be a path, 'sample:NAME' or 'tfds:NAME"):
        read("")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match=r"pipe' must be a picture file but is a pipe, a device or a socket$"):
        read(tmp_path / "pipe")


def test_unreadable_file(picture, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "read_bytes", denied)  # file modes mean nothing to root, who may run this
    with pytest.raises(ImageError, match=r"^source '.*grey.png' cannot be read: Permission denied$"):
        read(picture)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("null\0byte.png", "embedded null byte"),
        ("x" * 5000, "File name too long"),
        ("~nobody-lives-here/a.png", "Could not determine home directory"),
    ],
)
def test_impossible_paths(source, reason):
    with pytest.raises(ImageError, match=f"^source .* cannot be read: {reason}"):
        read(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty.png: source is empty \(0 bytes\)$"),
        (b"some text", "text.png: source is not a PNG, .* it starts with b'some text'$"),
    ],
)
def test_contents_are_reported_under_the_name_of_the_file(tmp_path, content, message):
    path = tmp_path / message.split(":")[0]
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"^{tmp_path}/{message}"):
        read(path)
