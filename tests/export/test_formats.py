"""Exports for other runtimes: every preset in every format, and what is refused leaves nothing behind."""

import functools
import importlib.util
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.small_fields import ATOL, COORDS, DAILY, SMALL, small_field
from keras_inr.errors import InputError, InputTypeError
from keras_inr.export import export_field
from keras_inr.export import formats as module
from keras_inr.export.formats import FORMATS
from keras_inr.models import Field, Lattice, Siren, field_of_blocks, from_preset, list_presets

WAVES = {"units": (16, 16)}
CELLS = {"layout": ((6, 4.0, 2), (6, 0.5, 4)), "units": (16,)}
LATTICE = {"num_levels": 4, "table_size": 256, "units": (16,)}
SIZES = {
    **SMALL,
    **dict.fromkeys(("siren_init_33", "siren_jax", "siren_muon", "siren_paper"), WAVES),
    "wire_own": {"units": (8, 8), "omega_0": 5.0, "scale": 2.0},
    "mfn_fourier": {"units": 16, "input_scale": 30.0},
    **dict.fromkeys(("hash_16", "hash_large", "tiled_grid"), LATTICE),
    **dict.fromkeys(("cell_grid", "cell_grid_4", "cell_grid_source"), CELLS),
    "cell_grid_smooth": {"layout": ((6, 4.0, 2),), "units": (16,)},
    "pixel_grid_small": SMALL["pixel_grid"],
}
SUFFIXES = {name: chosen.suffix for name, chosen in FORMATS.items()}
HERE = {*DAILY, "cell_grid", "cell_grid_source"}
PRESETS = [pytest.param(name, marks=[] if name in HERE else pytest.mark.slow) for name in SIZES]


def needs(*formats):
    """Skips a test where packages are absent that a format needs."""
    missing = [p for name in formats for p in FORMATS[name].packages if importlib.util.find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


every_format = pytest.mark.parametrize("format", [pytest.param(name, marks=needs(name)) for name in FORMATS])


@functools.cache
def made(preset):
    field = from_preset(preset, **{"seed": 1, "picture_size": (20, 30), **SIZES[preset]})
    rng = np.random.default_rng(0)
    for weight in field.stack[0].weights:
        if "table" in weight.name:
            weight.assign(rng.uniform(-1, 1, weight.shape))
    return field


def answers(path, format, coords):
    chosen = FORMATS[format]
    return chosen.runner(str(path / chosen.file if chosen.file else path))(coords)


def test_every_preset_has_a_small_size():
    assert set(SIZES) >= {info.name for info in list_presets()}


@every_format
@pytest.mark.parametrize("preset", PRESETS)
def test_any_number_of_points(preset, format, tmp_path):
    field, path = made(preset), tmp_path / f"field{SUFFIXES[format]}"
    assert export_field(field, path, format) == path
    for coords in (COORDS, COORDS[:1]):
        values = answers(path, format, coords)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, field(coords), rtol=0, atol=ATOL)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@every_format
@pytest.mark.parametrize("preset", ["siren", "multi_hash", "cell_grid_source"])
@pytest.mark.parametrize("batch", [1, len(COORDS)])
def test_a_fixed_number_of_points(preset, format, batch, tmp_path):
    field, path = made(preset), tmp_path / f"field{SUFFIXES[format]}"
    export_field(field, path, format, batch=batch)
    coords = COORDS[:batch]
    np.testing.assert_allclose(answers(path, format, coords), field(coords), rtol=0, atol=ATOL)


@every_format
def test_a_hash_with_every_bit(format, tmp_path):
    """Large vertices, whose products with primes wrap around to numbers of either sign."""
    field = small_field("multi_hash", finest_resolution=2**20, table_size=2**12)
    path = tmp_path / f"field{SUFFIXES[format]}"
    export_field(field, path, format)
    inner = COORDS * np.float32(0.9)  # on the border of a picture all products are of the last vertex
    np.testing.assert_allclose(answers(path, format, inner), field(inner), rtol=0, atol=ATOL)


@needs("onnx")
def test_an_existing_file_is_replaced(tmp_path):
    path = tmp_path / "field.onnx"
    path.write_text("another")
    export_field(made("siren"), path, "onnx")
    np.testing.assert_allclose(answers(path, "onnx", COORDS), made("siren")(COORDS), rtol=0, atol=ATOL)


@needs("onnx")
def test_names(tmp_path):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(export_field(made("siren"), tmp_path / "field.onnx", "onnx")).graph
    assert [entry.name for entry in graph.input] == ["coords"]
    assert len(graph.output) == 1


@keras.saving.register_keras_serializable(package="test_formats")
class Bessel(keras.layers.Layer):
    """What no format has an operation for."""

    def call(self, inputs):
        return tf.math.bessel_i0(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


@every_format
def test_an_operation_that_is_missing(format, tmp_path):
    field, path = Field([Bessel(), keras.layers.Dense(3)]), tmp_path / f"field{SUFFIXES[format]}"
    if SUFFIXES[format]:
        path.write_text("another")
    title = FORMATS[format].title
    with pytest.raises(InputError, match=rf"^{title} cannot hold this Field: it has no operation for BesselI0$"):
        export_field(field, path, format)
    assert [entry.read_text() for entry in tmp_path.iterdir()] == (["another"] if SUFFIXES[format] else [])


@every_format
def test_values_that_are_not_the_fields(format, tmp_path, monkeypatch):
    def shifted(run):
        return lambda path: lambda coords: run(path)(coords) + np.float32(2e-5)

    chosen = FORMATS[format]
    changed = {format: module.dataclasses.replace(chosen, runner=shifted(chosen.runner))}
    monkeypatch.setattr(module, "FORMATS", {**FORMATS, **changed})
    told = rf"^{chosen.title} must give the values of the field within 1e-05, received [12][.]\de-05; a step of"
    with pytest.raises(InputError, match=told):
        export_field(made("siren"), tmp_path / f"field{SUFFIXES[format]}", format)
    assert list(tmp_path.iterdir()) == []


@needs("onnx")
def test_values_that_are_not_finite(tmp_path):
    field = Siren(units=(8,), seed=0)
    field.stack[-2].bias.assign([np.inf, 0, 0])
    with pytest.raises(InputError, match="field must give finite values to be exported"):
        export_field(field, tmp_path / "field.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.pt2", "torch"), r"format must not be 'torch', which Keras writes from its PyTorch backend only"),
        (("a.onnx", "onnxx"), r"format must be one of .*, received 'onnxx'; did you mean 'onnx'\?"),
        (("a.tflite", "onnx"), r"path must end in \.onnx for ONNX, received '.*a\.tflite'"),
        (("a.onnx", "litert"), r"path must end in \.tflite for LiteRT, received '.*a\.onnx'"),
        (("none/a.onnx", "onnx"), r"path must be in a folder that exists, received '.*none/a\.onnx'"),
        (("folder.onnx", "onnx"), r"path must be a file for ONNX, received the folder '.*folder\.onnx'"),
        (("full", "openvino"), r"path must be a folder that does not exist, or is empty, for OpenVINO, received"),
        (("full/x", "openvino"), r"path must be a folder that does not exist, or is empty, for OpenVINO, received"),
        (("a.onnx", "onnx", 0), r"batch must be a positive integer, received 0"),
    ],
)
def test_arguments(arguments, message, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "folder.onnx").mkdir()
    before = sorted(tmp_path.rglob("*"))
    path, *others = arguments
    with pytest.raises(InputError, match=message):
        export_field(Siren(units=(8,)), tmp_path / path, *others)
    assert sorted(tmp_path.rglob("*")) == before


def test_fields(tmp_path):
    path = tmp_path / "a.onnx"
    with pytest.raises(InputError, match="field must have the policy float32 for onnx, received 'mixed_float16'"):
        export_field(Siren(units=(8,), dtype="mixed_float16"), path, "onnx")
    with pytest.raises(InputError, match="field must be a single field to be exported, received num_fields=2"):
        export_field(Siren(units=(8,), num_fields=2), path, "onnx")
    lattice = Lattice((9, 9), (9, 9), 1)
    blocks = field_of_blocks([Siren(units=(8,), picture_size=lattice.block_size)], lattice)
    with pytest.raises(InputError, match="field must be one network for onnx, received a BlockField, which calls its"):
        export_field(blocks, path, "onnx")
    with pytest.raises(InputTypeError, match=r"field must be a keras_inr\.models\.Field"):
        export_field(keras.Sequential([keras.layers.Dense(3)]), path, "onnx")


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("onnx", r"^format 'onnx' needs tf2onnx and onnx and onnxruntime: pip install 'keras_inr\[onnx\]'$"),
        ("litert", r"^format 'litert' needs ai_edge_litert: pip install 'keras_inr\[litert\]'$"),
        ("openvino", r"^format 'openvino' needs openvino: pip install 'keras_inr\[openvino\]'$"),
    ],
)
def test_an_extra_that_is_not_installed(format, message, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=message):
        export_field(Siren(units=(8,)), tmp_path / f"a{SUFFIXES[format]}", format)
    assert list(tmp_path.iterdir()) == []


@needs("openvino")
@pytest.mark.parametrize("before", [None, "false"])
def test_openvino_tells_nobody(before, tmp_path, monkeypatch):
    """Its telemetry asks for the variable, which is as before afterwards."""
    monkeypatch.delenv("CI", raising=False)
    if before is not None:
        monkeypatch.setenv("CI", before)
    export_field(made("siren"), tmp_path / "field", "openvino")
    assert os.environ.get("CI") == before
    from openvino_telemetry.main import Telemetry

    assert not Telemetry().consent
