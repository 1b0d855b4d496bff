import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds

from keras_inr.signals import ImageError, load_from_builder, load_image
from keras_inr.signals._arrays import array_sha256

EXACT = {"rtol": 0, "atol": 1e-7}  # one rounding to float32


def picture(index):
    return np.random.default_rng(index).integers(0, 256, (4, 5, 3), dtype="uint8")


class KerasInrPictures(tfds.core.GeneratorBasedBuilder):
    """A data set with two configs, prepared without a network."""

    VERSION = tfds.core.Version("1.2.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="plain"), tfds.core.BuilderConfig(name="other")]

    def _info(self):
        features = {"photo": tfds.features.Image(shape=(None, None, 3), encoding_format="png"), "number": np.int64}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        offset = 0 if self.builder_config.name == "plain" else 1000
        return {"train": self._generate_examples(range(offset, offset + 7)), "test": self._generate_examples([50])}

    def _generate_examples(self, numbers):
        for number in numbers:
            yield number, {"photo": picture(number), "number": number}


class KerasInrNumbers(tfds.core.GeneratorBasedBuilder):
    """A data set without pictures."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"number": np.int64}))

    def _split_generators(self, dl_manager):
        return {}

    def _generate_examples(self):
        yield 0, {"number": 0}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    for config in ("plain", "other"):
        KerasInrPictures(data_dir=folder, config=config).download_and_prepare()
    return folder


@pytest.mark.parametrize(
    ("spec", "number"),
    [
        ("keras_inr_pictures/train#0", 0),
        ("keras_inr_pictures/train#6", 6),
        ("keras_inr_pictures/test#0", 50),
        ("keras_inr_pictures/other/train#3", 1003),
        ("keras_inr_pictures:1.2.0/train#2", 2),
        ("keras_inr_pictures/other:1.2.0/train#2", 1002),
        ("keras_inr_pictures/other:1.*.*/train#2", 1002),
    ],
)
def test_prepared_data_set(data_dir, spec, number):
    signal = load_image(f"tfds:{spec}", data_dir=data_dir)
    np.testing.assert_allclose(signal.values, picture(number) / 255, **EXACT)
    assert (signal.source, signal.sha256, signal.bit_depth) == (f"tfds:{spec}", array_sha256(picture(number)), 8)


def test_options_apply(data_dir):
    spec = "tfds:keras_inr_pictures/train#1"
    signal = load_image(spec, data_dir=data_dir, crop=(1, 1, 2, 3), grayscale=True)
    expected = picture(1)[1:3, 1:4] @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(signal.values[..., 0], expected, rtol=0, atol=2e-7)  # three float32 products
    with pytest.raises(ImageError, match="source has 4 x 5 = 20 pixels, more than max_pixels=19"):
        load_image(spec, data_dir=data_dir, max_pixels=19)


def test_only_one_example_is_read(data_dir, monkeypatch):
    asked = []
    original = tfds.core.DatasetBuilder.as_dataset

    def spy(self, split, **kwargs):
        dataset = original(self, split=split, **kwargs)
        asked.append((split, int(dataset.cardinality())))
        return dataset

    monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", spy)
    load_image("tfds:keras_inr_pictures/train#5", data_dir=data_dir)
    assert asked == [("train[5:6]", 1)]


def test_builder(data_dir):
    builder = tfds.builder("keras_inr_pictures", data_dir=data_dir)
    signal = load_from_builder(builder, "train", np.int64(4), size=(8, 10))
    assert (signal.source, signal.size) == ("tfds:keras_inr_pictures/plain/1.2.0/train#4", (8, 10))


def test_image_folder(tmp_path):
    for number in range(3):
        folder = tmp_path / "train" / "label"
        folder.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(picture(number)).save(folder / f"{number}.png")
    builder = tfds.ImageFolder(str(tmp_path))
    order = [int(example["image/filename"].numpy()[-5:-4]) for example in builder.as_dataset(split="train")]
    for index, number in enumerate(order):
        np.testing.assert_allclose(load_from_builder(builder, "train", index).values, picture(number) / 255, **EXACT)
    with pytest.raises(ImageError, match="split 'train' of data set 'image_folder' has 3 examples, received index 3"):
        load_from_builder(builder, "train", 3)


def test_broken_picture_in_a_folder(tmp_path):
    (tmp_path / "train" / "label").mkdir(parents=True)
    (tmp_path / "train" / "label" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match="example 0 of split 'train' of 'image_folder' cannot be read: ") as caught:
        load_from_builder(tfds.ImageFolder(str(tmp_path)), "train", 0)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("index", [0, 2])
def test_mocked_data(index):
    with tfds.testing.mock_data(num_examples=3):
        expected = [example["image"].numpy() for example in tfds.load("cifar10", split="train")]
        signal = load_image(f"tfds:cifar10/train#{index}")
        np.testing.assert_allclose(signal.values, expected[index] / 255, **EXACT)
        assert signal.sha256 == array_sha256(expected[index])
        with pytest.raises(ImageError, match="'cifar10' has fewer examples, received index 3"):
            load_image("tfds:cifar10/train#3")


@pytest.mark.parametrize(
    "spec",
    [
        *("", "cifar10", "cifar10/train", "cifar10#3", "cifar10/train#", "cifar10/train#-1", "cifar10/train#1.5"),
        *(
            "a b/train#0",
            "cifar10/train[:5]#0",
            "huggingface:cifar10/train#0",
            "../x/train#0",
            "cifar10/train#" + "9" * 30,
        ),
    ],
)
def test_malformed_specs(spec):
    with pytest.raises(ImageError, match="source must read tfds:NAME/SPLIT#INDEX or ") as caught:
        load_image(f"tfds:{spec}")
    assert str(caught.value).endswith(f"received 'tfds:{spec}'")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cifar01/train#0", r"data set 'cifar01' is not known to TensorFlow Datasets [\d.]+; did you mean cifar10"),
        ("qqqqqqqqqq/train#0", r"data set 'qqqqqqqqqq' is not known to TensorFlow Datasets [\d.]+$"),
        (
            "keras_inr_pictures/third/train#0",
            "'keras_inr_pictures/third' cannot be set up by TensorFlow Datasets: .*third",
        ),
        ("keras_inr_pictures:9.9.9/train#0", "'keras_inr_pictures:9.9.9' cannot be set up .*9.9.9, only: 1.2.0"),
        ("keras_inr_pictures/validation#0", r"must be one of \['test', 'train'\], received 'validation'"),
        (
            "keras_inr_pictures/train#7",
            "split 'train' of data set 'keras_inr_pictures' has 7 examples, received index 7",
        ),
        ("keras_inr_numbers/train#0", r"'keras_inr_numbers' must have one image .* received the features \['number'\]"),
    ],
)
def test_what_is_not_there(data_dir, spec, message):
    with pytest.raises(ImageError, match=message) as caught:
        load_image(f"tfds:{spec}", data_dir=data_dir)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("index", [-1, 1.0, "0", True, None])
def test_bad_index(data_dir, index):
    with pytest.raises(ImageError, match=f"index must be an integer of at least 0, received {index!r}"):
        load_from_builder(tfds.builder("keras_inr_pictures", data_dir=data_dir), "train", index)


def test_data_set_that_is_not_prepared(tmp_path, capfd):
    with pytest.raises(ImageError) as caught:
        load_image("tfds:cifar10/train#0", data_dir=tmp_path)
    message = str(caught.value)
    assert message.startswith("data set 'cifar10/3.0.2' is not prepared and nothing is downloaded: ")
    assert "`keras-inr prepare-data --dataset=cifar10`" in message
    assert message.endswith(f"at {tmp_path}/cifar10/3.0.2")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_origin_is_named_where_known(tmp_path, monkeypatch):
    urls = {f"https://example.org/{name}": None for name in "abc"}
    monkeypatch.setattr(KerasInrPictures, "url_infos", urls)
    with pytest.raises(
        ImageError, match=r"--dataset=keras_inr_pictures/plain` \(it fetches https://example.org/a, .*b and 1"
    ):
        load_image("tfds:keras_inr_pictures/train#0", data_dir=tmp_path)


def test_origin_that_cannot_be_found_out(tmp_path, monkeypatch):
    class Unknown:
        def __get__(self, instance, owner):
            raise ModuleNotFoundError("importlib_resources")  # what TFDS 4.9.10 raises where that package is missing

    monkeypatch.setattr(KerasInrPictures, "url_infos", Unknown())
    with pytest.raises(
        ImageError, match=r"prepare-data --dataset=keras_inr_pictures/plain` \(it is of .*\), and place the result"
    ):
        load_image("tfds:keras_inr_pictures/train#0", data_dir=tmp_path)


def test_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImageError, match="source 'tfds:cifar10' needs the package tensorflow-datasets"):
        load_image("tfds:cifar10/train#0")
