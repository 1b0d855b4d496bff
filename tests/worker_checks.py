"""Hooks for `conftest.py` that tell of processes of tests which die, or grow too big."""

import collections
import itertools
import os
import resource
import sys

import pytest

died = []
"""What pytest-xdist says of workers that ended before they should."""


def peak_mb():
    """The most memory this process has ever taken."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def too_big():
    """A sentence if this process has ever taken more memory than MOST_MB_OF_TESTS, if that is set; told once."""
    most = float(os.environ.get("MOST_MB_OF_TESTS", "inf"))
    peak = peak_mb()
    if peak <= most:
        return None
    os.environ["MOST_MB_OF_TESTS"] = "inf"
    return f"the process of the tests has come to {peak:.0f} MB, at most {most:.0f} MB are allowed"


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    if error:
        died.append(f"the worker {node.gateway.id} died: {error}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if died and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"at most {peak_mb():.0f} MB")
    if "MOST_MB_OF_TESTS" in os.environ:  # for `run.py`
        seconds = collections.Counter()
        for report in itertools.chain(*terminalreporter.stats.values()):
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
        for file, taken in seconds.items():
            terminalreporter.write_line(f"{taken:.1f} s in {file}")
    for line in died:
        terminalreporter.write_line(f"FAILED {line}", red=True)
