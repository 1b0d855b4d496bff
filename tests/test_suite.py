"""`make test` runs every test, ends when a worker dies, and bounds what a worker takes."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
TESTS = ROOT / "tests"


def suite(folder, name, text, *flags):
    """The finished run of one file of tests, with the project's own options."""
    (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "setup.cfg"), "--rootdir", str(folder)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    command += ["-p", "no:cacheprovider", *flags, str(folder)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_every_folder_of_tests_is_in_a_part():
    parts = re.search(r"^PARTS := (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)[1]
    folders = sorted({path.parent.relative_to(TESTS).as_posix() for path in TESTS.glob("*/**/test_*.py")})
    assert sorted(re.split("[ ,]", parts)) == folders


def test_a_worker_that_is_killed_ends_the_run(tmp_path):
    """As the kernel kills one where memory runs out; the run once hung for ever then."""
    lines = ["import os, pytest", "@pytest.mark.parametrize('n', range(9))", "def test(n):"]
    text = "\n".join([*lines, "    if n == 2: os.kill(os.getpid(), 9)"])
    result = suite(tmp_path, "test_killed.py", text, "-o", "filterwarnings=default")
    assert result.returncode != 0, result.stdout
    assert "crashed while running" in result.stdout
    assert "1 failed, 2 passed" in result.stdout  # none of the six behind it was given to another worker


def test_a_worker_that_takes_too_much_fails_the_run(tmp_path):
    ours = repr(str(TESTS / "conftest.py"))
    (tmp_path / "conftest.py").write_text(f"exec(open({ours}).read())\nfresh_keras_state = None\nMOST_GIB = 0.001\n")
    result = suite(tmp_path, "test_large.py", "def test():\n    pass\n")
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(r"workers took \d\.\d, \d\.\d GiB, at most 0\.0 are allowed", result.stdout)
    assert "1 passed" in result.stdout
