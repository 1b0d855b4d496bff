import dataclasses
import pathlib
import pickle
import re

import numpy as np
import pytest

from keras_inr._arguments import (
    count,
    did_you_mean,
    holds_pattern,
    local_path,
    names_arguments,
    number_range,
    one_of,
    positive_float,
    positive_int,
    positive_ints,
    servable_path,
)


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(255)])
def test_positive_int_takes_any_integer(value):
    number = positive_int("width", value)
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, np.float32(2), float("nan"), [1]])
def test_positive_int_refuses(value):
    with pytest.raises(ValueError, match=re.escape(f"width must be a positive integer, received {value!r}")):
        positive_int("width", value)


@pytest.mark.parametrize("values", [[3], (1, 2), np.array([4, 5]), (number for number in (6, 7))])
def test_positive_ints_gives_a_tuple(values):
    numbers = positive_ints("units", values)
    assert numbers in {(3,), (1, 2), (4, 5), (6, 7)}
    assert all(type(number) is int for number in numbers)


@pytest.mark.parametrize("values", [5, "12", None, ()])
def test_positive_ints_refuses_what_is_no_sequence(values):
    message = f"units must be a sequence of positive integers, received {values!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        positive_ints("units", values)


def test_positive_ints_names_the_entry():
    with pytest.raises(ValueError, match=r"units must be a positive integer, received 0\.5"):
        positive_ints("units", (64, 0.5))


@pytest.mark.parametrize(("value", "limits"), [(1e30, {}), (7, {"most": 7.0}), (2, {"most": 7.0, "least": 2.0})])
def test_positive_float_takes(value, limits):
    number = positive_float("scale", value, **limits)
    assert number == value
    assert type(number) is float


@pytest.mark.parametrize(
    ("limits", "allowed", "values"),
    [
        ({}, "finite and positive", [0, -1.0, float("inf"), float("nan"), "wide", None, 10**400]),
        ({"most": 7.0}, "in (0, 7]", [0, -1.0, 7.5, float("inf"), float("nan"), "wide", None]),
        ({"most": 7.0, "least": 0.5}, "in [0.5, 7]", [0, -1.0, 0.25, 7.5, float("inf")]),
    ],
)
def test_positive_float_refuses(limits, allowed, values):
    for value in values:
        with pytest.raises(ValueError, match=f"^{re.escape(f'scale must be {allowed}, received {value!r}')}$"):
            positive_float("scale", value, **limits)


def test_number_range_takes_two_ascending_numbers():
    assert number_range("value_range", (0, 1)) == (0.0, 1.0)
    assert number_range("value_range", (-1e6, 1e6)) == (-1e6, 1e6)


@pytest.mark.parametrize(
    "value", [1, (1,), (0, 1, 2), (1, 0), (0, 0), (0, float("inf")), ("a", "b"), None, (0, 2e6), (0, 1e-7)]
)
def test_number_range_names_what_it_received(value):
    told = "value_range must be two numbers within +-1e+06, the second larger by at least 1e-06, received"
    with pytest.raises(ValueError, match=re.escape(f"{told} {value!r}")):
        number_range("value_range", value)


@pytest.mark.parametrize(("value", "most"), [(2**31, None), (31, 30), (2**70, None)])
def test_positive_int_has_a_limit(value, most):
    limit = {} if most is None else {"most": most}
    with pytest.raises(ValueError, match=f"width must be at most {most or 2147483647}, received {value}$"):
        positive_int("width", value, **limit)


@pytest.mark.parametrize("value", [0, 7, 30, np.int64(3)])
def test_count_takes_none_of_something(value):
    number = count("octaves", value, 30)
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize("value", [-1, 31, False, 1.0, "1", None, float("nan")])
def test_count_refuses(value):
    with pytest.raises(ValueError, match=f"octaves must be an integer from 0 to 30, received {value!r}"):
        count("octaves", value, 30)


@pytest.mark.parametrize("text", ["a b", " a", "a*?{1}$x%20", "ü写", "a]", "/", "."])
def test_servable_path_takes_what_names_itself(text):
    assert servable_path("out", text) == pathlib.Path(text)
    assert servable_path("out", pathlib.Path(text)) == pathlib.Path(text)
    assert servable_path("out", text.encode()) == pathlib.Path(text)


def test_servable_path_expands_the_user(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert servable_path("out", "~/x") == pathlib.Path("/home/somebody/x")
    assert servable_path("out", "x/~") == pathlib.Path("x/~")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "out must be a path, received ''"),
        ("gs://bucket/x", "out must be a path on this machine, received 'gs://bucket/x'"),
        (b"\xff", "out must be a path that is text, received '\\udcff'"),
        ("a\0", "out must be a path without null characters, received 'a\\x00'"),
        ("~no such user/x", "out must begin with the home of a user of this machine, received '~no such user/x'"),
        ("g[1]", "out must be a path without [ and \\, which TensorFlow takes for patterns, received 'g[1]'"),
        ("a\\b", "out must be a path without [ and \\, which TensorFlow takes for patterns, received 'a\\\\b'"),
    ],
)
def test_servable_path_refuses(text, message):
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        servable_path("out", text)


def test_local_path_takes_patterns():
    assert local_path("model", "g[1]/a.keras") == pathlib.Path("g[1]/a.keras")
    assert holds_pattern(pathlib.Path("g[1]"))
    assert not holds_pattern(pathlib.Path("g(1)"))


@pytest.mark.parametrize(
    ("received", "meant"),
    [("sirne", "siren"), ("SIREN", "siren"), (" siren", "siren"), ("hash", "multi_hash"), ("multihash", "multi_hash")],
)
def test_the_nearest_name(received, meant):
    assert did_you_mean(received, ("siren", "multi_hash", "relu")) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("received", ["", "vgg16", "h", None, 3, ["siren"]])
def test_what_is_near_to_none(received):
    assert did_you_mean(received, ("siren", "multi_hash")) == ""


def test_one_of():
    assert one_of("form", "real", ("real", "complex")) == "real"
    told = "form must be one of ('real', 'complex'), received 'compelx'; did you mean 'complex'?"
    with pytest.raises(ValueError, match=re.escape(told)):
        one_of("form", "compelx", ("real", "complex"))


@names_arguments
@dataclasses.dataclass(frozen=True)
class Step:
    """An example."""

    rate: float = 0.1
    length: int = 1


def test_a_dataclass_names_its_arguments():
    assert (
        Step(0.2, length=3) == dataclasses.replace(Step(length=3), rate=0.2) == pickle.loads(pickle.dumps(Step(0.2, 3)))
    )
    with pytest.raises(TypeError, match=r"Step takes no argument 'lenght'; did you mean 'length'\?"):
        Step(lenght=3)
    with pytest.raises(TypeError, match=r"Step takes no argument 'seed'$"):
        dataclasses.replace(Step(), seed=3)
