"""What every test shares: quiet logs, warnings as errors, fixed seeds, the default policy."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest
from worker_checks import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown, too_big  # noqa: F401

MARKERS = (
    "slow: takes more than about five seconds, such as a whole study in small; `make test-all` and CI run it",
    "reproduction: repeats a published study; in no run but one that asks for it",
)

# tests fit networks that are far too small, for a few steps
ADVICE = ("ignore::keras_inr.errors.RecipeWarning",)

# NumPy 2 asks for a `copy` keyword that the variables of Keras 3.15 do not take; schemathesis imports its plugin
THIRD_PARTY_WARNINGS = (
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    "ignore:Module already imported so cannot be rewritten; schemathesis:pytest.PytestAssertRewriteWarning",
)


def pytest_configure(config):
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    # in front, so that every filter of the project's configuration goes before it
    config.getini("filterwarnings")[:0] = ["error", *ADVICE, *THIRD_PARTY_WARNINGS]
    # the same examples every time, and no folder of them in the working tree
    hypothesis.settings.register_profile("repeatable", deadline=None, max_examples=25, derandomize=True, database=None)
    hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def fresh_keras_state():
    import keras  # not above: the process that only hands out tests needs no TensorFlow, nor its start-up messages

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    yield
    told = too_big()
    if told:
        pytest.fail(told)


def pytest_addoption(parser):
    parser.addoption("--server_url", help="of a REST API to try the contract on, such as http://localhost:8501")
    parser.addoption("--grpc_url", help="its gRPC address, such as localhost:8500")
