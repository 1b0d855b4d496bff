"""How long files of a picture are, against files that are written here."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_inr.metrics import psnr
from keras_inr.signals import codecs, load_image
from keras_inr.signals.codecs import encoded_bytes

CAT = load_image("sample:chelsea", size=48).values
OPTIONS = {"JPEG": {"subsampling": "4:4:4"}, "WebP": {"method": 4}}
codec_names = pytest.mark.parametrize("codec", OPTIONS)


def files_of(codec, values):
    """[(bytes, PSNR)] of files of the qualities 1 to 100, of a picture (H, W, 3) or (H, W, 1)."""
    samples = np.rint(values * 255).astype(np.uint8)
    found = []
    for quality in range(1, 101):
        file = io.BytesIO()
        picture = Image.fromarray(samples if samples.shape[-1] == 3 else samples[..., 0])
        picture.save(file, codec, quality=quality, **OPTIONS[codec])
        decoded = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert(picture.mode))
        found.append((len(file.getvalue()), psnr(samples / 255, decoded.reshape(samples.shape) / 255)))
    return found


@codec_names
@pytest.mark.parametrize("values", [CAT, CAT[..., :1]], ids=["colours", "grey"])
def test_a_file_of_so_many_bytes_has_the_psnr(codec, values):
    files = files_of(codec, values)
    for goal_psnr_db in (20.0, 25.0, 29.0, 32.0):
        length = encoded_bytes(codec, values, goal_psnr_db)
        # of the worst quality that is enough, with nothing enough right before it
        places = [
            place for place, (size, reached_db) in enumerate(files) if size == length and reached_db >= goal_psnr_db
        ]
        assert places
        assert any(place == 0 or files[place - 1][1] < goal_psnr_db for place in places)


@codec_names
def test_more_of_it_takes_more_bytes(codec):
    lengths = [encoded_bytes(codec, CAT, psnr_db) for psnr_db in (20.0, 25.0, 30.0, 35.0)]
    assert lengths == sorted(set(lengths))


@codec_names
def test_what_is_out_of_reach(codec):
    noise = np.random.default_rng(0).random((16, 16, 3))
    assert encoded_bytes(codec, noise, 60.0) is None
    assert encoded_bytes(codec, noise, 5.0) < 1000


@codec_names
def test_of_an_exact_file(codec):
    assert 0 < encoded_bytes(codec, np.zeros((16, 16, 1)), 150.0) < 500


@codec_names
def test_alpha_is_left_out(codec):
    alpha = np.random.default_rng(0).random((*CAT.shape[:2], 1))
    assert encoded_bytes(codec, np.concatenate([CAT, alpha], -1), 30.0) == encoded_bytes(codec, CAT, 30.0)
    grey = CAT[..., :1]
    assert encoded_bytes(codec, np.concatenate([grey, alpha], -1), 30.0) == encoded_bytes(codec, grey, 30.0)
    assert encoded_bytes(codec, grey, 30.0) < encoded_bytes(codec, CAT, 30.0)


def test_windows_tell_of_a_large_picture(monkeypatch):
    values = load_image("sample:chelsea", size=1400).values
    assert values.shape[0] * values.shape[1] > 2**20
    told = encoded_bytes("JPEG", values, 30.0)
    monkeypatch.setattr(codecs, "windows_of", lambda values: [values])
    # parts of it, which are not all alike
    assert encoded_bytes("JPEG", values, 30.0) == pytest.approx(told, rel=0.3)


def test_a_side_that_is_too_long():
    long = np.full((2, 20000, 1), 0.5)
    assert encoded_bytes("WebP", long, 20.0) is None
    assert encoded_bytes("JPEG", long, 20.0) < 5000
    assert encoded_bytes("JPEG", np.full((1, 70000, 1), 0.5), 20.0) is None


def test_other_codecs():
    with pytest.raises(ValueError, match=r"codec must be one of .* received 'PNG'"):
        encoded_bytes("PNG", CAT, 30.0)
