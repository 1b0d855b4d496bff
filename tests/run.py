"""Runs all tests, a few files at a time in fresh processes: python tests/run.py [folders, files] [-- pytest's options]

What TensorFlow has once compiled stays in a process for good, so that one that ran all tests would take several GB.
Ends with what failed, once more, and a line "N passed, N failed"; its exit code is 1 if anything failed or a process
was killed or grew too big.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

FILES_PER_PROCESS = 3
PROCESSES = 2
MOST_MB = 2048
"""What a process may take at its peak."""

MOST_OF_A_FAILURE = 6000
"""Characters of it that are told again at the end."""

HERE = pathlib.Path(__file__).resolve().parent
COUNT = re.compile(r"(\d+) (passed|failed|errors?)\b")
NO_TESTS = 5
"""pytest's exit code where all tests of its files are deselected."""


def main(arguments):
    split = arguments.index("--") if "--" in arguments else len(arguments)
    places, options = arguments[:split] or [str(HERE)], arguments[split + 1 :]
    files = sorted({str(file) for place in places for file in files_of(pathlib.Path(place))})
    number = -(-len(files) // FILES_PER_PROCESS)
    parts = [files[first::number] for first in range(number)]  # the heavy files of a folder are neighbours
    passed, failed, failures = 0, 0 if files else 1, []
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        for number, (text, *counts) in enumerate(pool.map(lambda part: tried(part, options), parts), start=1):
            passed, failed = passed + counts[0], failed + counts[1]
            failures += [text[text.find("= FAILURES =") :]] if counts[1] else []
            print(f"{text.rstrip()}\n--- {number} of {len(parts)} parts", flush=True)
    print("\n".join(text[-MOST_OF_A_FAILURE:] for text in failures))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


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
