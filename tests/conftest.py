"""What every test shares: quiet logs, warnings as errors, fixed seeds, the default policy, a bound on memory."""

import os
import resource

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

MARKERS = (
    "slow: takes more than a minute; not in the default run",
    "reproduction: repeats a published study; not in the default run",
)

PEAKS = pytest.StashKey[list]()
MOST_GIB = 2.0
"""The most memory that a worker may take: two of them must pass on a laptop of 8 GB."""

# NumPy 2 asks for a `copy` keyword that the variables of Keras 3.15 do not take
THIRD_PARTY_WARNINGS = ("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",)


def pytest_configure(config):
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    # in front, so that every filter of the project's configuration goes before it
    config.getini("filterwarnings")[:0] = ["error", *THIRD_PARTY_WARNINGS]
    # the same examples every time, and no folder of them in the working tree
    hypothesis.settings.register_profile("repeatable", deadline=None, max_examples=25, derandomize=True, database=None)
    hypothesis.settings.load_profile("repeatable")


def pytest_sessionfinish(session):
    """A worker tells how much memory it has taken at most; the run fails if that was too much."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    elif max(peaks(session.config)) > MOST_GIB and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash.setdefault(PEAKS, []).append(getattr(node, "workeroutput", {}).get("peak_gib", 0.0))


def pytest_terminal_summary(terminalreporter, config):
    if any(peaks(config)):
        told = f"workers took {', '.join(f'{peak:.1f}' for peak in peaks(config))} GiB"
        terminalreporter.write_line(
            f"{told}, at most {MOST_GIB:.1f} are allowed: see `make test` and tests/conftest.py"
        )


def peaks(config):
    """The most memory that each worker has taken, in GiB."""
    return config.stash.get(PEAKS, [0.0])


@pytest.fixture(autouse=True)
def fresh_keras_state():
    import keras  # not above: the process that only hands out tests needs no TensorFlow, nor its start-up messages

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
