"""A description of a field as an ONNX model, for onnxruntime-web in bench_web.py: affine maps and hash grids."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from keras_inr.layers.hash_encoding import PRIMES

OPSET = 18
CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))


class Graph:
    """Nodes and initializers by name."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, array, dtype="float32"):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def __call__(self, op, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name


def model_of(description):
    """The bytes of a model from `coords` (N, 2) to `values` (N, channels)."""
    graph, registers = Graph(), {0: "coords"}
    for operation in description.operations:
        write = {"affine": affine, "grid": grid}[operation["op"]]
        registers[operation["to"]] = write(graph, description, operation, registers[operation["from"]])
    graph.nodes[-1].output[0] = "values"
    shapes = [("coords", 2), ("values", description.widths[-1])]
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", size]) for name, size in shapes]
    made = helper.make_graph(graph.nodes, "field", infos[:1], infos[1:], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def array_of(description, operation, name, *shape):
    start = operation[name]
    return description.numbers[start : start + int(np.prod(shape))].reshape(shape)


def affine(graph, description, operation, source):
    inputs, width = description.widths[operation["from"]], operation["width"]
    kernel = array_of(description, operation, "kernel", inputs, width)
    bias = array_of(description, operation, "bias", width)
    z = graph("Gemm", source, graph.constant(kernel), graph.constant(bias))
    if operation["activation"] == "linear":
        return z
    if operation["activation"] == "sine":
        return graph("Sin", z)
    return graph("LeakyRelu", z, alpha=operation["parameter"])  # of the two presets, the other one


def grid(graph, description, operation, source):
    """All levels at once: (N, levels, 2) positions, four gathered features, weighed."""
    levels, features = operation["levels"], operation["features"]
    cells = np.array([level["cells"] for level in levels])
    first = [level["first"] for level in levels]
    entries = sum(level["entries"] for level in levels)
    dense = graph.constant([level["kind"] == "dense" for level in levels], "bool")
    table = graph.constant(array_of(description, operation, "table", entries, features))
    mask = graph.constant([level["entries"] - 1 for level in levels], "int32")
    unit = graph("Add", graph("Mul", source, graph.constant(0.5)), graph.constant(0.5))
    unit = graph("Clip", unit, graph.constant(0.0), graph.constant(1.0))
    apart = graph("Unsqueeze", unit, graph.constant([1], "int64"))
    position = graph("Mul", apart, graph.constant(cells[:, None]))
    cell = graph("Min", graph("Floor", position), graph.constant(cells[:, None] - 1))
    t = graph("Sub", position, cell)
    axes = [graph.constant(axis, "int64") for axis in (0, 1)]
    x, y = (graph("Cast", graph("Gather", cell, axis, axis=2), to=onnx.TensorProto.INT32) for axis in axes)
    sides = [graph("Gather", t, axis, axis=2) for axis in axes]
    sides = [(graph("Sub", graph.constant(1.0), side), side) for side in sides]
    primes = np.array(PRIMES[:2], "uint32").view("int32")
    total = None
    for right, below in CORNERS:
        vertex = [graph("Add", c, graph.constant(step, "int32")) for c, step in ((x, right), (y, below))]
        row = graph("Add", vertex[0], graph("Mul", vertex[1], graph.constant(cells + 1, "int32")))
        products = [graph("Mul", c, graph.constant(prime, "int32")) for c, prime in zip(vertex, primes, strict=True)]
        hashed = graph("BitwiseAnd", graph("BitwiseXor", *products), mask)
        entry = graph("Add", graph("Where", dense, row, hashed), graph.constant(first, "int32"))
        weight = graph("Unsqueeze", graph("Mul", sides[0][right], sides[1][below]), graph.constant([2], "int64"))
        part = graph("Mul", graph("Gather", table, entry), weight)
        total = part if total is None else graph("Add", total, part)
    return graph("Reshape", total, graph.constant([-1, len(levels) * features], "int64"))
