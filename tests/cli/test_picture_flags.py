"""Flags to arguments of `load_image`."""

import functools
import types

import pytest
from absl import flags

from keras_inr.cli import picture_flags
from keras_inr.errors import InputError
from keras_inr.signals.image import DEFAULT_MAX_PIXELS, load_image

DEFINES = ("DEFINE_string", "DEFINE_bool", "DEFINE_enum", "DEFINE_integer")


@pytest.fixture
def parse(monkeypatch):
    """Command line -> (image, options), with flags that no other test sees."""

    def parse(*command_line):
        values = flags.FlagValues()
        own = {name: functools.partial(getattr(flags, name), flag_values=values) for name in DEFINES}
        monkeypatch.setattr(picture_flags, "flags", types.SimpleNamespace(**own))
        picture_flags.define()
        values(["script.py", *command_line])
        assert all(len(values[name].help) > 20 for name in values)
        return values.image, picture_flags.image_options(values)

    return parse


def test_defaults_are_those_of_load_image(parse):
    assert parse() == ("sample:chelsea", {})
    assert parse(f"--max_pixels={DEFAULT_MAX_PIXELS}", "--nograyscale", "--alpha=white") == ("sample:chelsea", {})


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["--size=64"], {"size": 64}),
        (["--size=48x64"], {"size": (48, 64)}),
        (["--crop=1, 2, 30, 40"], {"crop": (1, 2, 30, 40)}),
        (["--grayscale"], {"grayscale": True}),
        (["--alpha=keep"], {"alpha": "keep"}),
        (["--max_pixels=1000000"], {"max_pixels": 1000000}),
    ],
)
def test_what_is_given_is_what_load_image_takes(parse, given, options):
    source, parsed = parse("--image=sample:camera", *given)
    assert (source, parsed) == ("sample:camera", options)
    assert load_image(source, **parsed).values.ndim == 3


def test_mask(parse):
    assert parse("--image=a.png", "--mask=b.png", "--size=4") == ("a.png", {"size": 4, "mask": "b.png"})


def test_data_dir(parse):
    assert parse("--image=tfds:mnist/train#3", "--data_dir=/data") == ("tfds:mnist/train#3", {"data_dir": "/data"})


@pytest.mark.parametrize("text", ["", "big", "--5", "1.5", "4x", "4x5x6", "4,5", "9" * 5000])
def test_sizes_that_are_no_numbers(parse, text):
    with pytest.raises(InputError, match=f"size must be whole numbers as N or NxN, received '{text}'"):
        parse(f"--size={text}")


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1;2;3;4", "1,2,3,x"])
def test_crops_that_are_no_numbers(parse, text):
    with pytest.raises(InputError, match=f"crop must be whole numbers as N,N,N,N, received '{text}'"):
        parse(f"--crop={text}")
