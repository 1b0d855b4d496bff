"""What the tests of the scripts share."""

import signal

import pytest


@pytest.fixture(autouse=True)
def own_signals():
    """Scripts take signals over; the tests' own process keeps its handlers."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
