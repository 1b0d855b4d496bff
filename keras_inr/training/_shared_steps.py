"""Training functions that are compiled once for all fits of alike networks in a process.

TensorFlow and XLA keep what they have compiled for as long as the process lives: up to 15 MB for each fit that compiles
anew, and seconds.
"""

import functools
import hashlib

import tensorflow as tf

COMPILED: dict = {}
"""Fingerprint of a traced function -> one that computes the same, was compiled, and knows no variables of its own."""

NAMES_ONLY = ("_gradient_op_type", "_class", "_output_shapes", "_user_specified_name")
"""Attributes of operations that change nothing, but hold names that are others at each tracing."""


def share_steps(model):
    """Gives a compiled model a training function that it shares with all models whose steps are alike.

    It takes each model's own variables. Steps are alike if their graphs are, to the last constant. Models of a
    `tf.distribute` strategy, and those that run eagerly, keep Keras's.
    """
    with model.distribute_strategy.scope():
        if tf.distribute.has_strategy() or model.run_eagerly or tf.config.functions_run_eagerly():
            return
    step = shared(model.train_step, jit_compile=model.jit_compile)
    model.train_function = shared(functools.partial(several_steps, step, model.steps_per_execution))


def several_steps(step, number, iterator):
    """Takes a step on each of the next so many batches, or of those that are left; gives what the last one gives."""
    outputs = step(iterator.get_next())
    if number == 1:
        return outputs

    def another(count, left, outputs):
        batch = iterator.get_next_as_optional()
        left = batch.has_value()
        return count + 1, left, tf.cond(left, lambda: step(batch.get_value()), lambda: outputs)

    return tf.while_loop(lambda count, left, _: (count < number) & left, another, (1, True, outputs))[2]


def shared(function, jit_compile=False):
    """`tf.function(function)` without gradients, compiled once for all functions with alike graphs.

    Args:
        function: of tensors and iterators, in any nests, and of Python numbers, which are constants, to tensors.
        jit_compile: whether XLA compiles it.
    """
    made = {}

    def call(*args):
        if tf.config.functions_run_eagerly():
            return function(*args)
        inputs = [part for part in tf.nest.flatten(args, expand_composites=True) if tf.is_tensor(part)]
        kind = str(tf.nest.map_structure(kind_of, args))
        if kind not in made:
            made[kind] = compiled(function, jit_compile, args)
        alike, captured, structure = made[kind]
        outputs = iter(alike.call_flat(*inputs, *captured))
        return tf.nest.map_structure(lambda is_tensor: next(outputs) if is_tensor else None, structure)

    return call


def kind_of(argument):
    """What a function is traced anew for: the spec of a tensor or iterator, or a number itself."""
    return argument if isinstance(argument, int) else tf.type_spec_from_value(argument)


def compiled(function, jit_compile, args):
    """A compiled function with the graph that a function has for arguments; the variables that it is to be called with
    behind these; and the structure of what is returned, True for a tensor."""
    own = tf.function(function, jit_compile=jit_compile, autograph=False).get_concrete_function(*args)
    alike = COMPILED.setdefault(fingerprint(own), own.inference_fn)
    alike._cached_graph = None  # or it would hold the first model's variables
    return alike, own.captured_inputs, tf.nest.map_structure(tf.is_tensor, own.structured_outputs)


def fingerprint(concrete):
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


def node_facts(node, places, functions):
    """What an operation is, its inputs by the places of the operations that they come from."""
    inputs = [(name[0] == "^", places[name.lstrip("^").split(":")[0]], *name.split(":")[1:]) for name in node.input]
    attributes = {name: value for name, value in node.attr.items() if name not in NAMES_ONLY}
    return node.op, node.device, inputs, sorted((name, attribute_facts(a, functions)) for name, a in attributes.items())


def attribute_facts(attribute, functions):
    """An attribute as text; a function by what it computes."""
    names = [attribute.func.name] if attribute.HasField("func") else [f.name for f in attribute.list.func]
    if not names:
        return hashlib.sha256(attribute.SerializeToString(deterministic=True)).hexdigest()
    return [function_facts(functions[name], functions) for name in names]


def function_facts(function, functions):
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


def digest(facts):
    return hashlib.sha256(repr(facts).encode()).hexdigest()
