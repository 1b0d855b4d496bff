"""Means, spreads and intervals beside scipy's own test, and tables of them."""

import numpy as np
import pytest
from scipy import stats

from keras_inr.comparing import tables
from keras_inr.comparing.statistics import MOST_DB, by_picture, difference, summaries

FACTS = {"steps": 10, "optimizer": "muon", "learning_rate": 0.1}


def row(variant, name, psnr_db, status="fitted", **more):
    return {"variant": variant, "name": name, "psnr_db": psnr_db, "status": status, **more}


@pytest.fixture(scope="module")
def rows():
    chance = np.random.default_rng(0)
    found = []
    for variant, ahead in (("a", 1.0), ("b_c", 0.0)):
        for seed in range(3):
            for name in "wxyz":
                psnr_db = float(30 + ahead + 5 * (ord(name) % 4) + chance.normal())
                found.append(row(variant, name, psnr_db, ssim=0.5, num_parameters=1234, **FACTS, seed=seed))
    return found


def means(rows, variant):
    return np.array([np.mean(values) for values in by_picture(rows, variant).values()])


def test_differences_are_those_of_a_paired_t_test(rows):
    found = difference(rows, "a", "b_c")
    own, other = means(rows, "a"), means(rows, "b_c")
    interval = stats.ttest_rel(own, other).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.mean == pytest.approx(np.mean(own - other))
    assert (found.wins, found.pairs, found.of_pictures) == (int((own > other).sum()), 4, True)


def test_seeds_are_the_pairs_of_one_picture(rows):
    some = [each for each in rows if each["name"] == "x"]
    found = difference(some, "a", "b_c")
    assert (found.pairs, found.of_pictures) == (3, False)


def test_one_pair_has_no_interval():
    found = difference([row("a", "x", 30.0), row("b", "x", 31.0)], "a", "b")
    assert (found.mean, found.low, found.high, found.wins) == (-1.0, None, None, 0)


def test_a_summary(rows):
    best, other = summaries(rows, ["b_c", "a"])
    assert (best.variant, best.behind, best.failed) == ("a", None, 0)
    assert best.psnr_db == pytest.approx(means(rows, "a").mean())
    seeds = [np.var(values, ddof=1) for values in by_picture(rows, "a").values()]
    assert best.seeds_db == pytest.approx(np.sqrt(np.mean(seeds)))
    assert best.pictures_db == pytest.approx(means(rows, "a").std(ddof=1))
    assert other.behind.mean == pytest.approx(other.psnr_db - best.psnr_db)
    assert best.means["ssim"] == 0.5
    assert best.means["lpips"] is None


def test_failures_count_as_nothing_and_exact_pictures_as_60():
    best, other = summaries([row("a", "x", 40.0, "failed"), row("b", "x", None)], "ab")
    assert (best.variant, best.psnr_db) == ("b", MOST_DB)
    assert (other.psnr_db, other.failed, other.behind.mean) == (0.0, 1, -MOST_DB)


def test_markdown(rows):
    lines = tables.markdown(summaries(rows, ["a", "b_c"]), "note").splitlines()
    assert lines[0].startswith(
        "| network | weights | kB | by | steps | seconds | PSNR (dB) | SSIM | against the best (dB) |"
    )
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[2].startswith("| `a` | 1,234 | – | muon 0.1 | 10 | – | **")
    assert "ahead in" in lines[3]
    assert lines[-1] == "note"


def test_latex(rows):
    text = tables.latex(summaries(rows, ["a", "b_c"]), "100 % of it")
    body = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert len({line.replace("\\&", "").count("&") for line in body}) == 1
    assert "b\\_c & 1,234 & -- & muon 0.1 & 10 & --" in text
    assert r"\caption{100 \% of it}" in text
    assert text.count("{") == text.count("}")
