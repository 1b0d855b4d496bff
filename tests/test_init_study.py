"""experiments/init_study: its table of experiments, what it measures, and a tiny run of it as a user starts it."""

import csv
import doctest
import json
import pathlib
import re
import shutil

import numpy as np
import PIL.Image
import pytest
from cli.fit_calls import Call
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from experiments.init_study import measures, report
from keras_inr.initializers import get_scheme, list_schemes
from keras_inr.models import Siren
from keras_inr.signals import load_image
from keras_inr.training import fit
from keras_inr.training.freezing import frozen_layers

STUDY = pathlib.Path(__file__).parent.parent / "experiments" / "init_study"
TABLE = json.loads((STUDY / "experiments.json").read_text())["experiments"]
NAMES = [entry["name"] for entry in TABLE]
TINY = ("--size=12", "--units=16,16", "--points=64", "--steps=40", "--looks=6", "--seeds=0,1")


@pytest.mark.parametrize("module", [measures, report])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


class TestTable:
    def test_the_name_of_an_experiment_that_is_no_initialisation_is_told(self):
        """With what it has instead."""
        settings = [entry for entry in TABLE if entry["name"].isdigit() and entry["scheme"] != f"init-{entry['name']}"]
        assert [int(entry["name"]) for entry in settings] == [24, 25, 26, 34, 35, 36, 37]
        for entry in settings:
            name = f"init-{entry['name']}"
            told = f"and {name} is a setting of an experiment and not an initialisation, which is {entry['scheme']}, "
            told += f"see experiments/init_study/experiments.json, received {name!r}"
            with pytest.raises(ValueError, match=f"^{re.escape(f'scheme must be an initialisation, {told}')}$"):
                get_scheme(name)

    def test_every_experiment_is_there_once(self):
        assert [*map(str, range(1, 39)), "frozen-1", "frozen-2"] == NAMES
        assert all(len(entry["said"]) > 10 for entry in TABLE)

    def test_initialisations_are_schemes_and_the_rest_is_settings(self):
        usual = {"omega_0": 30.0, "weight_decay": 0.01, "picture": "image", "freeze": None}
        unusual = {
            "24": {"scheme": "init-23", "picture": "other"},
            "25": {"scheme": "init-17", "picture": "other"},
            "26": {"scheme": "init-23", "weight_decay": 0.0},
            "34": {"scheme": "init-33", "picture": "other"},
            "35": {"scheme": "init-33", "omega_0": 10.0},
            "36": {"scheme": "init-33", "omega_0": 50.0},
            "37": {"scheme": "init-33", "omega_0": 40.0},
            "38": {"omega_0": 40.0},
            "frozen-1": {"scheme": "init-33", "freeze": "sine_0"},
            "frozen-2": {"scheme": "init-33", "freeze": "sine_0,sine_1"},
        }
        for entry in TABLE:
            name = entry["name"]
            expected = {"name": name, "scheme": f"init-{name}", **usual, **unusual.get(name, {})}
            assert {key: value for key, value in entry.items() if key != "said"} == expected
        there_are = {name for name in list_schemes() if name.startswith("init-")}
        assert {entry["scheme"] for entry in TABLE} == there_are

    def test_frozen_layers_are_those_of_the_network(self):
        field = Siren(units=(4,) * 5)
        found = {entry["name"]: [layer.name for layer in frozen_layers(field, entry["freeze"])] for entry in TABLE[-2:]}
        assert found == {"frozen-1": ["sine_0"], "frozen-2": ["sine_0", "sine_1"]}


class TestMeasures:
    def test_levels_in_db(self):
        """As known of the source: an MSE of 0.08, 0.02 and 8e-4 in its units is 23.9, 29.9 and 43.9 dB."""
        assert [round(measures.level_db(level), 1) for level in measures.LEVELS] == [23.9, 29.9, 43.9]

    def test_normalised_mse(self):
        error = np.array([0.229, 0.448, 0.0])  # one, two and no standard deviations
        assert measures.normalised_mse(np.zeros((2, 2, 3)), np.broadcast_to(error, (2, 2, 3))) == pytest.approx(5 / 3)

    @pytest.mark.parametrize(("steps", "looks"), [(3000, 120), (40, 6), (20, 2), (5, 3)])
    def test_looks_end_with_the_run(self, steps, looks):
        chosen = measures.look_steps(steps, looks)
        assert (chosen[0], chosen[-1]) == (min(10, steps), steps)
        assert chosen == sorted(set(chosen))
        assert len(chosen) <= looks

    def test_looks_see_the_picture_after_their_steps(self):
        signal = load_image("sample:chelsea", size=(12, 12))
        settings = {"steps": 30, "batch_size": 64, "learning_rate": 0.02, "schedule": "constant", "progress": False}
        looks = measures.Looks(signal, [1, 7, 30])
        result = fit(Siren(units=(16, 16), seed=0), signal, callbacks=[looks], **settings)
        assert [row["step"] for row in looks.rows] == [1, 7, 30]
        assert looks.rows[-1]["psnr_db"] == result.psnr_db
        expected = measures.normalised_mse(signal.values, result.prediction)
        assert looks.rows[-1]["mse"] == expected
        early = fit(Siren(units=(16, 16), seed=0), signal, **{**settings, "steps": 7})
        assert looks.rows[1]["psnr_db"] == early.psnr_db

    def test_levels_and_pictures_are_those_of_the_first_look_that_is_good_enough(self):
        signal = load_image(np.full((4, 4, 3), 0.5, "float32"))
        looks = measures.Looks(signal, [])

        class Off:
            """A field that is off by a number of standard deviations on pixels, and by another between them."""

            def sample_grid(self, height, width):
                return np.broadcast_to(0.5 + self.on * measures.STD, (height, width, 3)).astype("float32")

            def __call__(self, coords):
                return np.broadcast_to(0.5 + self.between * measures.STD, (len(coords), 3)).astype("float32")

        field = Off()
        looks.set_model(field)
        errors = [(0.5, 0.5), (0.5, 0.1), (0.2, 0.3), (0.1, 0.02), (0.0, 0.0)]
        for looks.step, (field.on, field.between) in zip((10, 20, 30, 40, 50), errors, strict=True):
            looks.look()
        assert looks.reached == [20, 20, 40]
        assert looks.reached_on_pixels == [30, 40, 50]
        for level, off in ((0, 0.5), (2, 0.1)):
            expected = np.rint(255 * (0.5 + off * measures.STD))
            np.testing.assert_array_equal(looks.pictures[level], np.broadcast_to(expected, (4, 4, 3)))
        # float32 of values of about 0.5, in units of 0.22
        np.testing.assert_allclose([row["mse"] for row in looks.rows], [0.25, 0.25, 0.04, 0.01, 0], atol=1e-6)
        between = [row["between_mse"] for row in looks.rows]
        np.testing.assert_allclose(between, [0.25, 0.01, 0.09, 0.0004, 0], atol=1e-6)

    def test_between_pixels_the_reference_is_bilinear(self):
        """A ramp from 0 to 1 over the pixel centres is linear between them and flat in the outer half pixels."""
        ramp = np.broadcast_to(np.linspace(0, 1, 9, dtype="float32")[None, :, None], (9, 9, 3))
        coords, targets = measures.between_points(load_image(np.ascontiguousarray(ramp)))
        assert len(coords) == 16384
        expected = np.clip(0.5 + coords[:, :1].astype("float64") * 9 / 16, 0, 1)
        # float32 of coordinates and of differences of neighbours
        np.testing.assert_allclose(targets, np.broadcast_to(expected, targets.shape), atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


def study(folder, *flags):
    """(exit code, standard output, standard error)."""
    log = folder / "log"
    log.mkdir(exist_ok=True)
    places = (f"--runs={folder}/runs", f"--results={folder}/results")
    return Call(*TINY, *places, *flags, cwd=folder, log=log, script="experiments.init_study.study").wait()


@pytest.fixture(scope="module")
def first(folder):
    shutil.copy(STUDY / "README.md", folder)
    code, out, error = study(folder, "--experiments=1,24,33,frozen-2", "--rate=0.02", "--image=sample:chelsea")
    assert code == 0, error
    return out


def records(folder, experiment):
    paths = sorted((folder / "runs" / "fits").glob(f"{experiment}-?-*.json"))
    return [json.loads(path.read_text()) for path in paths]


def read_csv(path):
    with path.open() as file:
        return list(csv.DictReader(file))


class TestReport:
    def test_times_sooner(self):
        """By hand: two seeds, the second of which never gets as low as experiment 1 does."""

        def record(experiment, seed, steps, errors):
            looks = [{"step": 10 * (i + 1), "between_mse": error} for i, error in enumerate(errors)]
            return {"experiment": experiment, "seed": seed, "image_sha256": "a", "steps_to_0.02": steps, "looks": looks}

        ones = [record("1", 0, 40, [0.5, 0.2, 0.105, 0.1]), record("1", 1, None, [0.5, 0.4, None, None])]
        own = [record("33", 0, 20, [0.11, 0.05]), record("33", 1, 10, [0.6, 0.45, 0.6])]
        records = [*ones, *own]
        assert report.times_sooner(records, own, "steps_to_0.02") == [2.0, None]
        assert report.steps_and_factor(records, own, 0.02) == "15 ± 7 / 2.00 (1 of 2)"
        assert report.times_sooner_to_lowest(records, own) == [3.0, None]
        assert report.times_sooner_to_lowest(records, ones) == [1.0, 1.0]
        assert report.times_sooner_to_lowest(own, own) == [None, None]
        elsewhere = {**own[0], "image_sha256": "b"}
        assert report.times_sooner_to_lowest(records, [elsewhere]) == [None]
        assert report.times_sooner(records, [elsewhere], "steps_to_0.02") == [None]
        nothing = record("1", 0, None, [None])
        assert report.times_sooner_to_lowest([nothing], own[:1]) == [None]

    @pytest.mark.parametrize("path", sorted((STUDY / "results").rglob("*-curves.csv")), ids=lambda path: path.stem)
    def test_published_tables_are_those_of_the_data(self, path):
        looks = {}
        for row in read_csv(path):
            look = {name: number(text) for name, text in row.items()}
            looks.setdefault((row["experiment"], row["seed"]), []).append(look)
        records = [
            {name: number(text) for name, text in row.items()}
            | {"experiment": row["experiment"], "units": json.loads(row["units"])}
            | {"looks": looks[row["experiment"], row["seed"]]}
            for row in read_csv(path.with_name(path.name.replace("-curves", "")))
        ]
        text = report.table(records, {entry["name"]: entry for entry in TABLE})
        assert text in path.with_name(path.name.replace("-curves.csv", ".md")).read_text()
        assert (text in (STUDY / "README.md").read_text()) == (path.parent.name == "results")


def number(text):
    """A cell as what it was: a number, text, or None where it is empty."""
    try:
        return None if text == "" else int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except ValueError:
        return text


@pytest.mark.slow
class TestRun:
    def test_table_and_data(self, first, folder):
        rows = read_csv(folder / "results" / "chelsea-0.02.csv")
        assert [(row["experiment"], row["seed"]) for row in rows] == [
            (name, seed) for name in ("1", "24", "33", "frozen-2") for seed in "01"
        ]
        for name in ("1", "33"):
            values = [float(row["psnr_db"]) for row in rows if row["experiment"] == name]
            mean, deviation = np.mean(values), np.std(values, ddof=1)
            line = next(line for line in first.splitlines() if line.startswith(f"| {name} |"))
            assert f"| {mean:.2f} ± {deviation:.2f} |" in line
        assert "| 24 (init-23) |" in first
        assert "| frozen-2 (init-33, sine_0,sine_1) |" in first
        curves = read_csv(folder / "results" / "chelsea-0.02-curves.csv")
        assert [int(row["step"]) for row in curves[:6]] == measures.look_steps(40, 6)
        assert {(row["image_sha256"]) for row in rows if row["experiment"] == "24"} == {
            load_image("sample:coffee").sha256
        }

    def test_figures_and_page(self, first, folder):
        results = folder / "results"
        assert all((results / f"chelsea-0.02-{what}").stat().st_size > 1000 for what in ("curves.png", "pictures.jpg"))
        page = (folder / "README.md").read_text()
        assert first.strip() in page
        linked = re.findall(r"!\[\w+\]\((.*)\)", page)
        assert len(linked) == 2
        assert all((folder / name).exists() for name in linked)

    def test_a_fit_is_the_one_that_its_settings_describe(self, first, folder):
        record = records(folder, "frozen-2")[0]
        signal = load_image("sample:chelsea", size=(12, 12))
        field = Siren((16, 16), "init-33", 30.0, (-2.0, 2.44), seed=record["seed"])
        settings = {"sampling": "continuous", "optimizer": "adamw", "weight_decay": 0.01, "schedule": "constant"}
        settings |= {"steps": 40, "batch_size": 64, "learning_rate": 0.02, "freeze": "sine_0,sine_1", "progress": False}
        result = fit(field, signal, **settings)
        assert record["psnr_db"] == result.psnr_db
        coords, targets = measures.between_points(signal)
        error = np.mean((targets.astype("float64") - np.clip(field(coords).numpy().astype("float64"), 0, 1)) ** 2)
        # float64 sums in another order
        assert record["between_db"] == pytest.approx(-10 * np.log10(error), rel=1e-9)

    def test_hparams(self, first, folder):
        trials = sorted((folder / "runs" / "tensorboard").glob("33-0-*"))
        assert len(trials) == 1
        events = EventAccumulator(str(trials[0])).Reload()
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        assert started.hparams["scheme"].string_value == "init-33"
        assert started.hparams["learning_rate"].number_value == 0.02
        record = records(folder, "33")[0]
        steps = [event.step for event in events.Tensors("looks/psnr_db")]
        assert steps == measures.look_steps(40, 6)
        drawn = {tag: len(events.Tensors(tag)) for tag in events.Tags()["tensors"] if tag.endswith(("kernel", "bias"))}
        assert len(drawn) == 6  # two sine layers and the head
        assert set(drawn.values()) == {len(steps)}
        final = events.Tensors("psnr_db")[0]
        assert np.ndarray((), "<f4", final.tensor_proto.tensor_content) == pytest.approx(record["psnr_db"], rel=1e-6)
        columns = EventAccumulator(str(trials[0].parent)).Reload().summary_metadata["_hparams_/experiment"]
        told = plugin_data_pb2.HParamsPluginData.FromString(columns.plugin_data.content).experiment
        assert "psnr_db" in [metric.name.tag for metric in told.metric_infos]

    def test_again_nothing_is_fitted(self, first, folder):
        before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")}
        flags = ("--experiments=33", "--image=sample:chelsea", "--name=part", "--part=report")
        code, _, error = study(folder, *flags, "--rate=0.02")
        assert (code, error) == (0, "")
        assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")} == before
        assert (folder / "results" / "part-0.02.md").exists()
        code, _, error = study(folder, *flags, "--rate=0.03")
        assert code == 2
        assert re.search(r"33-0-\w+\.json is missing: give the same flags with --part=run first$", error)


@pytest.mark.slow
def test_a_rate_for_each(tmp_path):
    """The sweep takes the best of its rates for an experiment, the range test one of its own."""
    flags = ("--experiments=1", "--image=sample:chelsea", "--seeds=3")
    code, swept, error = study(tmp_path, *flags, "--rate=sweep")
    assert code == 0, error
    reached = {record["learning_rate"]: record["between_db"] for record in records(tmp_path, "1")}
    assert len(reached) == 5
    best = max(reached, key=reached.get)
    assert f"| 1 | {best:g} |" in swept
    code, found, error = study(tmp_path, *flags, "--rate=auto")
    assert code == 0, error
    kept = json.loads(next((tmp_path / "runs" / "rates").glob("*.json")).read_text())
    assert len(kept["rates_and_losses"]) == 100
    assert f"| 1 | {kept['learning_rate']:g} |" in found


@pytest.mark.slow
def test_fits_end_at_the_level(tmp_path):
    """A grey picture is learnt to it at once; each seed at a look of its own."""
    PIL.Image.new("RGB", (12, 12), (128, 128, 128)).save(tmp_path / "grey.png")
    flags = ("--experiments=33", "--image=grey.png", "--steps=2000", "--looks=60", "--rate=0.001", "--until_level")
    code, out, error = study(tmp_path, *flags)
    assert code == 0, error
    found = records(tmp_path, "33")
    assert len(found) == 2
    for record in found:
        assert record["steps_to_0.0008"] == record["looks"][-1]["step"]
        # the step after a look is the first that can be left out
        assert record["steps_to_0.0008"] <= record["steps"] < 2000
    assert f"{report.length(found)} steps of 64 continuous points" in out
    assert "not reached" not in out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--experiments=33,39"], "experiments must be all or some of 1, 2, .*, frozen-2, received '39'"),
        (["--rate=best"], r"rate must be a number in \(0, 1000\], sweep or auto, received 'best'"),
        (["--rate=-1"], r"rate must be a number in \(0, 1000\], sweep or auto, received '-1'"),
        (["--seeds=0,x"], "seeds must be whole numbers with commas between them, received '0,x'"),
        (["--units="], "units must be whole numbers from 1 with commas between them, received ''"),
        (["--units=8,0"], "units must be whole numbers from 1 with commas between them, received '8,0'"),
        (["--image=sample:camera"], "image must be in colour for the source's levels, received 'sample:camera'"),
        (["--image=missing.png"], "source 'missing.png' does not exist"),
    ],
)
def test_bad_input(tmp_path, flags, told):
    code, out, error = study(tmp_path, *flags)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"init_study: {told}\n", error)
    assert not (tmp_path / "results").exists()
