"""Flags to a flagfile that reads back as it was, and the flagfile of a resumed run."""

import json
import os
import pathlib
import re

import pytest
from absl import flags

from keras_inr.cli import flagfile, own_modules
from keras_inr.errors import InputError


@pytest.fixture
def run_flags(monkeypatch, tmp_path):
    """The module, with flags that no other test sees, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    values = flags.FlagValues()
    for name in ("image", "data_dir", "weights", "units", "out"):
        flags.DEFINE_string(name, None, "text", flag_values=values)
    for name in ("resume", "overwrite", "grayscale"):
        flags.DEFINE_bool(name, False, "yes or no", flag_values=values)
    flags.DEFINE_float("learning_rate", 1e-3, "number", flag_values=values)
    flags.DEFINE_integer("steps", None, "number", flag_values=values)
    monkeypatch.setattr(flagfile, "FLAGS", values)
    monkeypatch.setattr(flagfile, "GROUPS", {"All": [name for name in values if len(name) > 1]})
    return flagfile


def parsed(run_flags, *arguments):
    run_flags.FLAGS(["fit.py", *arguments])
    return run_flags


def read_back(run_flags, text):
    """name -> value of every flag, from a flagfile alone."""
    pathlib.Path("flags.cfg").write_text(text)
    run_flags.FLAGS.unparse_flags()
    for name in run_flags.FLAGS:
        run_flags.FLAGS[name].value = run_flags.FLAGS[name].default
    run_flags.FLAGS(["fit.py", "--flagfile=flags.cfg"])
    return run_flags.FLAGS.flag_values_dict()


class TestText:
    @pytest.mark.parametrize("image", ["sample:chelsea", "a b.png", "missing.png", "ü写.png", "a=b,#c.png", "--x.png"])
    def test_reads_back(self, run_flags, tmp_path, image):
        if not image.startswith(("sample", "missing")):
            (tmp_path / image).touch()
        own = parsed(run_flags, f"--image={image}", "--units= 64,\n32 ", "--learning_rate=0.1", "--out=run", "--resume")
        text = own.text({})
        assert text.endswith("\n")
        values = read_back(run_flags, text)
        expected = image if image.startswith(("sample", "missing")) else str(tmp_path / image)
        assert (values["image"], values["learning_rate"], values["grayscale"]) == (expected, 0.1, False)
        assert "".join(values["units"].split()) == "64,32"
        assert (values["out"], values["resume"], values["data_dir"], values["steps"]) == (None, False, None, None)

    def test_paths_are_right_from_any_folder(self, run_flags, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "a.png").touch()
        own = parsed(run_flags, "--image=~/a.png", "--data_dir=.")
        assert f"--data_dir={tmp_path}\n" in own.text({})
        assert f"--image={tmp_path}/a.png\n" in own.text({})

    def test_weights_are_a_name_whatever_folder_has_it(self, run_flags, tmp_path):
        (tmp_path / "photos").mkdir()
        (tmp_path / "start.keras").touch()
        own = parsed(run_flags, "--weights=photos")
        assert "--weights=photos\n" in own.text({})
        own = parsed(run_flags, "--weights=start.keras")
        assert f"--weights={tmp_path}/start.keras\n" in own.text({})

    @pytest.mark.parametrize("image", ["a.png ", "a.png\t", "a\n.png", "a\r.png", "a\udcff.png"])
    def test_what_would_not_read_back_is_refused(self, run_flags, tmp_path, image):
        (tmp_path / os.fsencode(image).decode("utf-8", "surrogateescape")).touch()
        own = parsed(run_flags, f"--image={image}")
        told = (
            "image must have no line breaks, spaces at its end, or bytes that are no text, which flags.cfg cannot hold"
        )
        with pytest.raises(InputError, match=re.escape(f"{told}, received {str(tmp_path / image)!r}")):
            own.text({})


class TestResumed:
    @pytest.fixture
    def run(self, tmp_path):
        (tmp_path / "a run").mkdir()
        (tmp_path / "a run" / "flags.cfg").write_text("--learning_rate=0.5\n--steps=20\n")
        return tmp_path / "a run"

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--out=a run", "--resume"],
            ["--resume", "--out", "a run", "--steps", "30"],
            ["-resume", "-out=a run"],
            ["--out=a run", "--resume=true"],
            ["--noresume", "--resume=1", "--out=a run"],
            ["--flagfile=go on.cfg"],
            ["--out=~/a run", "--resume"],
        ],
    )
    def test_however_it_is_spelled(self, run_flags, run, tmp_path, monkeypatch, arguments):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "go on.cfg").write_text("--out=a run\n--resume\n")
        arguments = run_flags.expanded(arguments)
        more = run_flags.flags_of_resumed(arguments)
        assert more == ["--learning_rate=0.5", "--steps=20"]
        parsed(run_flags, *more, *arguments)
        assert (run_flags.FLAGS.learning_rate, run_flags.FLAGS.resume) == (0.5, True)
        assert run_flags.FLAGS.steps == (30 if "30" in arguments else 20)

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--out=a run"],
            ["--out=a run", "--resume=false"],
            ["--resume", "--noresume", "--out=a run"],
            ["--resume"],
            ["--resume", "--out=elsewhere", "--learning_rate=0.1"],
            ["--resume", "--out=a run", "--stepz=3"],  # told when they are parsed in earnest
            ["--resume", "--out=a run", "--steps=many"],
            ["--resume", "--out"],
        ],
    )
    def test_nothing_to_add(self, run_flags, run, arguments):
        assert run_flags.flags_of_resumed(arguments) == []
        assert not run_flags.FLAGS.is_parsed()

    @pytest.mark.parametrize("more", [[], ["--nooverwrite"]])
    def test_a_bare_resume_where_there_is_no_run_starts_none(self, run_flags, run, more):
        """Or a run that was killed before it had begun would be gone on with as one of the default flags."""
        pathlib.Path("begun").mkdir()
        pathlib.Path("begun", ".lock").touch()
        for out in ("elsewhere", "begun"):
            told = f"{out} holds no run to go on with; give the flags of the run to start one there"
            with pytest.raises(InputError, match=told):
                run_flags.flags_of_resumed(["--resume", f"--out={out}", *more])

    def test_flags_that_only_run_json_has(self, run_flags, run):
        (run / "flags.cfg").unlink()
        content = {"format_version": 1, "identity": {}, "flags": "--learning_rate=0.5\n\n--steps=20\n"}
        (run / "run.json").write_text(json.dumps(content))
        assert run_flags.flags_of_resumed(["--resume", "--out=a run"]) == ["--learning_rate=0.5", "--steps=20"]
        (run / "run.json").write_text(json.dumps({**content, "flags": "--stepz=3"}))
        with pytest.raises(InputError, match=r"run.json is damaged .*stepz.*; add --overwrite"):
            run_flags.flags_of_resumed(["--resume", "--out=a run"])

    def test_a_flagfile_that_is_no_file(self, run_flags, run):
        (run / "flags.cfg").unlink()
        os.mkfifo(run / "flags.cfg")
        with pytest.raises(InputError, match=r"flags\.cfg must be a file, received a pipe"):
            run_flags.flags_of_resumed(["--resume", "--out=a run"])

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"--learning_rate=0.5\n--ste", "its last line is cut short"),
            (b"--learning_rate=0.5\n--stepz=20\n", "Unknown command line flag 'stepz'"),
            (b"--learning_rate=fast\n", "flag --learning_rate=fast: "),
            (b"garbage\n", "'garbage' is no flag"),
            (b"--noresume=3\n", "--noresume=3 does not take an argument"),
            (b"\x89PNG\xff\n", "it is no text"),
        ],
    )
    def test_damage(self, run_flags, run, content, problem):
        (run / "flags.cfg").write_bytes(content)
        with pytest.raises(InputError) as caught:
            run_flags.flags_of_resumed(["--resume", "--out=a run"])
        assert str(caught.value).startswith(f"a run/flags.cfg is damaged ({problem}")
        assert str(caught.value).endswith("; remove it and give the run's flags again")

    def test_a_run_that_left_no_flags(self, run_flags, run):
        (run / "flags.cfg").write_text("")
        assert run_flags.flags_of_resumed(["--resume", "--out=a run"]) == []

    def test_run_json_decides(self, run_flags, run):
        """The flags.cfg beside it may be of before the run was made longer, or torn."""
        content = {"format_version": 1, "identity": {}, "flags": "--steps=60\n"}
        (run / "run.json").write_text(json.dumps(content))
        for text in ("--steps=40\n", "--ste", ""):
            (run / "flags.cfg").write_text(text)
            assert run_flags.flags_of_resumed(["--resume", "--out=a run"]) == ["--steps=60"]

    @pytest.mark.parametrize("spelled", ["--flagfile={}", "-flagfile={}", "  --flagfile={}", "--flagfile\n{}"])
    @pytest.mark.parametrize(("kept", "again"), [("flags.cfg", "remove it"), ("run.json", "add --overwrite")])
    def test_another_flagfile_is_no_part_of_it(self, run_flags, run, tmp_path, spelled, kept, again):
        """Which could be anything by now."""
        os.mkfifo(tmp_path / "pipe")
        text = f"--steps=3\n{spelled.format(tmp_path / 'pipe')}\n"
        content = {"format_version": 1, "identity": {}, "flags": text}
        (run / kept).write_text(text if kept == "flags.cfg" else json.dumps(content))
        told = f"a run/{kept} is damaged (it names another flagfile); {again} and give the run's flags again"
        with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
            run_flags.flags_of_resumed(["--resume", "--out=a run"])
        own_modules.load(["--resume", "--out=a run"])  # which looks there too


class TestExpanded:
    """As absl does it, but for what would never end."""

    @pytest.fixture(autouse=True)
    def folder(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        pathlib.Path("inner.cfg").write_text("\n--c=3 \n")
        pathlib.Path("a.cfg").write_bytes("# a comment\r\n--a=ü\r\n// another\n -flagfile= ~/inner.cfg\n--b\n".encode())

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--steps=3", "rest"],
            ["--flagfile=a.cfg", "--steps=3"],
            ["-flagfile", "~/a.cfg", "--steps=3"],
            ["--steps", "3", "--flagfile=inner.cfg", "--flagfile=inner.cfg", "--flagfile="],
            ["--steps=3", "--", "--flagfile=missing.cfg"],
        ],
    )
    def test_like_absl(self, arguments):
        expected = flags.FlagValues().read_flags_from_files(arguments)
        if "a.cfg" in str(arguments):  # of a nested one whose line is indented absl only knows later
            assert expected[:3] == ["--a=ü", "-flagfile= ~/inner.cfg", "--b"]
            expected[1] = "--c=3"
        assert flagfile.expanded(arguments) == expected

    @pytest.mark.parametrize("nested", [False, True])
    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("pipe", "flagfile must be a text file with a flag on each line: pipe must be a file, received a pipe"),
            ("/dev/zero", "with a flag on each line: /dev/zero must be a file, received a device"),
            (".", "with a flag on each line: . must be a file, received a folder"),
            ("large.cfg", r"with a flag on each line: large.cfg must have at most 1677\d+ bytes, received more"),
            ("a.png", "flagfile must be a text file with a flag on each line, received a.png"),
            ("self.cfg", "flagfile must not name itself, received self.cfg"),
        ],
    )
    def test_what_would_not_end_or_is_no_text(self, name, told, nested):
        os.mkfifo("pipe")
        with open("large.cfg", "wb") as file:
            file.truncate(2**24 + 1)
        pathlib.Path("a.png").write_bytes(b"\x89PNG\xff\n")
        pathlib.Path("self.cfg").write_text("--flagfile=self.cfg\n")
        pathlib.Path("outer.cfg").write_text(f"--flagfile={name}\n")
        with pytest.raises(InputError, match=f"{told}$"):
            flagfile.expanded(["--flagfile=outer.cfg" if nested else f"--flagfile={name}"])

    def test_that_name_each_other_have_a_size_together(self, monkeypatch):
        monkeypatch.setattr(flagfile, "MOST_BYTES", 2000)
        for number in range(20):
            pathlib.Path(f"{number}.cfg").write_text(f"--flagfile={number + 1}.cfg\n" * 2)
        pathlib.Path("20.cfg").write_text("--a\n")
        with pytest.raises(InputError, match="must have at most"):
            flagfile.expanded(["--flagfile=0.cfg"])

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--flagfile=missing.cfg"], "flagfile missing.cfg cannot be opened: No such file or directory"),
            (["--flagfile"], "--flagfile with no argument"),
            (["--flagfile=bare.cfg"], "--flagfile with no argument"),
        ],
    )
    def test_what_is_not_there(self, arguments, told):
        pathlib.Path("bare.cfg").write_text("--flagfile\n/dev/zero\n")
        with pytest.raises(flags.Error, match=told):
            flagfile.expanded(arguments)
