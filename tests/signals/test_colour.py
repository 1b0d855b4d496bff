import warnings

import imagecodecs
import numpy as np
import pytest

from keras_inr.signals._colour import srgb_values
from keras_inr.signals._decoding.decoded import Raster

EXACT = {"rtol": 0, "atol": 1e-7}  # one or two roundings to float32
PROFILE = {"rtol": 0, "atol": 3e-4}  # profiles store matrices in steps of 1.5e-5; sRGB's slope is 12.92 near black


def rgb(samples, peak=255, **kwargs):
    return Raster(np.asarray(samples)[None], "rgb", False, peak, 8, **kwargs)


def colours(count=200):
    return np.random.default_rng(0).random((count, 3))


@pytest.mark.parametrize(("dtype", "peak"), [("uint8", 255), ("uint16", 65535), ("uint16", 4095), ("float64", 1)])
def test_samples_are_divided_by_their_peak(dtype, peak):
    samples = (colours() * peak).astype(dtype)
    values = srgb_values(rgb(samples, peak), "white", False)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[0], samples / peak, **EXACT)


def test_grey_is_rec_601_luma_of_coded_values():
    samples = (colours() * 255).astype("uint8")
    values = srgb_values(rgb(samples), "white", True)
    assert values.shape == (1, 200, 1)
    np.testing.assert_allclose(values[0, :, 0], samples @ [0.299, 0.587, 0.114] / 255, rtol=0, atol=2e-7)


@pytest.mark.parametrize("model", ["grey", "rgb"])
def test_alpha_on_white_or_kept(model):
    count = 1 if model == "grey" else 3
    samples = np.random.default_rng(1).integers(0, 256, (4, 5, count + 1), dtype="uint8")
    colour, alpha = samples[..., :count] / 255, samples[..., count:] / 255
    raster = Raster(samples, model, True, 255, 8)
    np.testing.assert_allclose(srgb_values(raster, "white", False), colour * alpha + 1 - alpha, **EXACT)
    kept = srgb_values(raster, "keep", False)
    assert kept.shape == (4, 5, 4)
    np.testing.assert_allclose(kept, np.concatenate([np.broadcast_to(colour, (4, 5, 3)), alpha], -1), **EXACT)


def test_cmyk_without_profile():
    ink = np.random.default_rng(2).integers(0, 256, (3, 4, 4), dtype="uint8")
    expected = (1 - ink[..., :3] / 255) * (1 - ink[..., 3:] / 255)
    np.testing.assert_allclose(srgb_values(Raster(ink, "cmyk", False, 255, 8), "white", False), expected, **EXACT)


@pytest.mark.parametrize(("dtype", "peak"), [("uint8", 255), ("uint16", 65535)])
def test_rgb_profile_against_the_matrix_formula(rgb_profile, adobe_to_xyz, xyz_to_srgb, dtype, peak):
    samples = (colours() * peak).astype(dtype)
    expected = xyz_to_srgb((samples / peak) ** (563 / 256) @ adobe_to_xyz.T)
    assert np.abs(expected - samples / peak).max() > 0.1  # the profile matters
    np.testing.assert_allclose(
        srgb_values(rgb(samples, peak, profile=rgb_profile()), "white", False)[0], expected, **PROFILE
    )


def test_sixteen_bits_survive_a_profile(rgb_profile):
    ramp = np.arange(30000, 30256, dtype="uint16")
    values = srgb_values(rgb(np.stack([ramp] * 3, -1), 65535, profile=rgb_profile()), "white", False)
    assert (np.diff(values[0, :, 1]) > 0).all()


def test_grey_profile_stays_grey(grey_profile, d50, xyz_to_srgb):
    samples = np.arange(256, dtype="uint8")[None, :, None]
    raster = Raster(samples, "grey", False, 255, 8, profile=grey_profile)
    expected = xyz_to_srgb((samples / 255) ** 1.75 * d50)[..., 1:2]
    np.testing.assert_allclose(srgb_values(raster, "white", False), expected, **PROFILE)


def test_cmyk_profile_against_its_table(cmyk_profile, ink_to_lab, d50, xyz_to_srgb):
    ink = np.random.default_rng(3).integers(0, 256, (6, 7, 4), dtype="uint8")
    lightness, a, b = np.moveaxis(ink_to_lab(ink / 255), -1, 0)
    f = np.stack([(lightness + 16) / 116 + a / 500, (lightness + 16) / 116, (lightness + 16) / 116 - b / 200], -1)
    xyz = d50 * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    raster = Raster(ink, "cmyk", False, 255, 8, profile=cmyk_profile)
    expected = xyz_to_srgb(xyz)
    # The table holds Lab in 16 bits; out-of-gamut colours are clipped in both.
    np.testing.assert_allclose(srgb_values(raster, "white", False), expected, rtol=0, atol=1e-3)


def test_profile_leaves_alpha_alone(rgb_profile):
    samples = np.full((1, 1, 4), 100, "uint8")
    raster = Raster(samples, "rgb", True, 255, 8, profile=rgb_profile())
    assert srgb_values(raster, "keep", False)[0, 0, 3] == np.float32(100 / 255)


def test_srgb_profile_changes_nothing():
    samples = (colours() * 255).astype("uint8")
    raster = rgb(samples, profile=imagecodecs.cms_profile("srgb"))
    np.testing.assert_array_equal(srgb_values(raster, "white", False), srgb_values(rgb(samples), "white", False))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda profile: profile[:140], "ICC profile is broken .*; it is ignored"),
        (lambda profile: profile[:16] + b"GRAY" + profile[20:], "is for b'GRAY' pictures while this one is rgb"),
        (lambda profile: b"", "is for b'' pictures while this one is rgb"),
    ],
)
def test_unusable_profiles_are_ignored_with_a_warning(rgb_profile, damage, message):
    samples = (colours() * 255).astype("uint8")
    with pytest.warns(UserWarning, match=message):
        values = srgb_values(rgb(samples, profile=damage(rgb_profile())), "white", False)
    np.testing.assert_array_equal(values, srgb_values(rgb(samples), "white", False))


def test_profile_that_gives_no_colours(rgb_profile, monkeypatch):
    monkeypatch.setattr(imagecodecs, "cms_transform", lambda values, *args, **kwargs: np.full_like(values, np.nan))
    with pytest.warns(UserWarning, match="is broken .it does not give finite colours."):
        srgb_values(rgb(np.zeros((1, 3), "uint8"), profile=rgb_profile()), "white", False)


def test_good_profiles_do_not_warn(rgb_profile, srgb_to_xyz):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        srgb_values(rgb(np.zeros((1, 3), "uint8"), profile=rgb_profile(srgb_to_xyz, 2.2)), "white", False)
