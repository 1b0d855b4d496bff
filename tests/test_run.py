"""Processes of tests that are killed end a run with a failure, whether by `tests/run.py` or by plain pytest."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).parent
GOOD = "def test_a():\n    pass\n"
DIE = "os.kill(os.getpid(), signal.SIGKILL)"
BIG = "def test_big():\n    assert sum(bytearray(150 * 2**20)) == 0\n"
DEATHS = {
    "in a test": {"test_1.py": f"import os, signal\ndef test_a():\n    {DIE}\n", "test_2.py": GOOD},
    "in the last test": {"test_1.py": GOOD, "test_2.py": f"import os, signal\ndef test_a():\n    {DIE}\n"},
    "while tests are collected": {"test_1.py": f"import os, signal\nif 'test_1' in __name__:\n    {DIE}\n"},
    "at the end": {
        "test_1.py": GOOD,
        "hooks.py": f"import os, signal\ndef pytest_sessionfinish(session):\n    if {{here}}:\n        {DIE}\n",
    },
}
IN_A_WORKER = "'PYTEST_XDIST_WORKER' in os.environ"


def written(folder, files):
    """A project of test files with our configuration, whose conftest has the hooks alone, not what needs Keras."""
    shutil.copy(TESTS.parent / "setup.cfg", folder)
    shutil.copy(TESTS / "worker_checks.py", folder)
    conftest = "from worker_checks import *\nimport pytest\n"
    conftest += "@pytest.fixture(autouse=True)\ndef bound():\n    yield\n    assert too_big() is None\n"
    for name, text in files.items():
        (folder / name).write_text(text)
        if name == "hooks.py":
            conftest += "pytest_plugins = ['hooks']\n"
    (folder / "conftest.py").write_text(conftest)
    return folder


def output_of(command, folder):
    """(exit code, lines) of a command, which must not hang."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    return ended.returncode, ended.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("when", DEATHS)
def test_plain_pytest_ends_with_a_failure_when_a_worker_is_killed(tmp_path, when):
    files = {name: text.replace("{here}", IN_A_WORKER) for name, text in DEATHS[when].items()}
    code, lines = output_of([sys.executable, "-m", "pytest", "."], written(tmp_path, files))
    assert code == 1, lines
    assert any("FAILED the worker gw" in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("when", DEATHS)
def test_the_runner_ends_with_a_failure_when_a_process_is_killed(tmp_path, when):
    files = {name: text.replace("{here}", "True") for name, text in DEATHS[when].items()}
    code, lines = output_of([sys.executable, TESTS / "run.py", "."], written(tmp_path, files))
    assert code == 1, lines
    assert any("was ended by signal 9" in line for line in lines)
    assert lines[-1].endswith(" passed, 1 failed")


@pytest.mark.slow
def test_the_runner_counts_and_tells_a_process_that_grows_too_big(tmp_path):
    folder = written(tmp_path, {"test_1.py": GOOD, "test_2.py": "def test_b():\n    assert 1 == 2\n", "test_3.py": BIG})
    text = (TESTS / "run.py").read_text().replace("MOST_MB = 2048", "MOST_MB = 150")
    (folder / "run.py").write_text(text)
    code, lines = output_of([sys.executable, "run.py", "."], folder)
    assert code == 1
    assert lines[-1] == "2 passed, 2 failed"  # the big one passes, and fails at its end
    assert any("at most 150 MB are allowed" in line for line in lines)


@pytest.mark.slow
def test_the_runner_keeps_files_that_fork_commands_together(tmp_path):
    forking = "from cli.fit_calls import forked\n"
    written(tmp_path, {f"test_{i}.py": (forking if i < 4 else "") + GOOD for i in range(8)})
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "fit_calls.py").write_text("forked = None\n")
    code, lines = output_of([sys.executable, TESTS / "run.py", "."], tmp_path)
    assert (code, lines[-1]) == (0, "8 passed, 0 failed")
    counts = [line.partition(" ")[0] for line in lines if " passed in " in line]
    assert sorted(counts) == ["1", "1", "1", "1", "4"]


def test_the_runner_passes_where_all_pass_and_fails_where_nothing_is_run(tmp_path):
    folder = written(tmp_path, {"test_1.py": GOOD, "test_2.py": GOOD})
    code, lines = output_of([sys.executable, TESTS / "run.py", ".", "--", "-p", "no:cacheprovider"], folder)
    assert (code, lines[-1]) == (0, "2 passed, 0 failed")
    slowest = lines.index("slowest files:")
    assert sorted(lines[slowest + 1 : slowest + 3]) == ["0 s test_1.py", "0 s test_2.py"]
    code, lines = output_of([sys.executable, TESTS / "run.py", "nowhere"], folder)
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")


def test_files_that_are_served_from_one_base_share_a_process(monkeypatch):
    monkeypatch.syspath_prepend(TESTS)
    import run

    files = ["a/test_1.py", "a/test_2.py", "serving/test_3.py", "serving/test_4.py"]
    assert run.parts_of(files) == [["serving/test_3.py", "serving/test_4.py"], ["a/test_1.py"], ["a/test_2.py"]]
