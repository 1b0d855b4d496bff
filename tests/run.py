"""Runs all tests, each file in a process of its own: python tests/run.py [folders, files] [-- pytest's options]

What TensorFlow has once compiled stays in a process for good, so that one that ran all tests would take several GB.
Processes are forked from this one, which has imported TensorFlow and computes nothing, and each has a core of its own:
two that share two cores wait for each other's threads. Ends with the slowest files, what failed, once more, and a line
"N passed, N failed"; its exit code is 1 if anything failed or a process was killed or grew too big.
"""

import atexit
import collections
import gc
import importlib
import os
import pathlib
import re
import sys
import tempfile
import traceback

import pytest

FORKING_FILES_PER_PROCESS = 6
"""Of those whose tests fork commands: they share the process that these are forked from, see `cli/fit_calls.py`."""

SHARING = ("gateway", "serving")
"""Folders whose files have one process: what is served is made once for all of them."""

PROCESSES = 2
IMPORTED = ("keras_inr.training.fitting", "matplotlib.figure", "skimage.transform", "hypothesis")
"""What processes start with where there are more than FEW of them; a test of one file does without."""

FEW = 8
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
    parts = parts_of(files)
    if len(parts) > FEW:
        warm()
    passed, failed, failures, seconds = 0, 0 if files else 1, [], []
    for number, (text, *counts) in enumerate(tried(parts, options), start=1):
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


def parts_of(files):
    """The files that a process each gets, what takes longest first."""
    forking = [file for file in files if forks(pathlib.Path(file))]
    number = -(-len(forking) // FORKING_FILES_PER_PROCESS)
    others = collections.defaultdict(list)
    for file in files:
        if file not in forking:
            folder = pathlib.Path(file).parent.name
            others[folder if folder in SHARING else file].append(file)
    return [forking[first::number] for first in range(number)] + sorted(others.values(), key=len, reverse=True)


def files_of(place):
    """The test files in a folder, or a file itself."""
    return place.rglob("test_*.py") if place.is_dir() else [place]


def warm():
    """Imports what most tests need."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as `conftest.py`
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or each process would look through all of it again, and copy it


def tried(parts, options):
    """Yields what pytest has to say of parts as they end; how many tests passed, and how many failed."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    left, running = list(reversed(parts)), {}
    while left or running:
        while left and len(running) < PROCESSES:
            slot = min(set(range(PROCESSES)) - {taken for taken, *_ in running.values()})
            files, output = left.pop(), tempfile.TemporaryFile()  # noqa: SIM115, closed when it is read
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                run_pytest(files, options, output, cores[slot::PROCESSES])
            running[child] = slot, files, output
        child, status = os.wait()
        _, files, output = running.pop(child)
        with output:
            output.seek(0)
            yield told(files, output.read().decode(errors="replace"), os.waitstatus_to_exitcode(status))


def run_pytest(files, options, output, cores):
    """Ends this process with pytest's exit code for files; what it says goes to a file."""
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    os.environ["MOST_MB_OF_TESTS"] = str(MOST_MB)
    if cores:
        os.sched_setaffinity(0, cores)
    sys.path.insert(0, os.getcwd())  # as python -m pytest
    sys.argv[1:] = []
    try:
        code = int(pytest.main(["-n", "0", *options, *files]))
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    atexit._run_exitfuncs()  # pytest's locks on its folders
    os._exit(code)  # never back into the loop of the process that was forked


def told(files, text, code):
    """What a part's process said, how many tests passed, and how many failed, one at least if the process did."""
    found = COUNT.findall(text.rstrip().rpartition("\n")[2])
    passed, failed = (sum(int(n) for n, kind in found if (kind == "passed") is good) for good in (True, False))
    if code < 0:
        text += f"\nFAILED the process of {', '.join(files)} was ended by signal {-code}"
    return text, passed, failed if code in (0, NO_TESTS) else max(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
