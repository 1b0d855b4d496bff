"""experiments/prefit: its triples, what it reads off curves, its five fits, and a small run as a user starts it."""

import csv
import doctest
import json
import math
import pathlib
import re
import shutil
import signal
import types

import numpy as np
import PIL.Image
import pytest
from cli.fit_calls import Call

from experiments.prefit import fits, outcomes, pages, triples
from keras_inr.datasets.pictures import Picture
from keras_inr.errors import ImageError
from keras_inr.metrics import psnr
from keras_inr.signals.image import load_image
from keras_inr.training.recipe import Recipe

STARTS = ("scratch", "prefit_same", "prefit_other")
"""The fits from initial weights, one to each picture of a triple."""
FOLDER = pathlib.Path(__file__).parent.parent / "experiments" / "prefit"


def test_the_published_pages_are_those_of_the_published_fits():
    rows = pages.read_rows(FOLDER / "results" / "fits.csv")
    first = pages.told_of([row for row in rows if row["triple"] < pages.SET])
    page, all_tables = ((FOLDER / name).read_text() for name in ("README.md", "results/table.md"))
    assert all(pages.table(first, measure) in all_tables for measure in pages.MEASURES)
    assert pages.table(first, "auc_db") in page
    for sentence in (*pages.again_sentences(rows), pages.coverage(rows), pages.facts(first)):
        assert sentence in page
        assert sentence in all_tables
    assert all(sentence in all_tables for sentence in (pages.verdict(first), pages.start_tells(first)))
    drawn = sorted(path.stem for path in (FOLDER / "results" / "curves").iterdir())
    assert drawn == sorted(pages.names(first))


def test_the_published_fits_are_whole_triples_of_distinct_pictures():
    rows = pages.read_rows(FOLDER / "results" / "fits.csv")
    found = {}
    for row in rows:
        found.setdefault((row["network"], row["triple"]), []).append(row)
    for fits_of_triple in found.values():
        assert [row["mode"] for row in fits_of_triple] == list(fits.PLAN)
    pictures_of = {(row["triple"], row["mode"]): row["picture"] for row in rows if row["mode"] in STARTS}
    assert len(set(pictures_of.values())) == len(pictures_of)
    roles = {name: {key[0]: picture for key, picture in pictures_of.items() if key[1] == name} for name in STARTS}
    for triple, picture in roles["scratch"].items():
        label = picture.split("/")[0]
        assert roles["prefit_same"][triple].split("/")[0] == label != roles["prefit_other"][triple].split("/")[0]


@pytest.mark.parametrize("module", [triples, outcomes, pages])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


def pictures(**counts):
    """Pictures of classes: how many of each."""
    return [Picture(f"{label}/{n}", f"{label}-{n}.png", label) for label, count in counts.items() for n in range(count)]


class TestTriples:
    def test_classes_and_no_picture_twice(self):
        drawn = triples.draw_triples(pictures(cat=10, dog=10, ship=10), 10, seed=0)  # which takes all
        for triple in drawn:
            labels = {role: picture.label for role, picture in triple.pictures.items()}
            assert labels["a"] == labels["b"] != labels["c"]
        used = [picture.name for triple in drawn for picture in triple.pictures.values()]
        assert len(set(used)) == len(used) == 30
        assert {triple.pictures["a"].label for triple in drawn} == {"cat", "dog", "ship"}

    def test_by_seed_whatever_the_order_and_number(self):
        found = pictures(cat=30, dog=30, ship=30)
        drawn = triples.draw_triples(found, 8, seed=3)
        assert triples.draw_triples(found[::-1], 8, seed=3) == drawn
        assert triples.draw_triples(found, 5, seed=3) == drawn[:5]
        other = triples.draw_triples(found, 8, seed=4)
        assert [triple.pictures for triple in other] != [triple.pictures for triple in drawn]
        assert len({triple.seed for triple in [*drawn, *other]}) == 16

    @pytest.mark.parametrize(
        ("counts", "message"),
        [
            ({"cat": 20}, "20 triples of two .* received 20 in 1 classes, which are enough for 0"),
            ({"cat": 1, "dog": 1}, "received 2 in 2 classes, which are enough for 0"),
            ({"cat": 20, "dog": 20}, "received 40 in 2 classes, which are enough for 13"),
        ],
    )
    def test_too_few(self, counts, message):
        with pytest.raises(ImageError, match=message):
            triples.draw_triples(pictures(**counts), 20, seed=0)

    def test_without_classes(self):
        with pytest.raises(ImageError, match=r"must have classes, .* received 'x\.png' without one"):
            triples.draw_triples([*pictures(cat=5, dog=5), Picture("x.png", "x.png")], 1, seed=0)

    def test_the_same_content_under_two_names(self):
        content = np.full((4, 4, 3), 7, "uint8")
        roles = {role: Picture(role, content, "cat") for role in "abc"}
        with pytest.raises(ImageError, match="images must differ, received 'a' and 'b'"):
            triples.read_triples([triples.Triple(0, 0, roles)], 4)

    def test_grey(self):
        roles = {role: Picture(role, "sample:camera", "cat") for role in "abc"}
        with pytest.raises(ImageError, match="images must be in colour, received 'a'"):
            triples.read_triples([triples.Triple(0, 0, roles)], 4)


def result(psnrs, stopped_by="steps", losses=None, final=None):
    """What a fit of rounds of 10 steps with these PSNRs gives."""
    rows = [
        {"step": 10 * number, "psnr_db": psnr_db, "loss": loss}
        for number, (psnr_db, loss) in enumerate(zip(psnrs, losses or [0.1] * len(psnrs), strict=True), start=1)
    ]
    return types.SimpleNamespace(rows=rows, psnr_db=final, stopped_by=stopped_by)


class TestOutcomes:
    def test_kept_are_the_figures_of_a_fit_its_start_and_its_end(self):
        kept = outcomes.outcome(9.0, result([20.0, None, 70.0], final=math.inf))
        # a row without a PSNR has an exact picture
        assert kept["curve"] == [[10, 20.0], [20, 150.0], [30, 70.0]]
        assert (kept["start_psnr_db"], kept["final_psnr_db"]) == (9.0, 150.0)
        assert outcomes.figures(kept, 30) == {
            "start_psnr_db": 9.0,
            "final_psnr_db": 60.0,
            "auc_db": pytest.approx((20 + 60 + 60) / 3, abs=1e-4),  # as rounded
            "steps_to_30_db": 20,
            "steps_to_40_db": 20,
        }

    def test_rounds_count_by_their_steps(self):
        assert outcomes.auc_db([[10, 10.0], [20, 20.0], [24, 40.0]], 24) == pytest.approx((100 + 200 + 160) / 24)

    def test_a_fit_that_diverged_has_nothing_from_there_on(self):
        kept = outcomes.outcome(math.nan, result([20.0, None], "diverged", [0.1, None]))
        assert (kept["start_psnr_db"], kept["curve"], kept["final_psnr_db"]) == (None, [[10, 20.0]], None)
        found = outcomes.figures(kept, 40)
        assert (found["auc_db"], found["final_psnr_db"], found["steps_to_30_db"]) == (5.0, 0.0, None)

    @pytest.mark.parametrize(
        ("start", "curve", "final", "steps"),
        [
            (31.0, [32.0, 33.0], 34.0, 0),
            (9.0, [29.99, 30.0], 34.0, 20),
            (9.0, [30.0, 29.0], 29.0, 10),  # the first time counts
            (9.0, [20.0, 29.0], 30.1, 20),  # only after the last step
            (9.0, [20.0, 29.0], 29.9, None),
        ],
    )
    def test_steps_to(self, start, curve, final, steps):
        kept = outcomes.outcome(start, result(curve, final=final))
        assert outcomes.steps_to(30, kept, 20) == steps

    def test_paired_differences(self):
        mean, low, high = outcomes.paired([11.0, 23.0, 36.0, 44.0], [10.0, 20.0, 30.0, 40.0])
        # by hand: standard error of 1, 3, 6, 4 is 2.0817 / 2, and Student's t for 3 degrees of freedom is 3.1824
        assert (mean, low, high) == pytest.approx((3.5, 3.5 - 3.3125, 3.5 + 3.3125), abs=1e-3)
        assert outcomes.paired([None, 12.0], [1.0, 10.0]) == (2.0, None, None)
        assert outcomes.paired([None], [1.0]) == (None, None, None)
        assert outcomes.paired([60.0, 60.0], [60.0, 60.0]) == (0.0, 0.0, 0.0)


class TestFits:
    NETWORK, SIZE = fits.Network(1, 8), 8
    RECIPE = Recipe(steps=12, sampling="full", learning_rate=1e-4)

    @pytest.fixture
    def drawn(self):
        names = (("chelsea", "coffee", "astronaut"), ("rocket", "retina", "hubble_deep_field"))
        made = [{role: Picture(name, f"sample:{name}") for role, name in zip("abc", own, strict=True)} for own in names]
        return triples.read_triples([triples.Triple(n, 5 + n, roles) for n, roles in enumerate(made)], self.SIZE)

    def test_what_starts_from_what(self, drawn, monkeypatch):
        """With training that adds to weights a number that no other fit adds."""
        calls = []

        def trained(fields, signals, recipe, progress):
            assert recipe is self.RECIPE
            calls.append([(field, signal, field.get_weights()) for field, signal in zip(fields, signals, strict=True)])
            for number, field in enumerate(fields):
                field.set_weights([array + 10 * len(calls) + number for array in field.get_weights()])
            return [result([20.0], final=30.0) for _ in fields]

        monkeypatch.setattr(fits, "fit_many", trained)
        records, _ = fits.fitted(self.NETWORK, drawn, self.RECIPE)
        plan = [("scratch", "prefit_same", "prefit_other"), ("after_same", "after_other")]
        names = [[(name, place) for name in stage for place in range(2)] for stage in plan]
        found = {key: call for keys, own in zip(names, calls, strict=True) for key, call in zip(keys, own, strict=True)}
        for (name, place), (_, target, begun) in found.items():
            role = {"prefit_same": "b", "prefit_other": "c"}.get(name, "a")
            assert target is drawn[place].signals[role]
            if name.startswith("after"):
                expected = found[name.replace("after", "prefit"), place][0].get_weights()
            else:
                expected = self.NETWORK.field(5 + place).get_weights()
            for one, other in zip(begun, expected, strict=True):
                np.testing.assert_array_equal(one, other)
            start = self.NETWORK.field(0, self.SIZE)
            start.set_weights(begun)
            # float32 of stacked products
            before = psnr(target.values, start.sample_grid())
            assert records[place][name]["start_psnr_db"] == pytest.approx(before, abs=1e-3)
        assert len({id(field) for field, _, _ in found.values()}) == 10  # no fit changes another one's weights

    def test_copies_are_copies(self):
        field = self.NETWORK.field(0)
        before = field.get_weights()
        (copy,) = fits.copies([field])
        for one, other in zip(copy.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)
        copy.weights[0].assign_add(np.ones(copy.weights[0].shape))
        np.testing.assert_array_equal(field.get_weights()[0], before[0])

    def test_large_networks_go_fewer_triples_at_a_time(self):
        assert [fits.triples_at_a_time(network, self.RECIPE, 32) for network in (fits.GRID[0], fits.GRID[-1])] == [
            21,
            1,
        ]

    def test_the_grid(self):
        assert len(fits.GRID) == 42
        assert (str(fits.GRID[0]), str(fits.GRID[-1])) == ("2x32", "8x1024")
        # as counted in the source
        assert [fits.parsed(text).field(0).count_params() for text in ("2x32", "3x128")] == [2307, 50307]


class TestPages:
    def rows(self, **auc):
        """Rows of one network: from scratch 20, 21 and 22 dB, the other modes as given."""
        modes = {"scratch": (20.0, 21.0, 22.0), **auc}
        shared = {"network": "2x32", "num_parameters": 2307}
        return [
            {**shared, "mode": mode, "triple": triple, "label": "cat" if triple else "dog", "auc_db": value}
            for mode, values in modes.items()
            for triple, value in enumerate(values)
        ]

    def test_table_and_verdict(self):
        rows = self.rows(after_same=(23.0, 24.5, 25.0), after_other=(22.0, 21.0, 20.0))
        # by hand: the standard error of 3, 3.5, 3 is 1 / 6, and Student's t for 2 degrees of freedom is 4.3027
        means = "21.00 ± 1.00 | 24.17 ± 1.04 | 21.00 ± 1.00"
        differences = "+3.17 [2.45, 3.88] | +0.00 [-4.97, 4.97] | -3.17 [-8.19, 1.85]"
        assert pages.table(rows, "auc_db").splitlines()[2] == f"| 2x32 | 2,307 | 3 | {means} | {differences} |"
        told = pages.verdict(rows)
        assert "| after same class - scratch | higher in 1, lower in 0, +3.17 dB in the mean |" in told
        assert "| after other class - after same class | higher in 0, lower in 0, -3.17 dB in the mean |" in told
        # the classes gain 3 and (3.5 + 3) / 2 dB, of which 0.125 is the standard error, and t is 12.7062
        assert pages.class_difference(rows, "2x32", ("after_same", "scratch"), "auc_db") == pytest.approx(
            (3.125, 3.125 - 12.7062 * 0.125, 3.125 + 12.7062 * 0.125), abs=1e-5
        )
        assert "| after same class - scratch, over classes | higher in 1, lower in 0, +3.12 dB in the mean |" in told
        told = pages.verdict(self.rows(after_same=(20.0, 21.0, 22.0), after_other=(18.0, 19.0, 19.5)))
        assert "| after other class - scratch | higher in 0, lower in 1, -2.17 dB in the mean |" in told

    def test_how_often_the_higher_start_is_the_better_one(self):
        rows = self.rows(after_same=(23.0, 24.5, 25.0), after_other=(22.0, 21.0, 26.0))
        starts = {"after_same": (9.0, 8.0, 7.0), "after_other": (8.0, 9.0, 8.0)}
        rows = [{**row, "start_psnr_db": starts.get(row["mode"], (1, 1, 1))[row["triple"]]} for row in rows]
        assert pages.start_tells(rows).endswith("starts higher has the higher AUC in 2 of 3 pairs.")

    def test_halves_of_the_networks(self):
        rows = [
            {**row, "network": name, "auc_db": row["auc_db"] + gain * (row["mode"] == "after_same")}
            for name, gain in (("2x32", 9), ("3x32", 8), ("8x64", -9))
            for row in self.rows(after_same=(20.0, 21.5, 22.0), after_other=(20.0, 21.0, 22.0))
        ]
        told = pages.verdict(rows)
        assert "| | the smaller half (1) | the larger half (2) |" in told
        smaller, larger = (
            "higher in 1, lower in 0, +9.17 dB in the mean",
            "higher in 1, lower in 1, -0.33 dB in the mean",
        )
        assert f"| after same class - scratch | {smaller} | {larger} |" in told

    def test_pairs_that_are_missing_are_counted(self):
        rows = self.rows(after_same=(23.0, 24.5, None), after_other=(22.0, None, None))
        assert pages.interval(rows, "2x32", ("after_same", "scratch"), "auc_db", 1) == "+3.2 [0.1, 6.4] (2 of 3)"
        assert pages.interval(rows, "2x32", ("after_other", "scratch"), "auc_db", 1) == "+2.0 (1 of 3)"

    def test_networks_of_few_triples_are_not_told_of(self):
        rows = [
            {"network": name, "triple": triple} for name, count in (("2x32", 2), ("3x32", 3)) for triple in range(count)
        ]
        assert pages.told_of(rows) == rows[2:]

    def test_the_second_set_beside_the_first(self):
        first = self.rows(after_same=(23.0, 24.5, 25.0), after_other=(22.0, 21.0, 20.0))
        second = self.rows(after_same=(20.0, 21.0, 22.0), after_other=(20.0, 21.0, 22.0))
        told = pages.again_table([*first, {**first[0], "network": "3x32"}], second).splitlines()
        assert told[4:] == [
            "| 2x32 | first 3 | +3.17 [2.45, 3.88] | +0.00 [-4.97, 4.97] | -3.17 [-8.19, 1.85] |",
            "| 2x32 | second 3 | +0.00 [0.00, 0.00] | +0.00 [0.00, 0.00] | +0.00 [0.00, 0.00] |",
        ]

    def test_what_is_run_of_the_grid(self):
        rows = [{"network": str(network), "seconds": 1800.0, "device": "CPU"} for network in fits.GRID[:40]]
        told = pages.coverage(rows)
        assert told == "Run: 40 networks, 40 fits, 20.0 hours of CPU. Of the source's grid are not run: 8x512, 8x1024."
        assert pages.coverage([{**rows[0], "network": str(network)} for network in fits.GRID]).endswith("hours of CPU.")

    def test_rows_are_read_as_they_were_written(self, tmp_path):
        record = {
            "network": "2x32",
            "layers": 2,
            "width": 32,
            "num_parameters": 2307,
            "triple": 3,
            "seed": 3,
            "size": 32,
        }
        record |= {"device": "CPU, 2 cores", "tensorflow": "2.21.0", "case": "12345678", "images": ["a", "b"]}
        record |= {"seconds": 5.0, "recipe": {"steps": 20, "learning_rate": 1e-4}}
        record["recipe"] |= {"plateau_factor": 0.5, "plateau_patience": 500}
        roles = {"a": "cat/1", "b": "cat/2", "c": "dog/1"}
        record |= {"pictures": roles, "labels": {role: name[:3] for role, name in roles.items()}}
        fit = {"start_psnr_db": 9.0, "curve": [[10, 20.0], [20, 31.0]], "final_psnr_db": 32.0}
        record["fits"] = {**dict.fromkeys(fits.PLAN, fit), "after_other": {**fit, "final_psnr_db": None}}
        rows = pages.rows_of(record)
        pages.write_rows(tmp_path / "fits.csv", rows)
        again = pages.read_rows(tmp_path / "fits.csv")
        assert again == [{**dict.fromkeys(pages.COLUMNS), **row} for row in rows]
        assert [row["curve"] for row in again] == [fit["curve"], [], [], fit["curve"], fit["curve"]]
        assert again[3]["after"] == "cat/2"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with two classes."""
    folder = tmp_path_factory.mktemp("images")
    for label, name in (("cat", "chelsea"), ("cup", "coffee")):
        (folder / label).mkdir()
        for place in range(6):
            picture = load_image(f"sample:{name}", crop=(40 * place, 50, 32, 32), size=(8, 8))
            PIL.Image.fromarray(np.rint(picture.values * 255).astype("uint8")).save(folder / label / f"{place}.png")
    return folder


def start(folder, *flags):
    """A call of the study, with its output in the folder."""
    log = folder / "log"
    log.mkdir(exist_ok=True)
    return Call(f"--runs={folder}/runs", *flags, cwd=folder, log=log, script="experiments.prefit.study")


def kept(folder, network):
    return {path: path.stat().st_mtime_ns for path in (folder / "runs" / "quick" / network).glob("*.json")}


@pytest.mark.slow
def test_quick_killed_goes_on_and_reports(tmp_path, images):
    flags = ("--quick", f"--images={images}", "--triples=3", "--size=8", "--networks=1x8,1x9", "--steps=20")
    started = start(tmp_path, *flags)
    assert started.send(signal.SIGKILL, after="1x8: triples 0, 1, 2 in")[0] == -signal.SIGKILL
    first = kept(tmp_path, "1x8")
    assert (len(first), len(kept(tmp_path, "1x9"))) == (3, 0)
    code, out, error = start(tmp_path, *flags).wait()
    assert code == 0, error
    assert "1x9: triples 0, 1, 2 in" in error
    assert "1x8: triples" not in error
    assert kept(tmp_path, "1x8") == first
    assert out.count("| 1x8 |") == out.count("| 1x9 |") == 1
    assert "Run: 2 networks, 30 fits, " in out
    for path in first:
        for fit in json.loads(path.read_text())["fits"].values():
            # a round is one of 20 steps, so the first is of the weights before any; float32
            assert fit["curve"][0] == [1, pytest.approx(fit["start_psnr_db"], abs=1e-3)]
    results = tmp_path / "runs" / "quick" / "results"
    rows = list(csv.DictReader((results / "fits.csv").read_text().splitlines()))
    assert [row["mode"] for row in rows] == 6 * list(fits.PLAN)
    assert {row["after"] for row in rows if row["mode"] == "scratch"} == {""}
    assert all(float(row["final_psnr_db"]) > float(row["start_psnr_db"]) for row in rows if row["mode"] == "scratch")
    drawings = [results / "auc.png", *(results / "curves").iterdir()]
    assert {path.name for path in drawings} == {"auc.png", "1x8.png", "1x9.png"}
    assert all(1000 < path.stat().st_size < 60_000 for path in drawings)
    assert [path.name for path in tmp_path.iterdir() if path.name != "log"] == ["runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["quick"]
    again = start(tmp_path, *flags, "--part=report").wait()
    assert again == (0, out, "")
    shutil.rmtree(tmp_path / "runs" / "quick" / "1x8")  # fits.csv has them
    code, again, error = start(tmp_path, *flags).wait()
    assert (code, again, error) == (0, out, "")


@pytest.mark.slow
def test_a_report_needs_some_triples(tmp_path, images):
    flags = ("--quick", f"--images={images}", "--triples=1", "--size=8", "--networks=1x8", "--steps=20")
    code, out, error = start(tmp_path, *flags).wait()
    assert (code, out) == (2, "")
    assert error.endswith("prefit: a report needs 3 of the first 20 triples with one network at least\n")
    assert (tmp_path / "runs" / "quick" / "results" / "fits.csv").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--networks=2-32"], "networks must read LAYERSxWIDTH with commas between, .* received '2-32'"),
        (["--triples=9"], "images must be enough for 9 triples .* received 12 in 2 classes, which are enough for 4"),
        (["--learning_rate=0"], r"learning_rate must be in \(0, 1000\], received 0.0"),
        (["--part=report"], "no fits are kept in .*: give the same flags with --part=run first"),
    ],
)
def test_bad_input(tmp_path, images, flags, message):
    code, out, error = start(tmp_path, "--quick", f"--images={images}", "--triples=2", "--size=8", *flags).wait()
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"prefit: {message}\n", error)
    assert not (tmp_path / "runs").exists()
