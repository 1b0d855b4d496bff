"""Public names of packages that are imported when they are asked for."""

import ast
import importlib
import os
import pathlib
from collections.abc import Callable
from typing import Any


def attach(
    package: str, file: str | os.PathLike[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's `__init__.py` needs to have the names that the stub beside it lists.

    The stub, `__init__.pyi`, is what editors and type checkers read: lines `from MODULE import NAME as NAME`.

    Args:
        package: its `__name__`.
        file: its `__file__`.

    Returns:
        (`__getattr__`, `__dir__`, `__all__`) for the package.

    >>> names = attach("keras_inr.layers", pathlib.Path(__file__).parent / "layers" / "__init__.py")[2]
    >>> "SineDense" in names
    True
    """
    stub = ast.parse(pathlib.Path(file).with_suffix(".pyi").read_text())
    lines = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    modules = {name.asname or name.name: str(line.module) for line in lines for name in line.names}

    def __getattr__(name):
        if name in modules:
            return getattr(importlib.import_module(modules[name]), name)
        try:
            return importlib.import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":
                raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__, lambda: [*modules], [*modules]


def later(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported at the first call, for what a lower room shows by a higher one.

    >>> later("math", "floor")(1.5)
    1
    """

    def call(*arguments, **named):
        return getattr(importlib.import_module(module), name)(*arguments, **named)

    return call
