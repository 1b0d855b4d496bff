"""Every public name says what it is and what it takes: a docstring, and a type for each argument and the result."""

import functools
import importlib
import inspect
import pkgutil
import types

import pytest

import keras_inr

TYPED_DUNDERS = ("__init__", "__call__")


def is_public(module):
    return not any(part.startswith("_") for part in module.split("."))


NAMES = ["keras_inr", *(module.name for module in pkgutil.walk_packages(keras_inr.__path__, "keras_inr."))]
MODULES = [name for name in NAMES if is_public(name)]


def untyped(function, is_bound):
    """Names of the arguments without a type, "return" among them."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1 if is_bound else 0 :]
    missing = [parameter.name for parameter in parameters if parameter.annotation is parameter.empty]
    if signature.return_annotation is signature.empty and function.__name__ != "__init__":
        missing.append("return")
    return missing


def function_of(member):
    """The function behind an entry of a class, None for anything else."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, (classmethod, staticmethod)):
        return member.__func__
    if isinstance(member, functools.cached_property):
        return member.func
    return member if inspect.isfunction(inspect.unwrap(member)) else None


def is_documented(cls, name):
    """Whether a method has a docstring, here or where it is inherited from, or is that of a class of others."""
    owners = [base for base in cls.__mro__ if name in vars(base)]
    foreign = any(not base.__module__.startswith("keras_inr") for base in owners if base.__module__ != cls.__module__)
    return foreign or any(vars(base)[name].__doc__ for base in owners)


def faults_of_class(cls):
    if not cls.__doc__ or cls.__doc__.startswith(f"{cls.__name__}("):  # a dataclass gets its signature for a docstring
        yield f"{cls.__qualname__} has no docstring"
    for name, member in vars(cls).items():
        function = function_of(member)
        is_borrowed = function is not None and function.__module__ != cls.__module__
        if function is None or is_borrowed or (name.startswith("_") and name not in TYPED_DUNDERS):
            continue
        if not name.startswith("_") and not is_documented(cls, name):
            yield f"{cls.__qualname__}.{name} has no docstring"
        for argument in untyped(function, is_bound=not isinstance(member, staticmethod)):
            yield f"{cls.__qualname__}.{name} has no type for {argument}"
        if isinstance(member, property) and member.fset:
            for argument in untyped(member.fset, is_bound=True):
                yield f"the setter of {cls.__qualname__}.{name} has no type for {argument}"


def faults_of(module):
    """What the public functions and classes that a module defines lack."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield from faults_of_class(value)
        elif inspect.isfunction(inspect.unwrap(value)):
            if not value.__doc__:
                yield f"{name} has no docstring"
            for argument in untyped(value, is_bound=False):
                yield f"{name} has no type for {argument}"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_have_docstrings_and_types(name):
    faults = list(faults_of(importlib.import_module(name)))
    assert not faults, "\n".join(faults)


SOURCE = '''
import dataclasses, functools, keras

def half(value, *others: int):
    return value / 2

@functools.cache
def third(value: float) -> float:
    """A third."""

@dataclasses.dataclass
class Point:
    x: float

class Layer(keras.layers.Layer):
    """A layer."""
    def __init__(self, units, **kwargs: object): ...
    def call(self, inputs) -> float: ...
    @property
    def width(self): ...
    @classmethod
    def of(cls, other: float) -> float:
        """A layer like another."""
    def _own(self, value): ...

class Wide(Layer):
    """A wide layer."""
    @classmethod
    def of(cls, other): ...
'''


def test_what_is_missing_is_found():
    module = types.ModuleType("example")
    exec(SOURCE, vars(module))
    assert list(faults_of(module)) == [
        "half has no docstring",
        "half has no type for value",
        "half has no type for return",
        "Point has no docstring",
        "Layer.__init__ has no type for units",
        "Layer.call has no type for inputs",
        "Layer.width has no docstring",
        "Layer.width has no type for return",
        "Wide.of has no type for other",
        "Wide.of has no type for return",
    ]
