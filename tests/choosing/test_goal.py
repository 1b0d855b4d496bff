import re

import pytest

from keras_inr.choosing.goal import Goal


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        *(("40dB", 40, "dB"), ("32.5 db", 32.5, "dB"), ("150dB", 150, "dB"), ("50kB", 50, "kB")),
        *((" 30s ", 30, "s"), (".5S", 0.5, "s"), ("5MB", 5000, "kB"), ("0.5mb", 500, "kB")),
    ],
)
def test_read(text, amount, unit):
    assert Goal.parse(text) == Goal(amount, unit)


@pytest.mark.parametrize(
    "text", ["", "40", "dB", "40 minutes", "-3dB", "1e3dB", "40dB or so", "٤٠dB", "４０dB", None, 40]
)
def test_refused(text):
    message = f"goal must be a number with dB, kB, MB or s behind it, such as 40dB, received {text!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        Goal.parse(text)


@pytest.mark.parametrize(
    ("text", "most"), [("400dB", "150 dB"), ("0dB", "150 dB"), ("0s", r"1e\+06 s"), ("5000000MB", r"1e\+09 kB")]
)
def test_out_of_range(text, most):
    with pytest.raises(ValueError, match=f"goal must be above 0 and at most {most}, received '{text}'"):
        Goal.parse(text)
