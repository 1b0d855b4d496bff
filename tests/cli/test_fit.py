"""scripts/fit.py as people call it: output, exit codes, folders, signals."""

import json
import pathlib
import re
import signal

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_runs import names, read_strict, weights_sha

from cli.fit_calls import SCRIPT, TINY, Call, call
from keras_inr.presets import list_presets

PROGRESS = re.compile(r"step \d+/\d+: loss \d\.\d{3}e[+-]\d\d, PSNR -?\d+\.\d\d dB, about \d+ s left")
TINY_HASH = ("--image=sample:chelsea", "--crop=100,150,24,32", "--preset=multi_hash", "--num_levels=2", "--units=8")


@pytest.fixture
def cwd(tmp_path):
    """A working folder that the calls' output does not go to."""
    (tmp_path / "cwd").mkdir()
    return tmp_path / "cwd"


@pytest.fixture
def fit(cwd, tmp_path):
    """Calls the script in `cwd`: (exit code, standard output, standard error)."""
    return lambda *flags, **options: Call(*flags, cwd=cwd, log=tmp_path, **options).wait()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(working folder, summary) of a finished run in "run"."""
    cwd = tmp_path_factory.mktemp("finished")
    code, summary, error = Call(*TINY, "--out=run", cwd=cwd, log=tmp_path_factory.mktemp("log")).wait()
    assert code == 0, error
    return cwd, summary


def make_picture(path, width=16, height=12):
    """A picture file of random pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def assert_summary(text, folder, steps):
    lines = text.splitlines()
    assert len(lines) == 5
    metrics = read_strict(folder / "metrics.json")
    run = f"runs/{folder.name}" if folder.parent.name == "runs" else str(folder)
    assert lines[0] == f"siren (123 parameters) on {metrics['image']} (12 x 16, channels: 3)"
    assert pathlib.Path(metrics["image"]).name == "my picture.png"
    assert lines[1].startswith(f"PSNR {metrics['psnr_db']:.2f} dB over all pixels (rounded to 8 bits: ")
    assert lines[2].startswith(f"{steps} steps of 64 points in {metrics['train_seconds']:.1f} s")
    assert lines[3] == f"pictures: {run}/comparison.png, {run}/reconstruction.png, {run}/curves.png"
    assert f"{run}/model.keras" in lines[4]


class TestFromTheShell:
    """The calls that pay for starting Python and TensorFlow."""

    def test_twice_in_a_row(self, cwd):
        """The second repeats the first from its flags.cfg, in the next folder."""
        make_picture(cwd / "my picture.png")
        flags = ["--image=my picture.png", "--units=8,8", "--batch_size=64", "--epochs=10", "--preview_every=10"]
        first = call(*flags, "--device=cpu", cwd=cwd)
        assert first.returncode == 0, first.stderr
        progress = first.stderr.splitlines()
        assert len(progress) == 10
        assert all(PROGRESS.fullmatch(line) for line in progress), first.stderr  # and nothing else
        assert_summary(first.stdout, cwd / "runs" / "0001", steps=30)

        second = call("--flagfile=runs/0001/flags.cfg", "--noprogress", cwd=cwd)
        assert (second.returncode, second.stderr) == (0, "")
        assert_summary(second.stdout, cwd / "runs" / "0002", steps=30)
        texts = [(cwd / "runs" / number / "flags.cfg").read_text() for number in ("0001", "0002")]
        assert texts[0] == texts[1]
        assert weights_sha(cwd / "runs" / "0001") == weights_sha(cwd / "runs" / "0002")
        assert names(cwd / "runs" / "0002" / "previews") == [f"step-00000{step}.png" for step in (10, 20, 30)]

    def test_a_picture_that_is_missing(self, cwd):
        done = call("--image=missing.png", cwd=cwd)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "fit.py: source 'missing.png' does not exist\n"
        assert names(cwd) == []


class TestBadInput:
    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (["--image=notes.txt"], "notes.txt: source is not a PNG, JPEG, WebP, TIFF, BMP or GIF picture"),
            (["--image=torn.png"], "torn.png: source is a PNG file that is truncated: "),
            (["--image="], "image must be a path, sample:NAME or tfds:NAME/SPLIT#INDEX, received ''"),
            (["--image=."], "source '.' must be a picture file but is a directory"),
            (["--image=sample:dog"], "source 'sample:dog' is unknown; the samples are "),
            (
                ["--image=tfds:mnist/train#0", "--data_dir=none"],
                "data set 'mnist/3.0.1' is not prepared and nothing is ",
            ),
            (["--max_pixels=1000"], "max_pixels"),
            (["--size=big"], "size must be whole numbers as N or NxN, received 'big'"),
            (["--size=--5"], "size must be whole numbers as N or NxN, received '--5'"),
            (["--size=0x10"], "size must be (height, width) or one integer"),
            (["--crop=1,2,3"], "crop must be whole numbers as N,N,N,N, received '1,2,3'"),
            (["--crop=0,0,1000,1000"], "crop"),
            (["--scheme=best"], "scheme must be one of ['paper', "),
            (["--units=wide"], "units must be whole numbers with commas between them, such as 64,64, received 'wide'"),
            (["--num_levels=4"], "preset 'siren' takes units, "),
            (
                ["--value_range=2.5"],
                "value_range must be two numbers with a comma between them, such as -1,1, received ",
            ),
            (["--units=3000000000"], "units must be at most 2147483647, received 3000000000"),
            (["--omega_0=-1"], "omega_0 must be in (0, 1e+06], received -1.0"),
            (["--preset=gauss", "--scale=1e30"], "scale must be in (0, 1e+06], received 1e+30"),
            (["--preset=bacon", "--resolution=0"], "resolution must be a positive integer, received 0"),
            (["--scheme=init-24"], "scheme must be an initialisation, and init-24 is a setting of an experiment and "),
            (["--freeze="], "freeze must be names of layers with commas between them, or None, received ''"),
            (["--learning_rate=-1"], "learning_rate must be in (0, 1000], received -1.0"),
            (["--learning_rate=auto", "--epochs=nan"], "epochs must be in (0, 1000000000], received nan"),
            (["--learning_rate=auto", "--out=full"], "full is not empty and holds no run; give another folder"),
            (
                ["--freeze=sine_9"],
                "freeze must name some of the layers sine_0, sine_1, sine_2, sine_3, head, received ",
            ),
            (
                ["--freeze=*"],
                "freeze must leave one of the layers sine_0, sine_1, sine_2, sine_3, head to be trained, ",
            ),
            (["--epochs=nan"], "epochs must be in (0, 1000000000], received nan"),
            (
                ["--optimizer=adam", "--weight_decay=0.1"],
                "optimizer 'adam' takes no weight_decay, received 0.1: use 'adamw'",
            ),
            (["--goal_psnr_db=-3"], "goal_psnr_db must be positive, received -3.0"),
            (["--out=full"], "full is not empty and holds no run; give another folder"),
            (["--out=full", "--overwrite"], "full is not empty and holds no run; give another folder"),
            (
                ["--out=g[1]"],
                "out must be a path without [ and \\, which TensorFlow takes for patterns, received 'g[1]'",
            ),
            (["--out=\udcff"], "out must be a path that is text, received '\\udcff'"),
            (
                ["--out=/proc/run", "--dry_run"],
                "out must be a folder that can be written: '/proc/run' cannot be made in ",
            ),
            (
                ["--image=a.png "],
                "image must have no line breaks, spaces at its end, or bytes that are no text, which ",
            ),
            (["--flagfile=torn.png"], "flagfile must be a text file with a flag on each line, received torn.png"),
            (
                ["--out=damaged", "--resume"],
                "damaged/flags.cfg is damaged (its last line is cut short); remove it and ",
            ),
            (["--out=notes.txt"], "out must be a folder, received the file notes.txt"),
            (["--out=notes.txt/run"], "out must be a folder that can be written: "),
            (["--resume"], "resume needs out, the folder of the run to go on with"),
            (["--out=new", "--resume", "--overwrite"], "give one of resume and overwrite, received both"),
            (["my.jpg"], "arguments must be flags such as --image=my.jpg, received 'my.jpg'"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_one_line_and_nothing_written(self, cwd, fit, flags, reason):
        (cwd / "full").mkdir()
        (cwd / "full" / "thesis.tex").touch()
        (cwd / "notes.txt").write_text("not a picture")
        make_picture(cwd / "torn.png")
        make_picture(cwd / "a.png")
        (cwd / "a.png").rename(cwd / "a.png ")
        (cwd / "damaged").mkdir()
        (cwd / "damaged" / "flags.cfg").write_text("--ste")
        (cwd / "torn.png").write_bytes((cwd / "torn.png").read_bytes()[:200])
        before = names(cwd)
        code, out, error = fit(*flags)
        assert (code, out) == (2, "")
        assert error.startswith(f"fit.py: {reason}") or (reason in error and len(reason) < 20), error
        assert error.count("\n") == 1
        assert names(cwd) == before

    @pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
    def test_a_gpu_where_there_is_none(self, cwd, fit):
        code, _, error = fit("--device=gpu")
        assert (code, names(cwd)) == (2, [])
        assert error == "fit.py: device must be cpu or auto where TensorFlow sees no GPU, received 'gpu'\n"

    def test_several_devices_where_there_is_one(self, cwd, fit):
        code, _, error = fit("--device=cpu", "--strategy=mirrored")
        assert (code, names(cwd)) == (2, [])
        told = "strategy must be 'none' where TensorFlow sees one device (CPU), received 'mirrored'"
        assert error == f"fit.py: {told}\n"

    @pytest.mark.parametrize(
        "flag",
        [
            *("--steps=many", "--steps=0", "--preset=sirens", "--stepz=3", "--flagfile=missing.cfg", "--alpha=black"),
            *("--learning_rate=best", "--table_learning_rate=auto"),
        ],
    )
    def test_flags_that_absl_refuses(self, cwd, fit, flag):
        code, _, error = fit(flag)
        assert (code, names(cwd)) == (1, [])
        assert flag.split("=")[0].strip("-") in error
        assert "Traceback" not in error


def dry_run(fit, *flags):
    """The run's identity that --dry_run prints."""
    code, out, error = fit(*flags, "--dry_run")
    assert (code, error) == (0, "")
    return json.loads(out)


class TestFlags:
    @pytest.mark.parametrize(
        ("flags", "steps", "epochs"),
        [
            ([], 2000, None),
            (["--steps=5", "--epochs=2.5"], None, 2.5),
            (["--epochs=2.5", "--steps=5"], 5, None),
            (["--flagfile=epochs.cfg", "--steps=5"], 5, None),
            (["--steps=5", "--flagfile=epochs.cfg"], None, 7.0),
            (["--steps=5", "--flagfile=epochs.cfg", "--steps=6"], 6, None),
        ],
    )
    def test_of_steps_and_epochs_the_last_one_wins(self, cwd, fit, flags, steps, epochs):
        (cwd / "epochs.cfg").write_text("--epochs=7\n")
        told = dry_run(fit, "--image=sample:camera", "--size=16", *flags)
        assert (told["steps"], told["epochs"]) == (steps, epochs)
        assert names(cwd) == ["epochs.cfg"]

    def test_everything_arrives(self, fit):
        told = dry_run(
            fit,
            *("--image=sample:chelsea", "--crop=0,0,40,30", "--size=20x15", "--grayscale", "--preset=multi_hash"),
            *(
                "--num_levels=3",
                "--units=8,4",
                "--interpolation=smoothstep",
                "--sampling=shuffled",
                "--optimizer=adamw",
            ),
            *("--weight_decay=0.5", "--table_learning_rate=0.25", "--schedule=plateau", "--seed=7", "--max_seconds=9"),
            *("--precision=float64", "--goal_psnr_db=40", "--clip_norm=2"),
        )
        assert told["image_options"] == {"crop": [0, 0, 40, 30], "size": [20, 15], "grayscale": True}
        assert told["arguments"] == {"num_levels": 3, "units": [8, 4], "interpolation": "smoothstep"}
        expected = {"preset": "multi_hash", "sampling": "shuffled", "optimizer": "adamw", "weight_decay": 0.5}
        expected |= {"table_learning_rate": 0.25, "schedule": "plateau", "seed": 7, "max_seconds": 9.0}
        expected |= {"precision": "float64", "goal_psnr_db": 40.0, "clip_norm": 2.0}
        assert {name: told[name] for name in expected} == expected

    def test_a_dry_run_checks_the_folder_too(self, cwd, fit):
        (cwd / "full").mkdir()
        (cwd / "full" / "thesis.tex").touch()
        code, out, error = fit("--out=full", "--dry_run")
        assert (code, out) == (2, "")
        assert error == "fit.py: full is not empty and holds no run; give another folder\n"

    def test_list_presets(self, cwd, fit):
        code, out, error = fit("--list_presets")
        assert (code, error, names(cwd)) == (0, "", [])
        *lines, empty, about = out.splitlines()
        assert (empty, about[:4]) == ("", "dB: ")
        for line, info in zip(lines, list_presets(), strict=True):
            assert line.split()[:3] == [info.name, f"{info.num_parameters:,}", "parameters"]
            figures = f"{info.psnr_db:.1f} dB by {info.optimizer} at {info.learning_rate:g}"
            assert ("not measured" if info.psnr_db is None else figures) in line

    def test_help_has_a_text_for_every_flag(self, fit):
        code, out, _ = fit("--helpfull")
        assert code == 0
        texts = dict(re.findall(r"^  --(?:\[no\])?(\w+)\s+(.*(?:\n    .*)*)", out, flags=re.MULTILINE))
        given = {"image", "crop", "preset", "scheme", "omega_0", "steps", "epochs", "out", "resume", "beta_2", "device"}
        assert given <= set(texts)
        assert not [name for name, text in texts.items() if len(text) < 9]


class TestMask:
    @pytest.mark.slow
    def test_is_told_kept_and_gone_on_with(self, cwd, fit):
        make_picture(cwd / "cat.png")
        pixels = np.full((12, 16), 255, np.uint8)
        pixels[3:6, 4:9] = 0
        Image.fromarray(pixels).save(cwd / "holes.png")
        flags = ("--image=cat.png", "--mask=holes.png", "--units=8,8", "--batch_size=64", "--noprogress")
        code, summary, error = fit(*flags, "--steps=5", "--notensorboard", "--out=run")
        assert (code, error) == (0, "")
        metrics = read_strict(cwd / "run" / "metrics.json")
        told = rf"PSNR {metrics['psnr_db']:.2f} dB over all pixels that count \(rounded to 8 bits: .* dB\)"
        told += rf"; {metrics['psnr_masked_db']:.2f} dB on the 15 masked pixels, against what the file has there"
        assert re.fullmatch(told, summary.splitlines()[1])
        assert f"--mask={cwd / 'holes.png'}\n" in (cwd / "run" / "flags.cfg").read_text()
        assert fit("--resume", "--out=run")[:2] == (0, summary)
        Image.fromarray(pixels.T.reshape(12, 16)).save(cwd / "other.png")
        code, _, error = fit("--resume", "--out=run", "--mask=other.png")
        assert code == 2
        assert "run holds a run with other settings: mask_sha256 was '" in error

    def test_other_commands_know_none(self, cwd, tmp_path):
        done = Call("--mask=holes.png", cwd=cwd, log=tmp_path, script=SCRIPT.with_name("fit_many.py")).wait()
        assert done[0] == 1
        assert "Unknown command line flag 'mask'" in done[2]

    @pytest.mark.parametrize(
        ("mask", "message"),
        [
            ("nowhere.png", "mask cannot be read: source 'nowhere.png' does not exist"),
            (
                "sample:camera",
                "mask must be as large as the picture before crop and size, (height, width) = (300",
            ),
        ],
    )
    def test_one_that_does_not_fit_is_refused(self, cwd, fit, mask, message):
        code, out, error = fit("--image=sample:chelsea", f"--mask={mask}")
        assert (code, out, names(cwd)) == (2, "", [])
        assert error.startswith(f"fit.py: {message}")
        assert error.count("\n") == 1


class TestFoundRate:
    @pytest.mark.slow
    def test_is_told_kept_as_a_number_and_taken_again_by_resume(self, cwd, fit):
        flags = (*TINY, "--noprogress", "--notensorboard", "--learning_rate=auto", "--freeze=sine_0", "--out=run")
        code, summary, error = fit(*flags)
        assert code == 0, error
        told = re.fullmatch(r"fit\.py: --learning_rate=auto is (\S+) in this run\n", error)
        rate = float(told[1])
        assert 1e-6 < rate < 1e-2
        assert f"--learning_rate={rate!r}\n" in (cwd / "run" / "flags.cfg").read_text()
        assert read_strict(cwd / "run" / "run.json")["identity"]["learning_rate"] == rate
        metrics = read_strict(cwd / "run" / "metrics.json")
        assert (metrics["recipe"]["learning_rate"], metrics["recipe"]["freeze"]) == (rate, "sine_0")
        for again in (("--resume", "--out=run"), (*flags, "--resume")):
            assert fit(*again)[:2] == (0, summary)
        code, _, error = fit("--flagfile=run/flags.cfg", "--out=same", "--noprogress")
        assert code == 0
        told_rate = r"(warning: learning_rate=.* is far from .*\n)?"  # a number is anyone's choice
        assert re.fullmatch(told_rate, error)
        assert weights_sha(cwd / "same") == weights_sha(cwd / "run")

    def test_a_dry_run_shows_the_number(self, cwd, fit):
        code, out, error = fit(*TINY, "--learning_rate=auto", "--dry_run")
        assert code == 0
        assert f"is {json.loads(out)['learning_rate']:g} in this run" in error
        assert names(cwd) == []


class TestEnds:
    def test_diverged(self, cwd, fit):
        code, out, error = fit(*TINY, "--optimizer=sgd", "--learning_rate=1000", "--out=run")
        assert (code, out) == (3, "")
        last = error.splitlines()[-1]
        assert re.fullmatch(r"fit.py: the loss became (nan|inf) at step \d+: .* too high for this network; .*", last)
        assert "Traceback" not in error
        assert "metrics.json" not in names(cwd / "run")

    def test_finished_and_resumed(self, finished, tmp_path):
        cwd, summary = finished
        flags = (*TINY, "--out=run")
        before = {name: (cwd / name).stat().st_mtime_ns for name in names(cwd)}
        assert Call(*flags, "--resume", cwd=cwd, log=tmp_path).wait() == (0, summary, "")
        code, out, error = Call(*flags, "--resume", "--steps=21", "--seed=1", cwd=cwd, log=tmp_path).wait()
        assert (code, out) == (2, "")
        assert error == "fit.py: run holds a run with other settings: seed was 0 and is 1; steps was 20 and is 21\n"
        code, out, error = Call(*flags, cwd=cwd, log=tmp_path).wait()
        assert (code, out) == (2, "")
        assert error.startswith("fit.py: run holds a run already; add --resume or --overwrite, or give another folder")
        assert {name: (cwd / name).stat().st_mtime_ns for name in names(cwd)} == before

    @pytest.mark.slow
    def test_resumed_in_an_absent_folder_it_starts_and_says_so(self, cwd, tmp_path):
        (cwd / "go on.cfg").write_text("--out=nonex\n--resume\n")
        flags = (*TINY, "--noprogress", "--notensorboard", "--schedule=constant", "--flagfile=go on.cfg")
        code, _, error = Call(*flags, cwd=cwd, log=tmp_path).wait()
        assert (code, error) == (0, "fit.py: nonex holds no run yet: starting one\n")
        code, longer, error = Call("--flagfile=go on.cfg", "--steps=30", cwd=cwd, log=tmp_path).wait()
        assert code == 0, error
        assert "holds no run" not in error
        assert "\n30 steps of 64 points" in longer
        assert Call("-resume", "--out=nonex", cwd=cwd, log=tmp_path).wait() == (0, longer, "")

    @pytest.mark.slow
    def test_an_exact_picture(self, cwd, fit):
        """Without a length, so that the flagfile must tell the default one."""
        Image.new("RGB", (5, 4), "white").save(cwd / "white.png")
        flags = ("--image=white.png", "--value_range=-9,-8", "--units=4", "--goal_psnr_db=40", "--noprogress")
        code, out, error = fit(*flags, "--out=run")
        assert (code, error) == (0, "")
        assert out.splitlines()[1] == "PSNR exact over all pixels (rounded to 8 bits: exact)"
        assert read_strict(cwd / "run" / "metrics.json")["stopped_by"] == "psnr"
        assert "--steps=2000\n" in (cwd / "run" / "flags.cfg").read_text()

    @pytest.mark.slow
    def test_a_disk_that_is_full_when_results_are_written(self, finished, tmp_path):
        """The checkpoint still fits; the pictures do not. What was there before is as it was."""
        cwd, _ = finished
        before = {name: (cwd / name).read_bytes() for name in names(cwd)}
        flags = (*TINY, "--out=other", "--noprogress")
        code, out, error = Call(*flags, "--notensorboard", cwd=cwd, log=tmp_path, max_file_size=20_000).wait()
        assert (code, out) == (1, "")
        assert re.fullmatch(r"fit.py: the system refused: other/.* must not become so large here .*\n", error)
        assert {name: (cwd / name).read_bytes() for name in before} == before
        kept = names(cwd / "other")
        assert "checkpoints/step-0000000020.npz" in kept
        assert not [name for name in kept if name == "metrics.json" or "tmp" in name]
        code, _, error = Call(*flags, "--resume", cwd=cwd, log=tmp_path).wait()
        assert (code, error) == (0, "")
        assert weights_sha(cwd / "other") == weights_sha(cwd / "run")


class TestStopped:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("flags", "signals"),
        [
            ((*TINY, "--steps=1500"), (signal.SIGINT, signal.SIGKILL)),
            ((*TINY_HASH, "--batch_size=64", "--steps=1600", "--table_learning_rate=0.02"), (signal.SIGTERM,)),
        ],
        ids=["siren", "multi_hash"],
    )
    def test_and_resumed_it_ends_with_the_weights_of_an_undisturbed_run(self, cwd, tmp_path, fit, flags, signals):
        flags = (*flags, "--notensorboard")
        code, _, error = fit(*flags, "--out=whole")
        assert code == 0, error
        for number in signals:
            running = Call(*flags, "--out=run", "--resume", cwd=cwd, log=tmp_path)
            code, out, error = running.send(number, after="about ")
            assert out == ""
            if number == signal.SIGKILL:
                assert code == -number
                continue
            assert code == 128 + number
            last = re.fullmatch(
                r"fit.py: stopped at step (\d+); the state is saved, "
                r"go on with --out=run --resume",
                error.splitlines()[-1],
            )
            assert "Traceback" not in error
            assert f"checkpoints/step-{int(last[1]):010d}.npz" in names(cwd / "run")
        assert "metrics.json" not in names(cwd / "run")
        code, out, error = fit("--out=run", "--resume")
        assert code == 0, error
        assert len(out.splitlines()) == 5
        assert weights_sha(cwd / "run") == weights_sha(cwd / "whole")
        kept = ("psnr_db", "psnr_8bit_db", "ssim", "steps")
        metrics = [read_strict(cwd / folder / "metrics.json") for folder in ("run", "whole")]
        assert [metrics[0][key] for key in kept] == [metrics[1][key] for key in kept]


class TestAutomatic:
    @pytest.mark.slow
    def test_chooses_says_why_and_leaves_a_run_like_any_other(self, cwd, fit):
        flags = ("--image=sample:coins", "--size=24", "--preset=auto", "--goal=25dB", "--noprogress", "--notensorboard")
        code, summary, error = fit(*flags, "--steps=40", "--out=run")
        assert code == 5, error  # since so few steps do not come to the goal
        first, second = error.splitlines()
        assert first == "fit.py: --preset=auto is choosing a network for sample:coins"
        told = (
            r"pixel_grid \(2 levels, .* parameters, .* MB\) for 25 dB on 24 x 19 pixels; a JPEG of it has 0\.\d+ kB .*"
        )
        assert re.fullmatch(rf"fit\.py: --preset=auto is {told}", second)
        text = (cwd / "run" / "flags.cfg").read_text()
        assert "preset=auto" not in text
        assert "--goal_psnr_db=25.0\n" in text
        assert "--goal=" not in text
        assert "--grow\n" in text
        identity = read_strict(cwd / "run" / "run.json")["identity"]
        assert (identity["goal_psnr_db"], identity["grow"]) == (25.0, True)
        for again in (("--resume", "--out=run"), (*flags, "--steps=40", "--out=run", "--resume")):
            assert fit(*again)[:2] == (5, summary)
        for goal, told in (
            ("30dB", "goal must be that of the run, whose goal_psnr_db is 25.0, received 30 dB"),
            ("3s", "goal must be that of the run, whose max_seconds is None, received 3 s"),
            ("2kB", "goal must be at least "),
            ("soon", "goal must be a number with dB, kB, MB or s behind it, such as 40dB, received 'soon'"),
        ):
            code, out, error = fit("--resume", "--preset=auto", f"--goal={goal}", "--out=run")
            assert (code, out, len(error.splitlines())) == (2, "", 1)
            assert error.startswith(f"fit.py: {told}")

    @pytest.mark.slow
    def test_a_goal_that_is_missed_is_told(self, cwd, fit):
        flags = ("--image=sample:coins", "--size=24", "--noprogress", "--notensorboard", "--steps=8")
        code, summary, error = fit(*flags, "--preset=auto", "--goal=100dB", "--out=run")
        assert code == 5, error
        assert error.endswith("; no JPEG comes to it and no WebP comes to it\n")
        metrics = read_strict(cwd / "run" / "metrics.json")
        assert (metrics["goal"], metrics["goal_met"]) == ("100 dB", False)
        assert f"\ngoal 100 dB: not reached ({metrics['psnr_db']:.2f} dB)\n" in summary
        code, summary, _ = fit(*flags, "--preset=relu", "--units=8", "--goal_psnr_db=1", "--out=met")
        assert (code, read_strict(cwd / "met" / "metrics.json")["goal_met"]) == (0, True)
        assert "\ngoal 1 dB: reached\n" in summary

    @pytest.mark.slow
    def test_time_that_ran_out_is_told(self, cwd, fit):
        code, summary, _ = fit(*TINY[:3], "--steps=1000000", "--goal=0.1s", "--noprogress", "--notensorboard")
        assert code == 0
        told = r"\ntime ran out at step \d+ of 1000000, before the learning rate had come down\n"
        assert re.search(told, summary)

    @pytest.mark.parametrize("preset", ["auto", "siren"])
    def test_a_goal_and_a_flag_that_says_the_same(self, cwd, fit, preset):
        code, _, error = fit(f"--preset={preset}", "--goal=30dB", "--goal_psnr_db=40")
        assert (code, names(cwd)) == (2, [])
        assert error == "fit.py: give one of goal and goal_psnr_db, received 30 dB and 40.0\n"

    def test_a_size_for_a_preset(self, cwd, fit):
        code, _, error = fit("--preset=siren", "--goal=50kB")
        assert (code, names(cwd)) == (2, [])
        told = "goal must be in dB or s for a preset that is given, or --preset=auto, received 50 kB"
        assert error == f"fit.py: {told}\n"

    def test_takes_no_arguments_of_a_network(self, cwd, fit):
        code, _, error = fit("--preset=auto", "--units=8")
        assert (code, names(cwd)) == (2, [])
        assert error == "fit.py: preset must be one of --list_presets to take units, received 'auto'\n"

    def test_a_goal_of_a_preset(self, cwd, fit):
        assert dry_run(fit, "--preset=siren", "--goal=33dB")["goal_psnr_db"] == 33.0
        assert dry_run(fit, "--preset=siren", "--goal=3s")["max_seconds"] == 3.0
