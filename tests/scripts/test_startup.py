"""scripts/startup.py: finding TensorFlow, and errors as exit codes."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest
from absl import app, flags, logging

from keras_inr.runs.errors import InputError, InterruptedRunError
from keras_inr.training.callbacks import DivergedError

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def startup(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import startup

    return startup


class TestStart:
    """In a checkout of its own, with a Python that does not see site-packages and so no TensorFlow."""

    @pytest.fixture
    def script(self, tmp_path):
        (tmp_path / "scripts").mkdir()
        shutil.copy(SCRIPTS / "startup.py", tmp_path / "scripts")
        script = tmp_path / "scripts" / "script.py"
        script.write_text("import startup; startup.start(); print('started')")
        return script

    def run(self, python, script, *options):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [python, *options, script, "--units=8,8", "a b"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def assert_told(self, done):
        assert (done.returncode, done.stdout) == (1, "")
        told = "TensorFlow is not installed for this Python: run `make install` once, or `pip install -e .`\n"
        assert done.stderr == told

    def test_without_tensorflow(self, script):
        self.assert_told(self.run(sys.executable, script, "-S"))

    def test_without_tensorflow_the_checkout_s_own_python_takes_over(self, script):
        python = script.parents[1] / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\nprintf '%s|' \"$@\"")
        python.chmod(0o755)
        done = self.run(sys.executable, script, "-S")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{script}|--units=8,8|a b|"

    def test_which_has_none_either(self, script):
        folder = script.parents[1] / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
        self.assert_told(self.run(folder / "bin" / "python", script))


class TestRun:
    @pytest.fixture
    def code_of(self, startup, monkeypatch):
        """The exit code for a main function, by way of `startup.run`."""
        codes = []
        monkeypatch.setattr(sys, "argv", ["scripts/script.py"])
        monkeypatch.setattr(app, "run", lambda main: codes.append(main(sys.argv)))
        verbosity = logging.get_verbosity()

        def code_of(main):
            startup.run(main)
            return codes.pop()

        yield code_of
        logging.set_verbosity(verbosity)

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (InputError("size must be 3,\n  received 4"), 2, "size must be 3, received 4"),
            (DivergedError("the loss became nan"), 3, "the loss became nan"),
            (InterruptedRunError(signal.SIGINT, "run", 7), 130, "stopped at step 7; the state is saved, go on with "),
            (InterruptedRunError(signal.SIGTERM, "run", 7), 143, "stopped at step 7; the state is saved, go on with "),
            (KeyboardInterrupt(), 130, "interrupted"),
            (OSError(28, "No space left on device"), 1, "the system refused: [Errno 28] No space left on device"),
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

    def test_what_nobody_can_mend_keeps_its_traceback(self, code_of):
        def main(argv):
            raise ZeroDivisionError("a mistake of ours")

        with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
            code_of(main)

    def test_success(self, code_of, capsys):
        assert code_of(lambda argv: 0) == 0
        assert capsys.readouterr() == ("", "")

    def test_arguments_that_are_no_flags(self, code_of, capsys):
        sys.argv.append("my.jpg")
        assert code_of(lambda argv: 0) == 2
        expected = "script.py: arguments must be flags such as --image=my.jpg, received 'my.jpg'\n"
        assert capsys.readouterr().err == expected

    @pytest.mark.parametrize(("given", "shown"), [(False, logging.WARNING), (True, logging.INFO)])
    def test_what_tensorflow_does_all_day_is_told_to_those_who_ask(self, code_of, monkeypatch, given, shown):
        logging.set_verbosity(logging.INFO)  # as absl's app.run does
        monkeypatch.setattr(flags.FLAGS["verbosity"], "present", int(given))
        code_of(lambda argv: 0)
        assert logging.get_verbosity() == shown


def test_silence_keeps_standard_error(startup, capfd, monkeypatch):
    """What is written afterwards is shown, by Python and by C alike."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    startup.silence_tensorflow()
    print("from Python", file=sys.stderr, flush=True)
    os.write(2, b"from C\n")
    assert capfd.readouterr().err == "from Python\nfrom C\n"
