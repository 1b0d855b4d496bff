"""Signals as a wish."""

import signal
import threading

import pytest

from keras_inr.runs.interrupts import Interrupts

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def handlers():
    return [signal.getsignal(number) for number in NUMBERS]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_is_noted(number):
    with Interrupts() as interrupts:
        assert interrupts.received is None
        signal.raise_signal(number)
        assert interrupts.received == number


@pytest.mark.parametrize("first", NUMBERS)
@pytest.mark.parametrize("second", NUMBERS)
def test_the_second_interrupts_at_once(first, second):
    with Interrupts() as interrupts:
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(second)
        assert interrupts.received == first
        assert caught.value.signal_number == second


def test_handlers_come_back():
    before = handlers()
    with Interrupts():
        assert all(new != old for new, old in zip(handlers(), before, strict=True))
    assert handlers() == before
    with pytest.raises(RuntimeError), Interrupts():
        raise RuntimeError
    assert handlers() == before


def test_one_inside_another():
    with Interrupts() as outer:
        with Interrupts() as inner:
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert (inner.received, outer.received) == (signal.SIGINT, signal.SIGTERM)


def test_in_another_thread_nothing_is_caught():
    before = handlers()
    seen = []

    def work():
        with Interrupts() as interrupts:
            seen.append((interrupts.received, handlers()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, before)]
