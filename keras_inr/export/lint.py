"""Checks of a SavedModel file against what TensorFlow Serving can load and run."""

import os
import pathlib
from collections.abc import Iterator
from typing import Any

from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

# Ops with CPU kernels in every build of TensorFlow Serving, without side effects on the server. Python functions,
# XLA programs (Serving runs with XLA off), files, random numbers and custom ops are absent on purpose.
_NAMES = """
    Abs Acos Acosh AddN AddV2 Angle Asin Asinh Atan Atan2 Atanh Ceil Complex ComplexAbs Conj Cos Cosh Div DivNoNan
    Elu EluGrad Erf Erfc Exp Expm1 Floor FloorDiv FloorMod Imag Inv InvGrad IsFinite IsInf IsNan LeakyRelu LeakyReluGrad
    Log Log1p LogSoftmax Maximum Minimum Mod Mul MulNoNan Neg Pow Real RealDiv Reciprocal ReciprocalGrad Relu Relu6
    Relu6Grad ReluGrad Rint Round Rsqrt RsqrtGrad Selu SeluGrad Sigmoid SigmoidGrad Sign Sin Sinh Softmax Softplus
    SoftplusGrad Softsign SoftsignGrad Sqrt SqrtGrad Square SquaredDifference Sub Tan Tanh TanhGrad Xdivy Xlogy
    BitwiseAnd BitwiseOr BitwiseXor Equal Greater GreaterEqual Invert LeftShift Less LessEqual LogicalAnd LogicalNot
    LogicalOr NotEqual RightShift Select SelectV2
    All Any ArgMax ArgMin Cumprod Cumsum Max Mean Min Prod Sum
    BatchMatMulV2 BatchMatMulV3 BiasAdd BiasAddGrad Einsum FFT FFT2D IFFT IFFT2D IRFFT IRFFT2D MatMul RFFT RFFT2D
    BroadcastArgs BroadcastGradientArgs BroadcastTo Cast ClipByValue Concat ConcatOffset ConcatV2 Const
    DynamicStitch EnsureShape ExpandDims Fill GatherNd GatherV2 Identity IdentityN InvertPermutation LinSpace
    MatrixDiagV3 MirrorPad OneHot OnesLike Pack Pad PadV2 PreventGradient Range Rank Reshape ReverseV2 Roll
    ScatterNd Shape ShapeN Size Slice Split SplitV Squeeze StopGradient StridedSlice StridedSliceGrad
    TensorScatterAdd TensorScatterUpdate Tile TopKV2 Transpose Unique UniqueWithCounts
    Unpack UnsortedSegmentSum Where ZerosLike
    Case If NoOp PartitionedCall Placeholder PlaceholderWithDefault StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile While
    EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListSetItem
    TensorListStack
    AsString Assert EncodeBase64 EncodeJpeg EncodePng StaticRegexFullMatch StringFormat StringJoin
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints ReadVariableOp ResourceGather RestoreV2 SaveV2
    ShardedFilename VarHandleOp
"""
ALLOWED_OPS = frozenset(_NAMES.split())
TEXT_OUTPUTS = ("info",)
INIT_SIGNATURE = "__saved_model_init_op"


def lint_saved_model(folder: str | os.PathLike[str]) -> list[str]:
    """What keeps TensorFlow Serving from running a SavedModel, as a list of sentences; empty if nothing does.

    Checks that there is one graph under the tag "serve"; that no function or node must be compiled with XLA and all
    ops are in `ALLOWED_OPS`; that `serving_default` exists; that every signature has an input and all its inputs and
    outputs have a first axis of any length, which requests in rows and batching need; that string outputs are named
    `*_bytes`, or are text: other names put raw bytes into the JSON of a REST reply.

    Args:
        folder: the SavedModel's folder, with saved_model.pb.

    >>> import tempfile, tensorflow as tf
    >>> folder = tempfile.mkdtemp()
    >>> module = tf.Module()
    >>> module.roll = tf.function(lambda: {"die": tf.random.uniform(())}, input_signature=[])
    >>> tf.saved_model.save(module, folder, signatures=module.roll)
    >>> for problem in lint_saved_model(folder):
    ...     print(problem)
    op 'RandomUniform' is not in ALLOWED_OPS
    signature 'serving_default' must have an input
    signature 'serving_default' must have a first axis of any length in 'die', received shape []
    """
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    tags = [list(graph.meta_info_def.tags) for graph in saved_model.meta_graphs]
    if tags != [["serve"]]:
        return [f"the SavedModel must have one graph with the tag 'serve', received {tags}"]
    (graph,) = saved_model.meta_graphs
    return [*_op_problems(graph.graph_def), *_signature_problems(graph.signature_def)]


def _op_problems(graph_def: Any) -> Iterator[str]:
    functions = graph_def.library.function
    nodes = [*graph_def.node, *(node for function in functions for node in function.node_def)]
    for op in sorted({node.op for node in nodes} - ALLOWED_OPS - {function.signature.name for function in functions}):
        yield f"op {op!r} is not in ALLOWED_OPS"
    if any(part.attr["_XlaMustCompile"].b for part in (*functions, *nodes) if "_XlaMustCompile" in part.attr):
        yield "a function is compiled with XLA (jit_compile=True), which TensorFlow Serving has switched off"


def _signature_problems(signatures: Any) -> Iterator[str]:
    if "serving_default" not in signatures:
        yield f"there must be a signature 'serving_default', received {sorted(signatures)}"
    for name in sorted(set(signatures) - {INIT_SIGNATURE}):
        signature = signatures[name]
        if not signature.inputs:
            yield f"signature {name!r} must have an input"
        for alias, tensor in sorted([*signature.inputs.items(), *signature.outputs.items()]):
            shape = None if tensor.tensor_shape.unknown_rank else [axis.size for axis in tensor.tensor_shape.dim]
            if not shape or shape[0] != -1:
                yield f"signature {name!r} must have a first axis of any length in {alias!r}, received shape {shape}"
        for alias, tensor in sorted(signature.outputs.items()):
            if tensor.dtype == types_pb2.DT_STRING and not alias.endswith("_bytes") and alias not in TEXT_OUTPUTS:
                yield f"signature {name!r} must call a string output *_bytes, received {alias!r}"
