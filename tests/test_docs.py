import doctest
import importlib
import pkgutil

import pytest

import keras_inr

MODULES = ["keras_inr", *(module.name for module in pkgutil.walk_packages(keras_inr.__path__, "keras_inr."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
