"""What may be chosen among."""

import pytest

from keras_inr.choosing.candidates import BANDS_DB, candidates_for, hash_candidate, sine_candidate
from keras_inr.signals import load_image
from keras_inr.signals._spectrum import cutoff

COINS = load_image("sample:coins", size=64)
MOON = load_image("sample:moon", size=64)
COLOUR = load_image("sample:chelsea", size=16)


def finest(signal, band_db):
    """Cells of the smallest grid that is made for a PSNR."""
    grids = [c for c in candidates_for(signal) if c.family == "hash" and c.band_db == band_db]
    return min(grids, key=lambda c: c.arguments["table_size"]).arguments["finest_resolution"]


@pytest.mark.parametrize("signal", [COINS, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize(
    "candidate", [hash_candidate(6, 100, 50), hash_candidate(12, 90, 50), sine_candidate(24, 9, 50)]
)
def test_weights_are_counted_without_the_field(candidate, signal):
    assert sum(candidate.weights(signal.channels)) == candidate.field(signal).count_params()


def test_the_bandwidth_follows_the_spectrum():
    assert finest(MOON, 30) < finest(COINS, 30) <= 64
    assert finest(COINS, 30) < finest(COINS, 40)
    omegas = [sine_candidate(8, cutoff(s.values, 1e-4) * 64, 40).arguments["omega_0"] for s in (MOON, COINS)]
    assert omegas[0] < omegas[1]


def test_every_network_is_there_once_with_the_widest_band_that_it_has():
    found = candidates_for(MOON)
    assert len({str(candidate.arguments) for candidate in found}) == len(found)
    assert {candidate.band_db for candidate in found} <= set(BANDS_DB)
    same = [c for c in found if c.arguments == hash_candidate(5, 0.0, 25).arguments]  # grids have 16 cells at least
    needing_less = [db for db in BANDS_DB if cutoff(MOON.values, 10 ** (-db / 10)) * 64 <= 16]
    assert [candidate.band_db for candidate in same] == [max(needing_less)]
