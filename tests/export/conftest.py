"""Exports of small fields, and a server-like process that runs them."""

import pathlib
import pickle
import subprocess
import sys

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from export.small_fields import CHUNK, MAX_PIXELS, MAX_POINTS, MAX_ROWS, small_field
from keras_inr.export import export_saved_model

LIBRARY = pathlib.Path(tf.__file__).with_name("libtensorflow_cc.so.2")


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """exported(preset, **arguments) -> (field, version folder), each made once."""
    made = {}

    def get(preset="siren_256", **arguments):
        key = (preset, *sorted(arguments.items()))
        if key not in made:
            field = small_field(preset, **arguments)
            base = tmp_path_factory.mktemp("exported")
            limits = {"max_pixels": MAX_PIXELS, "chunk": CHUNK, "max_points": MAX_POINTS, "max_rows": MAX_ROWS}
            folder = export_saved_model(field, base, info={"psnr_db": 31.5}, **limits)
            made[key] = field, folder
        return made[key]

    return get


@pytest.fixture(scope="session")
def served(exported):
    """served(preset, **arguments) -> (field, signatures), loaded once."""
    loaded = {}

    def get(preset="siren_256", **arguments):
        field, folder = exported(preset, **arguments)
        if folder not in loaded:
            loaded[folder] = tf.saved_model.load(str(folder))
        return field, loaded[folder].signatures

    return get


def tensor_names(folder, signature):
    """({input: tensor name}, {output: tensor name}) of a signature, as a server reads them."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    definition = saved_model.meta_graphs[0].signature_def[signature]
    inputs = {alias: tensor.name for alias, tensor in definition.inputs.items()}
    return inputs, {alias: tensor.name for alias, tensor in definition.outputs.items()}


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """serve([(folder, [(signature, {input: array})])]) -> ([[{output: array} or message]], peak memory in bytes).

    One process per call, see c_api.py.
    """

    def run(jobs):
        work = tmp_path_factory.mktemp("c_api")
        calls, aliases = [], []
        for folder, requests in jobs:
            names = [(*tensor_names(folder, signature), feeds) for signature, feeds in requests]
            translated = [
                ({inputs[alias]: array for alias, array in feeds.items()}, list(outputs.values()))
                for inputs, outputs, feeds in names
            ]
            calls.append((str(folder), translated))
            aliases.append([{name: alias for alias, name in outputs.items()} for _, outputs, _ in names])
        (work / "jobs").write_bytes(pickle.dumps(calls))
        script = pathlib.Path(__file__).with_name("c_api.py")
        command = [sys.executable, str(script), str(LIBRARY), str(work / "jobs"), str(work / "replies")]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        replies, peak = pickle.loads((work / "replies").read_bytes())
        return [
            [r if isinstance(r, str) else {alias[n]: a for n, a in r.items()} for r, alias in zip(*pair, strict=True)]
            for pair in zip(replies, aliases, strict=True)
        ], peak

    return run
