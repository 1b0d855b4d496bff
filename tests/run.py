"""Runs all tests, a few files at a time in fresh processes: python tests/run.py [folders, files] [-- pytest's options]

What TensorFlow has once compiled stays in a process for good, so that one that ran all tests would take several GB.
Ends with the slowest files, what failed, once more, and a line "N passed, N failed"; its exit code is 1 if anything
failed or a process was killed or grew too big.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

FILES_PER_PROCESS = 2
FORKING_FILES_PER_PROCESS = 6
"""Of those whose tests fork commands: they share the process that these are forked from, see `cli/fit_calls.py`."""

ALONE = ("test_gradients.py",)
"""Names of files that come near to MOST_MB by themselves: they get a process each."""

PROCESSES = 2
MOST_MB = 2048
"""What a process may take at its peak."""

MOST_OF_A_FAILURE = 6000
"""Characters of it that are told again at the end."""

SLOWEST = 10
"""How many files are told of at the end."""

HERE = pathlib.Path(__file__).resolve().parent
FORKS = re.compile(r"^from cli\.(fit_calls|console\.dialogues) import", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|errors?)\b")
SECONDS = re.compile(r"^(\d+\.\d) s in (\S+)$", re.MULTILINE)
"""What `worker_checks.py` tells of each file."""

NO_TESTS = 5
"""pytest's exit code where all tests of its files are deselected."""


def main(arguments):
    split = arguments.index("--") if "--" in arguments else len(arguments)
    places, options = arguments[:split] or [str(HERE)], arguments[split + 1 :]
    files = sorted({str(file) for place in places for file in files_of(pathlib.Path(place))})
    forking = [file for file in files if forks(pathlib.Path(file))]
    others = [file for file in files if file not in forking]
    parts = parts_of(forking, FORKING_FILES_PER_PROCESS) + parts_of(others, FILES_PER_PROCESS)
    passed, failed, failures, seconds = 0, 0 if files else 1, [], []
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        for number, (text, *counts) in enumerate(pool.map(lambda part: tried(part, options), parts), start=1):
            passed, failed = passed + counts[0], failed + counts[1]
            seconds += [(float(taken), file) for taken, file in SECONDS.findall(text)]
            failures += [text[text.find("= FAILURES =") :]] if counts[1] else []
            print(f"{text.rstrip()}\n--- {number} of {len(parts)} parts", flush=True)
    slowest = sorted(seconds, reverse=True)[:SLOWEST]
    print("slowest files:", *(f"{taken:.0f} s {file}" for taken, file in slowest), sep="\n")
    print("\n".join(text[-MOST_OF_A_FAILURE:] for text in failures))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def forks(file):
    """Whether tests of a file fork commands, as far as its imports tell."""
    return file.is_file() and FORKS.search(file.read_text()) is not None


def parts_of(files, most):
    """The files in parts of at most so many, neighbours apart: the heavy files of a folder are neighbours."""
    number = -(-len(files) // most)
    parts = []
    for first in range(number):
        part = files[first::number]
        alone = [file for file in part if pathlib.Path(file).name in ALONE]
        parts += [[file] for file in alone] + [[file for file in part if file not in alone]]
    return [part for part in parts if part]


def files_of(place):
    """The test files in a folder, or a file itself."""
    return place.rglob("test_*.py") if place.is_dir() else [place]


def tried(files, options):
    """What pytest has to say of files; how many tests passed, and how many failed, one at least if the process did."""
    limit = {"MOST_MB_OF_TESTS": str(MOST_MB)}
    command = [sys.executable, "-m", "pytest", "-n", "0", *options, *files]
    ended = subprocess.run(command, env={**os.environ, **limit}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = ended.stdout.decode(errors="replace")
    found = COUNT.findall(text.rstrip().rpartition("\n")[2])
    passed, failed = (sum(int(n) for n, kind in found if (kind == "passed") is good) for good in (True, False))
    if ended.returncode < 0:
        text += f"\nFAILED the process of {', '.join(files)} was ended by signal {-ended.returncode}"
    return text, passed, failed if ended.returncode in (0, NO_TESTS) else max(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
