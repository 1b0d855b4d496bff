"""Training functions that are compiled once for all fits of alike networks in a process.

TensorFlow and XLA keep what they have compiled for as long as the process lives: up to 15 MB for each fit that compiles
anew, and seconds.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

COMPILED: dict[str, Any] = {}
"""Fingerprint of a traced function -> one that computes the same, was compiled, and knows no variables of its own."""

NAMES_ONLY = ("_gradient_op_type", "_class", "_output_shapes", "_user_specified_name")
"""Attributes of operations that change nothing, but hold names that are others at each tracing."""


def share_steps(model: keras.Model) -> None:
    """Gives a compiled model a training function that it shares with all models whose steps are alike.

    It takes each model's own variables. Steps are alike if their graphs are, to the last constant. Models of a
    `tf.distribute` strategy, and those that run eagerly, keep Keras's.
    """
    with model.distribute_strategy.scope():
        if tf.distribute.has_strategy() or model.run_eagerly or tf.config.functions_run_eagerly():
            return
    step = compiled_once(model.train_step, jit_compile=model.jit_compile)
    model.train_function = compiled_once(functools.partial(several_steps, step, model.steps_per_execution))


def several_steps(step: Callable[[Any], Any], number: int, iterator: tf.data.Iterator) -> Any:
    """Takes a step on each of the next so many batches, or of those that are left; gives what the last one gives."""
    outputs = step(iterator.get_next())
    if number == 1:
        return outputs

    def another(count, left, outputs):
        batch = iterator.get_next_as_optional()
        left = batch.has_value()
        return count + 1, left, tf.cond(left, lambda: step(batch.get_value()), lambda: outputs)

    return tf.while_loop(lambda count, left, _: (count < number) & left, another, (1, True, outputs))[2]


def compiled_once(function: Callable[..., Any], jit_compile: bool = False) -> Callable[..., Any]:
    """`tf.function(function)` without gradients, compiled once for all functions with alike graphs.

    Args:
        function: of tensors and iterators, in any nests, and of Python numbers, which are constants, to tensors.
        jit_compile: whether XLA compiles it.
    """
    calls: dict[str, SharedCall] = {}

    def call(*args):
        if tf.config.functions_run_eagerly():
            return function(*args)
        inputs = [part for part in tf.nest.flatten(args, expand_composites=True) if tf.is_tensor(part)]
        kind = str(tf.nest.map_structure(kind_of, args))
        if kind not in calls:
            calls[kind] = shared_call(function, jit_compile, args)
        return calls[kind](*inputs)

    return call


@dataclasses.dataclass(frozen=True)
class SharedCall:
    """A function of one model, by the compiled one that it shares with others.

    Attributes:
        compiled: of COMPILED: a concrete function of tensors, then variables.
        variables: the model's own.
        structure: of what is returned, True for a tensor and False for None.
    """

    compiled: Any
    variables: list[tf.Tensor]
    structure: Any

    def __call__(self, *inputs: tf.Tensor) -> Any:
        outputs = iter(self.compiled.call_flat(*inputs, *self.variables))
        return tf.nest.map_structure(lambda is_tensor: next(outputs) if is_tensor else None, self.structure)


def kind_of(argument: Any) -> Any:
    """What a function is traced anew for: the spec of a tensor or iterator, or a number itself."""
    return argument if isinstance(argument, int) else tf.type_spec_from_value(argument)


def shared_call(function: Callable[..., Any], jit_compile: bool, args: tuple[Any, ...]) -> SharedCall:
    """A function for arguments like these, by the first compiled one whose graph is the same."""
    own = tf.function(function, jit_compile=jit_compile, autograph=False).get_concrete_function(*args)
    compiled = COMPILED.setdefault(fingerprint(own), own.inference_fn)
    compiled._cached_graph = None  # or it would hold the first model's variables
    return SharedCall(compiled, own.captured_inputs, tf.nest.map_structure(tf.is_tensor, own.structured_outputs))


def fingerprint(concrete: Any) -> str:
    """Text that two concrete functions share if they compute the same, whatever their operations are called."""
    graph = concrete.graph
    content = graph.as_graph_def()
    functions = {function.signature.name: function for function in content.library.function}
    places = {node.name: place for place, node in enumerate(content.node)}
    facts = [tf.config.experimental.tensor_float_32_execution_enabled()]
    facts.append([node_facts(node, places, functions) for node in content.node])
    for tensors in (graph.inputs, graph.outputs):
        facts.append([(places[tensor.op.name], tensor.value_index) for tensor in tensors])
    facts.append([str(getattr(tensor, "_handle_data", None)) for tensor in graph.inputs])
    return digest(facts)


def node_facts(node: Any, places: Mapping[str, int], functions: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an operation is, its inputs by the places of the operations that they come from."""
    inputs = [(name[0] == "^", places[name.lstrip("^").split(":")[0]], *name.split(":")[1:]) for name in node.input]
    attributes = {name: value for name, value in node.attr.items() if name not in NAMES_ONLY}
    return node.op, node.device, inputs, sorted((name, attribute_facts(a, functions)) for name, a in attributes.items())


def attribute_facts(attribute: Any, functions: Mapping[str, Any]) -> str | list[str]:
    """An attribute as text; a function by what it computes."""
    names = [attribute.func.name] if attribute.HasField("func") else [f.name for f in attribute.list.func]
    if not names:
        return hashlib.sha256(attribute.SerializeToString(deterministic=True)).hexdigest()
    return [function_facts(functions[name], functions) for name in names]


def function_facts(function: Any, functions: Mapping[str, Any]) -> str:
    """Digest of a function of a graph's library."""
    signature = function.signature
    arguments = [argument.name for argument in signature.input_arg]
    places = {name: place for place, name in enumerate([*arguments, *(node.name for node in function.node_def)])}
    facts = [[argument.type for argument in (*signature.input_arg, *signature.output_arg)]]
    facts.append([node_facts(node, places, functions) for node in function.node_def])
    for end in (function.ret[argument.name] for argument in signature.output_arg):
        facts.append([places.get(part, part) for part in end.split(":")])
    facts.append(sorted(places[name] for name in function.control_ret.values()))
    return digest(facts)


def digest(facts: list[Any]) -> str:
    """Hex SHA-256 of facts that are written alike whenever they are the same."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()
