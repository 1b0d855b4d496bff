import errno
import io
import os
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds
import tifffile

from keras_inr.datasets.crops import PHOTOGRAPHS, photo_crops, write_crops
from keras_inr.datasets.pictures import Picture, list_pictures, read_pictures
from keras_inr.errors import ImageError
from keras_inr.signals import image
from keras_inr.signals.image import load_from_builder, load_image


def write(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((4, 5, 3), shade, "uint8")).save(path)
    return path


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path):
        for name in ("b.png", "a.JPG", "cats/a.png", "dogs/big/a.png", ".hidden/a.png", "cats/.a.png"):
            write(tmp_path / name)
        (tmp_path / "notes.txt").write_text("no picture")
        return tmp_path

    @pytest.mark.parametrize("prefix", ["folder:", ""])
    def test_names_sources_and_classes(self, folder, prefix):
        pictures = list_pictures(f"{prefix}{folder}")
        assert [(picture.name, picture.label) for picture in pictures] == [
            ("a.JPG", None),
            ("b.png", None),
            ("cats/a.png", "cats"),
            ("dogs/big/a.png", "big"),
        ]
        assert all(load_image(picture.source).size == (4, 5) for picture in pictures)

    def test_the_classes_of_image_folder(self, tmp_path):
        for number, name in enumerate(("train/cats/x.png", "train/dogs/y.png", "train/dogs/z.png")):
            write(tmp_path / name, shade=number)
        builder = tfds.ImageFolder(str(tmp_path))
        names = builder.info.features["label"].names
        found = {
            load_from_builder(builder, "train", index).sha256: names[int(example["label"])]
            for index, example in enumerate(builder.as_dataset("train"))
        }
        ours = {picture.label for picture in list_pictures(str(tmp_path))}
        assert ours == set(found.values()) == {"cats", "dogs"}

    def test_without_pictures(self, tmp_path):
        (tmp_path / "notes.txt").write_text("no picture")
        with pytest.raises(ImageError, match=r"must hold pictures \(\.png, .*\), received none"):
            list_pictures(str(tmp_path))

    @pytest.mark.parametrize("source", ["folder:nowhere", "nowhere/", "nowhere", "no/where", "photos.2024", "no.png/"])
    def test_missing(self, source):
        for sources in (source, ["sample:coins", source]):
            with pytest.raises(ImageError, match=r"^(folder|source) '.*' does not exist$"):
                list_pictures(sources)

    def test_a_missing_picture_is_told_when_it_is_read(self):
        found = [signal for _, signal in read_pictures(list_pictures(["missing.png", "sample:coins", "gone.heic"]))]
        assert [isinstance(signal, ImageError) for signal in found] == [True, False, True]

    def test_a_file_is_no_folder(self, folder):
        for source in (f"folder:{folder}/b.png", f"{folder}/b.png/"):
            with pytest.raises(ImageError, match=r"folder '.*b\.png' is a file"):
                list_pictures(source)

    def test_links_are_followed_and_each_folder_taken_once(self, folder, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        write(elsewhere / "x.png")
        write(elsewhere / "more" / "y.png")
        (folder / "birds").symlink_to(elsewhere)
        (folder / "again").symlink_to(elsewhere / "more")
        (folder / "a_cat").symlink_to(folder / "cats")  # a real folder keeps its own name
        (elsewhere / "loop").symlink_to(folder)
        (folder / "cats" / "self").symlink_to(".")
        names = [picture.name for picture in list_pictures(str(folder))]
        assert names == ["a.JPG", "again/y.png", "b.png", "birds/x.png", "cats/a.png", "dogs/big/a.png"]

    @pytest.mark.parametrize("suffix", ["jfif", "jpe", "JIF", "dib", "apng"])
    def test_less_common_suffixes(self, folder, suffix):
        stream = io.BytesIO()
        PIL.Image.new("RGB", (5, 4)).save(stream, {"dib": "DIB", "apng": "PNG"}.get(suffix, "JPEG"))
        (folder / f"z.{suffix}").write_bytes(stream.getvalue())
        found = list_pictures(str(folder))[-1]
        assert found.name == f"z.{suffix}"
        assert load_image(found.source).size == (4, 5)

    def test_pictures_that_are_left_out_are_told(self, folder):
        for name in ("a.avif", "b.AVIF", "c.svg", ".d.heic", "README.txt", ".DS_Store"):
            (folder / name).touch()
        (folder / "scan").write_bytes((folder / "b.png").read_bytes())
        os.mkfifo(folder / "pipe")
        (folder / "nothing").symlink_to("nowhere")
        message = r"left out: 4 files \(2 \.avif, 1 \.svg, 1 without a picture's suffix \('scan'\)\); read are \.png, "
        with pytest.warns(UserWarning, match=message) as caught:
            assert len(list_pictures(str(folder))) == 4
        assert len(caught) == 1

    def test_nothing_but_what_is_left_out(self, tmp_path):
        (tmp_path / "a.heic").touch()
        with pytest.raises(ImageError, match=r"must hold pictures .*, received 1 files \(1 \.heic\)"):
            list_pictures(str(tmp_path))

    def test_a_bad_picture_does_not_stop_the_others(self, folder):
        stream = io.BytesIO()
        tifffile.imwrite(stream, np.zeros((4, 5, 3), "uint8"), photometric="rgb", extratags=[(34675, "I", 1, 5, True)])
        (folder / "c.tif").write_bytes(stream.getvalue())
        (folder / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(90))
        with pytest.warns(UserWarning, match="ICC profile is not a block of bytes"):
            found = {picture.name: signal for picture, signal in read_pictures(list_pictures(str(folder)))}
        assert [name for name, signal in found.items() if isinstance(signal, ImageError)] == ["d.png"]

    @pytest.mark.parametrize("source", ["", "folder:"])
    def test_empty(self, source):
        with pytest.raises(ImageError, match=f"sources must not be empty, received '{source}'"):
            list_pictures(["sample:coins", source])

    def test_a_folder_inside_that_cannot_be_read(self, folder, monkeypatch):
        """As root reads everything here, the operating system's answer is made up."""
        scandir = os.scandir

        def refuse(place):
            if str(place).endswith("cats"):
                raise PermissionError(errno.EACCES, "Permission denied", str(place))
            return scandir(place)

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(ImageError, match=r"folder '.*/cats' cannot be read: Permission denied"):
            list_pictures(str(folder))

    @pytest.mark.parametrize("source", ["x" * 300 + ".png", "~nobody-at-all/x.png"])
    def test_a_path_that_cannot_be_is_told_when_it_is_read(self, source):
        pictures = list_pictures([source, "sample:coins"])
        found = [signal for _, signal in read_pictures(pictures)]
        assert isinstance(found[0], ImageError)
        assert found[1].size == (303, 384)


class TestOthers:
    def test_samples(self):
        pictures = list_pictures("sample:*")
        assert Picture("chelsea", "sample:chelsea") in pictures
        assert len(pictures) == len({picture.name for picture in pictures}) > 20

    def test_several_sources(self, tmp_path):
        path = write(tmp_path / "x.png")
        assert [picture.name for picture in list_pictures([path, "sample:camera", "tfds:mnist/train#3"])] == [
            "x.png",
            "camera",
            "mnist/train/3",
        ]

    def test_two_of_one_name(self, tmp_path):
        first, second = write(tmp_path / "one" / "x.png"), write(tmp_path / "two" / "x.png")
        with pytest.raises(ImageError, match=r"different names, received 'x\.png' from '.*one/x\.png' and from '.*two"):
            list_pictures([first, second])

    def test_none(self):
        with pytest.raises(ImageError, match="must name one picture at least, received none"):
            list_pictures([])


class Coloured(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        label = tfds.features.ClassLabel(names=["red", "blue"])
        features = {"image": tfds.features.Image(shape=(2, 2, 3)), "label": label}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(6):
            values = np.zeros((2, 2, 3), "uint8")
            values[..., 2 * (number % 2)] = 100 + number
            yield number, {"image": values, "label": number % 2}


class Sharded(tfds.core.GeneratorBasedBuilder):
    """Shuffled, in three files, with objects in its pictures that nobody asks for."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(2, 2, 3)),
            "label": tfds.features.ClassLabel(names=[f"class {number}" for number in range(40)]),
            "objects": tfds.features.Sequence({"box": tfds.features.BBoxFeature(), "name": tfds.features.Text()}),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(40):
            box = {"box": tfds.features.BBox(0.0, 0.0, 1.0, 1.0), "name": "all"}
            image = np.full((2, 2, 3), 100 + number, "uint8")
            yield number, {"image": image, "label": number, "objects": [box] * (number % 3)}


class Sounds(tfds.core.GeneratorBasedBuilder):
    """A data set without pictures."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"number": np.int64}))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"number": 0}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    Coloured(data_dir=folder).download_and_prepare()
    Sounds(data_dir=folder).download_and_prepare()
    Sharded(data_dir=folder).download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=3))
    return folder


class TestDataSet:
    @pytest.mark.parametrize(
        ("part", "places"),
        [("", range(6)), ("[2:4]", range(2, 4)), ("[:50%]", range(3)), ("[-2:]", range(4, 6))],
    )
    def test_parts(self, data_dir, part, places):
        pictures = list_pictures(f"tfds:coloured/train{part}", data_dir)
        assert [picture.source for picture in pictures] == [f"tfds:coloured/train#{place}" for place in places]
        assert [picture.name for picture in pictures] == [f"coloured/train/{place}" for place in places]
        for picture, place in zip(pictures, places, strict=True):
            values = load_image(picture.source, data_dir=data_dir).values
            assert values[0, 0, 2 * (place % 2)] == np.float32((100 + place) / 255)
            assert picture.label == ("red", "blue")[place % 2]

    @pytest.mark.parametrize("part", ["", "[5:33]"])
    def test_labels_and_pictures_of_several_files_belong_together(self, data_dir, part):
        assert len(list((data_dir / "sharded" / "1.0.0").glob("*.tfrecord-*"))) == 3
        pictures = list_pictures(f"tfds:sharded/train{part}", data_dir)
        assert [picture.label for picture in pictures] != sorted(picture.label for picture in pictures)
        for picture, signal in read_pictures(pictures, data_dir=data_dir):
            assert picture.label == f"class {round(255 * float(signal.values[0, 0, 0])) - 100}"

    def test_reading_in_one_go_is_reading_one_by_one(self, data_dir):
        sources = ["tfds:sharded/train[10:20]", "sample:coins", "tfds:coloured/train#4", "tfds:sharded/train#39"]
        pictures = list_pictures([*sources, "tfds:sharded/train#7"], data_dir)
        for picture, signal in read_pictures(pictures, data_dir=data_dir, size=2):
            alone = load_image(picture.source, data_dir=data_dir, size=2)
            assert (signal.source, signal.sha256) == (alone.source, alone.sha256)
            np.testing.assert_array_equal(signal.values, alone.values)

    def test_a_slice_is_read_in_one_go(self, data_dir, monkeypatch):
        asked = []
        load = image.read_source
        monkeypatch.setattr(
            image, "read_source", lambda source, *options: asked.append(source) or load(source, *options)
        )
        found = list(read_pictures(list_pictures("tfds:sharded/train[3:9]", data_dir), data_dir=data_dir))
        assert len(found) == 6
        assert not [source for source in asked if isinstance(source, str)]

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("tfds:sounds/train", "data set 'sounds' must have one image among its features"),
            ("tfds:coloured/test", r"split of data set 'coloured' must be one of \['train'\], received 'test'"),
            ("tfds:coloured/train[4:4]", r"has 6 examples, none in \[4:4\]"),
            ("tfds:coloured/train[a:b]", r"part '\[a:b\]' of split 'train' of 'coloured' cannot be read"),
            ("tfds:coloured", "source must read tfds:NAME/SPLIT"),
            ("tfds:mnist/train", "data set 'mnist/3.0.1' is not prepared"),
            ("tfds:nothing_like_it/train", "data set 'nothing_like_it' is not known"),
        ],
    )
    def test_refused(self, data_dir, source, message):
        with pytest.raises(ImageError, match=message):
            list_pictures(source, data_dir)


class TestCrops:
    @pytest.mark.slow
    def test_crops_are_windows_of_the_photographs(self):
        crops = photo_crops(size=16, window=64)
        assert tuple(crops) == PHOTOGRAPHS
        expected = load_image("sample:chelsea", crop=(0, 64, 64, 64), size=(16, 16)).values
        np.testing.assert_allclose(crops["chelsea"][1] / 255, expected, atol=0.5 / 255 + 1e-6)
        assert {picture.shape for pictures in crops.values() for picture in pictures} == {(16, 16, 3)}

    @pytest.mark.slow
    def test_written_as_image_folder(self, tmp_path):
        counts = write_crops(tmp_path / "crops", size=8)
        train, test = (list_pictures(f"folder:{tmp_path}/crops/{split}") for split in ("train", "test"))
        assert counts == {"train": len(train), "test": len(test)}
        assert {picture.label for picture in train} == {picture.label for picture in test} == set(PHOTOGRAPHS)
        assert not {load_image(p.source).sha256 for p in train} & {load_image(p.source).sha256 for p in test}
        assert set(tfds.ImageFolder(str(tmp_path / "crops")).info.features["label"].names) == set(PHOTOGRAPHS)

    def test_refused(self, tmp_path):
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(ImageError, match="folder must be new or empty, received"):
            write_crops(tmp_path)
        with pytest.raises(ImageError, match=r"window must fit into \w+ \(\d+ x \d+\), received 1000"):
            photo_crops(window=1000)
        assert [path.name for path in pathlib.Path(tmp_path).iterdir()] == ["thesis.tex"]
