"""The house rules of design section 1 that a test can hold."""

import ast
import configparser
import importlib
import os
import pathlib
import re
import subprocess
import sys

import keras
import pytest

from keras_inr._backend import require_tensorflow

ROOT = pathlib.Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "keras_inr").rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))
# imports point to a lower rank, or stay in their folder; `keras_inr/__init__.py` collects the public names from all
RANKS = {
    "_arguments": -1,
    "_bars": -1,
    "_cpu_xla": -1,
    "_custom_gradients": -1,
    "_lazy": -1,
    "_portable": -1,
    "_variable_names": -1,
    "errors": -2,
    "_version": 0,
    "_backend": 0,
    "_registration": 1,
    "_disk_errors": 0,
    "_files": 0,
    "_reading": 0,
    "coordinates": 0,
    "_cores": 0,
    "initializers": 0,
    "forward_rules": 0,
    "kinks": 0,
    "_sines": 0,
    "layers": 1,
    "derivatives": 1,
    "metrics": 1,
    "poisson": 1,
    "losses": 1,
    "signals": 1,
    "datasets": 2,
    "alignment": 2,
    "rendering": 2,
    "models": 3,
    "choosing": 4,
    "presets": 5,
    "training": 6,
    "export": 6,
    "serving": 7,
    "web": 7,
    "gateway": 8,
    "runs": 7,
    "fleet": 8,
    "blocks": 9,
    "comparing": 9,
    "cli": 10,
    "__main__": 11,
}
MAX_FUNCTION_LINES = 40


def name_of(path):
    return str(path.relative_to(ROOT))


def part_of(path):
    """The top-level folder or module of the package that a file belongs to."""
    return path.relative_to(ROOT / "keras_inr").with_suffix("").parts[0]


def nodes(path, kinds):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def imported_modules(path):
    """The dotted module of every import statement, `from a import b` counting as a."""
    statements = nodes(path, (ast.Import, ast.ImportFrom))
    plain = [alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names]
    return plain + [node.module for node in statements if isinstance(node, ast.ImportFrom) and node.module]


def code_lines(function, lines):
    """How many lines a function's body has without its docstring and blank lines."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return sum(bool(line.strip()) for line in lines[body[0].lineno - 1 : function.end_lineno]) if body else 0


inner_files = pytest.mark.parametrize("path", [path for path in LIBRARY if path.stem != "__init__"], ids=name_of)
library_files = pytest.mark.parametrize("path", LIBRARY, ids=name_of)
all_files = pytest.mark.parametrize("path", LIBRARY + SCRIPTS, ids=name_of)


@inner_files
def test_imports_point_to_a_lower_rank(path):
    own = part_of(path)
    assert own in RANKS, f"give {own!r} a rank in {name_of(pathlib.Path(__file__))}"
    for module in imported_modules(path):
        if module.startswith("keras_inr."):
            other = module.split(".")[1]
            assert other == own or RANKS[other] < RANKS[own], f"{own} imports {module}"


@inner_files
def test_imports_are_by_full_module_path(path):
    """Names come from the file that defines them, not from what a package collects."""
    for node in nodes(path, ast.ImportFrom):
        assert node.level == 0, f"relative import of {node.module!r}"
        if node.module.split(".")[0] == "keras_inr":
            places = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files = [(ROOT / place.replace(".", "/")).with_suffix(".py").is_file() for place in places]
            assert files[0] or all(files[1:]), f"{node.module} is not a file"
    assert "keras_inr" not in imported_modules(path)


@all_files
def test_no_catch_all_modules(path):
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}


@all_files
def test_functions_are_short(path):
    lines = path.read_text().splitlines()
    for function in nodes(path, (ast.FunctionDef, ast.AsyncFunctionDef)):
        assert code_lines(function, lines) <= MAX_FUNCTION_LINES, function.name


@pytest.mark.parametrize("path", [path for path in LIBRARY if part_of(path) != "cli"], ids=name_of)
def test_only_the_command_line_prints_and_has_flags(path):
    calls = [node.func for node in nodes(path, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    assert not [module for module in imported_modules(path) if module.split(".")[0] == "absl"]


@library_files
def test_errors_are_not_only_rewrapped(path):
    """An error is raised where the problem is found, as what it is: whoever catches it adds something, or goes on."""
    for handler in nodes(path, ast.ExceptHandler):
        if len(handler.body) == 1 and isinstance(handler.body[0], ast.Raise) and handler.body[0].exc is not None:
            raised = ast.unparse(handler.body[0].exc)
            assert not re.fullmatch(r"[A-Z]\w+\((str\(error\)|error)\)", raised), f"line {handler.lineno}: {raised}"


def test_one_definition_each():
    """Of what is easily written again: the weights of luma, PNG files, cells of a raster."""
    for pattern, path in (
        (r"0\.299, 0\.587", "signals/luma.py"),
        (r'format="PNG"|, "PNG"', "rendering/png.py"),
        (r"\(x1 - x0\) / ", "coordinates.py"),
    ):
        found = {name_of(file) for file in LIBRARY if re.search(pattern, code_of(file))}
        assert found == {f"keras_inr/{path}"}, pattern


def code_of(path):
    """A file's text without its docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree).replace("'", '"')


def test_what_an_import_brings():
    """`import keras_inr` brings layers and models, and no decoder, no figure and no training."""
    code = (
        "import sys, tensorflow, keras; before = set(sys.modules)\n"
        "import keras_inr; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    brought = done.stdout.split()
    own = {name.split(".")[1] for name in brought if name.startswith("keras_inr.")}
    assert not own & {"datasets", "training", "export", "runs", "fleet", "cli", "choosing", "presets"}
    assert [name for name in brought if name.startswith("keras_inr.signals.")] == ["keras_inr.signals.luma"]
    assert {name.split(".")[0] for name in brought} == {"keras_inr"}
    assert len(brought) < 80


def test_a_package_tells_its_public_names():
    import keras_inr

    assert {"fit", "Field", "Recipe", "load_image", "from_preset"} <= set(dir(keras_inr))
    assert {*dir(keras_inr)} == {*keras_inr.__all__}
    for package in [path.parent for path in LIBRARY if path.stem == "__init__"]:
        name = ".".join(package.relative_to(ROOT).parts)
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            assert getattr(module, public) is not None
            assert not (package / f"{public}.py").exists(), f"{name}.{public} is a module too"
    with pytest.raises(AttributeError, match="module 'keras_inr' has no attribute 'fits'"):
        keras_inr.fits  # noqa: B018


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch"])
def test_another_backend_is_refused_in_one_sentence(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", "import keras_inr"]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "TensorFlow" in last
    assert repr(backend) in last


def test_another_backend_in_the_settings_of_keras_is_refused(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="TensorFlow, and the backend is 'jax'"):
        require_tensorflow()


def test_a_wheel_has_the_stubs_that_names_are_read_from():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options.package_data"]["*"] == "*.pyi"
    assert "py.typed" in setup["options.package_data"]["keras_inr"]
