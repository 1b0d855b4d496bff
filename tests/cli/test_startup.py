"""What every command does first, and errors as exit codes."""

import errno
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import types

import pytest
import tensorflow as tf
from absl import app, flags, logging

import keras_inr
from cli.fit_calls import Call
from keras_inr.cli import help as flags_help
from keras_inr.cli import main, messages, startup
from keras_inr.errors import DivergedError, InputError, InterruptedRunError
from keras_inr.runs.interrupts import SignalInterrupt

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


class TestScripts:
    """Without the package, as after a plain clone."""

    @pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("*.py")))
    def test_a_python_without_the_package_is_told(self, name, tmp_path):
        shutil.copy(SCRIPTS / name, tmp_path)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-S", tmp_path / name, "--help"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        told = "keras_inr is not installed for this Python: run `make install` and take .venv/bin/python\n"
        assert done.stderr == told


def command(main=lambda argv: 0, more_flags=lambda arguments: []):
    """What `startup.run` takes for a command."""
    return types.SimpleNamespace(__doc__="A command.", define_flags=lambda: None, main=main, more_flags=more_flags)


class TestRun:
    @pytest.fixture
    def code_of(self, monkeypatch):
        """The exit code for a main function, by way of `startup.run`."""
        codes = []
        monkeypatch.setattr(messages, "program", ["script.py"])
        monkeypatch.setattr(app, "run", lambda main, argv, flags_parser: codes.append(main(argv)))
        verbosity = logging.get_verbosity()

        def code_of(main, *arguments):
            startup.run(command(main), arguments)
            return codes.pop()

        yield code_of
        logging.set_verbosity(verbosity)

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (InputError("size must be 3,\n  received 4"), 2, "size must be 3, received 4"),
            (
                DivergedError("the loss became nan"),
                3,
                "the loss became nan; start anew with --overwrite or another --out",
            ),
            (InterruptedRunError(signal.SIGINT, "run", "now"), 130, "stopped now; the state is saved, go on with "),
            (InterruptedRunError(signal.SIGTERM, "run", "now"), 143, "stopped now; the state is saved, go on with "),
            (KeyboardInterrupt(), 130, "interrupted"),
            (SignalInterrupt(signal.SIGINT), 130, "interrupted"),
            (SignalInterrupt(signal.SIGTERM), 143, "interrupted"),
            (MemoryError(), 1, "the network or the batch does not fit into memory"),
            (
                tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
                1,
                "the network or the batch does not fit into memory: make it, or the picture, smaller",
            ),
            (OSError(28, "No space left on device"), 1, "the system refused: there is no room left on the disk for"),
        ],
    )
    def test_one_line_and_a_code(self, code_of, capsys, error, code, message):
        def main(argv):
            raise error

        assert code_of(main) == code
        out, told = capsys.readouterr()
        assert out == ""
        assert told.startswith(f"script.py: {message}")
        assert told.count("\n") == 1

    def test_a_full_disk_tells_how_to_go_on(self, code_of, capsys, monkeypatch):
        """Where the script can."""
        values = flags.FlagValues()
        values["verbosity"] = flags.FLAGS["verbosity"]
        flags.DEFINE_bool("resume", False, "go on", flag_values=values)
        monkeypatch.setattr(flags, "FLAGS", values)

        def main(argv):
            raise OSError(errno.ENOSPC, "No space left on device")

        assert code_of(main) == 1
        told = "what was finished is kept: go on with --out of this run and --resume\n"
        assert capsys.readouterr().err.endswith(told)

    def test_what_nobody_can_mend_keeps_its_traceback(self, code_of):
        def main(argv):
            raise ZeroDivisionError("a mistake of ours")

        with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
            code_of(main)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_lets_main_clean_up(self, code_of, capsys, number):
        cleaned = []

        def main(argv):
            try:
                signal.raise_signal(number)
            finally:
                cleaned.append(True)

        assert code_of(main) == 128 + number
        assert cleaned
        assert capsys.readouterr() == ("", "script.py: interrupted\n")

    def test_a_signal_that_python_drops_is_made_again(self, code_of, capsys):
        """As it does where a signal meets a destructor or a weak reference's callback, which fits have many of."""

        class Dying:
            def __del__(self):
                if not died:
                    died.append(True)
                    signal.raise_signal(signal.SIGTERM)

        died, ordinary = [], sys.unraisablehook

        def main(argv):
            Dying()
            for _ in range(1000):
                time.sleep(0.01)
            return 0

        assert code_of(main) == 143
        assert died
        assert capsys.readouterr() == ("", "script.py: interrupted\n")
        assert sys.unraisablehook is ordinary

    def test_success(self, code_of, capsys):
        assert code_of(lambda argv: 0) == 0
        assert capsys.readouterr() == ("", "")

    def test_arguments_that_are_no_flags(self, code_of, capsys):
        assert code_of(lambda argv: 0, "my.jpg") == 2
        expected = "script.py: arguments must be flags such as --image=my.jpg, received 'my.jpg'\n"
        assert capsys.readouterr().err == expected

    @pytest.mark.parametrize(("given", "shown"), [(False, logging.WARNING), (True, logging.INFO)])
    def test_what_tensorflow_does_all_day_is_told_to_those_who_ask(self, code_of, monkeypatch, given, shown):
        logging.set_verbosity(logging.INFO)  # as absl's app.run does
        monkeypatch.setattr(flags.FLAGS["verbosity"], "present", int(given))
        code_of(lambda argv: 0)
        assert logging.get_verbosity() == shown


class TestParsed:
    """Flags that cannot be parsed: one line, and the code."""

    @pytest.fixture
    def parse(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(messages, "program", ["script.py"])
        values = flags.FlagValues()
        flags.DEFINE_integer("steps", 1, "length", flag_values=values)
        flags.DEFINE_bool("resume", False, "go on", flag_values=values)
        flags.DEFINE_enum("preset", "siren", ["siren", "multi_hash"], "network", flag_values=values)
        flags.DEFINE_flag(app.HelpFlag(), flag_values=values)
        monkeypatch.setattr(flags, "FLAGS", values)
        monkeypatch.setattr(flags_help, "FLAGS", values)
        monkeypatch.setattr(flags_help, "GROUPS", {"Training": ["steps"], "Network": ["preset"]})

        def parse(*arguments, more=lambda arguments: []):
            return startup.parsed(command(more_flags=more), ["script.py", *arguments])

        return parse

    def test_more_flags_come_in_front(self, parse):
        def more(arguments):
            assert arguments == ["--steps=3", "rest"]
            return ["--steps=2", "--resume"]

        assert parse("--steps=3", "rest", more=more) == ["script.py", "rest"]
        assert (flags.FLAGS.steps, flags.FLAGS.resume) == (3, True)

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["--steps=many"], 1, "flag --steps=many: invalid literal"),
            (["--stepz=3"], 1, "Unknown command line flag 'stepz'. Did you mean: steps ?; --help tells all flags"),
            (
                ["--preset=sirne"],
                1,
                "flag --preset=sirne: value should be one of <siren|multi_hash>; did you mean 'siren'?; --help tells",
            ),
            (["--preset=vgg16"], 1, "flag --preset=vgg16: value should be one of <siren|multi_hash>; --help tells all"),
            (["--noresume=3"], 1, "--noresume=3 does not take an argument"),
        ],
    )
    def test_one_line_and_a_code(self, parse, capsys, arguments, code, message):
        with pytest.raises(SystemExit) as caught:
            parse(*arguments)
        assert caught.value.code == code
        out, told = capsys.readouterr()
        assert out == ""
        assert told.startswith(f"script.py: {message}")
        assert told.count("\n") == 1

    def test_what_more_flags_refuse(self, parse, capsys):
        def more(arguments):
            raise InputError("flags.cfg is damaged")

        with pytest.raises(SystemExit) as caught:
            parse(more=more)
        assert caught.value.code == 2
        assert capsys.readouterr().err == "script.py: flags.cfg is damaged\n"

    @pytest.mark.parametrize("asked", ["--help", "-h", "--helpshort", "--helpfull"])
    def test_help_comes_in_groups(self, parse, capsys, asked):
        with pytest.raises(SystemExit) as caught:
            parse("--steps=many", asked)
        assert caught.value.code == 0
        told = capsys.readouterr().out
        assert told.startswith("A command.\n\nusage: script.py [--flag=value ...]\n\nTraining:\n  --steps  ")
        assert "Network:\n  --preset                  <siren|multi_hash>: network (default: siren)\n" in told
        assert ("--[no]resume" in told) == (asked == "--helpfull")

    def test_a_value_that_looks_like_help_is_none(self, parse):
        assert parse("--", "--help") == ["script.py", "--help"]


AS_A_COMMAND = """import sys, types
sys.argv[:1] = ["keras-inr"]
from keras_inr.cli import startup, stop_signals
of = lambda main: types.SimpleNamespace(define_flags=lambda: None, main=main)
pass"""


class TestSignals:
    """A process that gets a signal at any time after Python itself has started."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize(
        "delay", [0.0, pytest.param(0.2, marks=pytest.mark.slow), 0.7, pytest.param(1.5, marks=pytest.mark.slow), 3.0]
    )
    def test_while_it_starts(self, tmp_path, number, delay):
        script = tmp_path / "script.py"
        # tells when the handler is there, which takes a shorter time than a loaded machine takes to start Python
        script.write_text(
            f"{AS_A_COMMAND}; take = stop_signals._on_signals\n"
            "def told(handler): take(handler); print('ready', flush=True)\n"
            "stop_signals._on_signals = told; startup.start('script.py'); import keras_inr.runs.fit_run\n"
            "import time; startup.run(of(lambda argv: time.sleep(60)), [])"
        )
        process = subprocess.Popen(
            [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
        assert (process.returncode, told) == (128 + number, "script.py: interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_work_does_not_change_the_code(tmp_path, number):
    script = tmp_path / "script.py"
    script.write_text(
        f"{AS_A_COMMAND}; startup.start('script.py')\n"
        f"import atexit, signal; atexit.register(signal.raise_signal, {int(number)})\n"
        "startup.run(of(lambda argv: 0), [])"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_output_that_cannot_be_written(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"{AS_A_COMMAND}; startup.start('script.py')\nstartup.run(of(lambda argv: print('a summary')), [])"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, script], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    told = b"script.py: the system refused: there is no room left on the disk for what was to be written: "
    told += b"make room there, or give another folder\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_a_quiet_import_keeps_standard_error(capfd, monkeypatch):
    """What is written afterwards is shown, by Python and by C alike."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    startup.import_tensorflow()
    print("from Python", file=sys.stderr, flush=True)
    os.write(2, b"from C\n")
    assert capfd.readouterr().err == "from Python\nfrom C\n"


class TestFlagfiles:
    """Every command reads them by `keras_inr.cli.flagfile`."""

    @pytest.fixture(autouse=True)
    def folder(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(messages, "program", ["script.py"])
        (tmp_path / "a.png").write_bytes(b"\x89PNG\xff\n")
        os.mkfifo(tmp_path / "pipe")

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["--flagfile=missing.cfg"], 1, "flagfile missing.cfg cannot be opened: No such file or directory\n"),
            (["--flagfile=a.png"], 2, "flagfile must be a text file with a flag on each line, received a.png\n"),
            (["--flagfile", "a.png"], 2, "flagfile must be a text file with a flag on each line, received a.png\n"),
            (["--flagfile=pipe"], 2, "flagfile must be a text file with a flag on each line: pipe must be a file, "),
            (["--flagfile=/dev/zero"], 2, "flagfile must be a text file with a flag on each line: /dev/zero must be"),
        ],
    )
    def test_one_line_and_a_code(self, capsys, arguments, code, message):
        with pytest.raises(SystemExit) as caught:
            startup.run(command(lambda argv: 0), arguments)
        assert caught.value.code == code
        out, told = capsys.readouterr()
        assert (out, told.count("\n")) == ("", 1)
        assert told.startswith(f"script.py: {message}")

    def test_help_is_shown_all_the_same(self, capsys):
        with pytest.raises(SystemExit) as caught:
            startup.run(command(lambda argv: 0), ["--flagfile=pipe", "--help"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith("A command.\n\nusage: script.py")


class TestFullDisk:
    """To go on is only told where there is something to go on with."""

    @pytest.fixture
    def told_of(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)

        def told_of(path, out):
            values = flags.FlagValues()
            flags.DEFINE_bool("resume", False, "go on", flag_values=values)
            flags.DEFINE_string("out", out, "run folder", flag_values=values)
            monkeypatch.setattr(flags, "FLAGS", values)
            code, told = startup._system_error(OSError(errno.EFBIG, "File too large", path))
            assert code == 1
            return told

        return told_of

    @pytest.mark.parametrize(
        ("path", "out", "folder"),
        [
            ("d/.tmp-0123456789abcdef-run.json", "d", "d"),
            ("/elsewhere/model.keras", "d", "d"),
            ("runs/0001/.tmp-0123456789abcdef-run.json", None, "runs/0001"),
            ("runs/0001/saved_model/tmp.0123456789abcdef0123456789abcdef/variables", None, "runs/0001"),
        ],
    )
    def test_before_and_after_run_json(self, told_of, path, out, folder):
        pathlib.Path(folder).mkdir(parents=True)
        assert "go on with" not in told_of(path, out)
        pathlib.Path(folder, "run.json").write_text("{}")
        assert told_of(path, out).endswith("what was finished is kept: go on with --out of this run and --resume")

    def test_where_nothing_tells_the_folder(self, told_of):
        assert "go on with" in told_of(None, None)


def test_no_temporary_name_is_told():
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/.tmp-0123456789abcdef-x.png")
    told = "the system refused: [Errno 2] No such file or directory: '/proc/x.png'"
    assert startup._system_error(error) == (1, told)


@pytest.mark.parametrize("arguments", [["--version"], ["fit", "--version"], ["export", "--run=a", "--version"]])
def test_version(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"keras_inr {keras_inr.__version__}\n"


def test_absls_own_flags_are_in_no_group(tmp_path):
    """So that flags.cfg has none, and --helpfull each once."""
    log = {"cwd": tmp_path, "log": tmp_path}
    code, told, error = Call("--helpfull", **log).wait()
    assert (code, error) == (0, "")
    shown = [line.split()[0] for line in told.splitlines() if line.startswith("  --")]
    assert len(shown) == len(set(shown))
    assert shown.index("--flagfile=FILE") < shown.index("--[no]help")
