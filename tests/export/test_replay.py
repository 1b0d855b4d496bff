"""replay: an export that does not answer like its field is not published."""

import pytest

from export.small_fields import small_field
from keras_inr.export.replay import replay


def test_an_export_agrees_with_its_field(exported):
    field, folder = exported()
    replay(folder, field)


def test_another_field_is_noticed(exported):
    _, folder = exported()
    other = small_field(seed=2)
    with pytest.raises(ValueError, match=r"'serving_default' must equal the field within \d.\de-0\d, received \d.\de"):
        replay(folder, other)


def test_another_shape_is_noticed(exported):
    _, folder = exported()
    with pytest.raises(ValueError, match=r"'serving_default' must equal the field within .*, received inf"):
        replay(folder, small_field(channels=4))
