"""Seconds per training step on values, gradients and Laplacians: keras_inr, nested tapes, PyTorch and JAX.

Each case runs in a process of its own, in turn over several rounds, and writes the median. Run it on an idle machine,
after the check that all cases compute the same thing:

    pip install -e ".[bench]" && python benchmarks/bench_derivatives.py --check
    python benchmarks/bench_derivatives.py --out=benchmarks/results/derivatives.json

A step is loss, weight gradients and Adam at 1e-4 for S3's network (siren-jax: 2 coords, 4 sine layers of 256, linear
head of one channel), with the same weights everywhere, on all points of a grid. The loss is the mean squared error of
values (N, 1), Jacobian (N, 1, 2) or Laplacian (N, 1) against fixed random targets. A case is named way:kind.

    ours                 keras_inr as a user trains it
    tapes                the same with method="tape", nested `tf.GradientTape`s
    torch                eager PyTorch, nested `torch.autograd.grad` with create_graph=True
    torch_compile        the same behind `torch.compile(network)`, which raises for derivatives
    torch_compile_traced the whole loss compiled, with torch._dynamo.config.trace_autograd_ops, off by default
    torch_compile_func   the whole loss compiled, gradient by torch.func.grad, Laplacian by torch.func.jvp of it
    jax_s3               S3's own way: vmapped jacfwd, and vmapped hessian whose diagonal is summed; jitted
    jax_reverse_over_reverse, jax_forward_over_reverse, jax_forward_laplacian, jax_folx
                         the best known ways: gradients of gradients; derivatives of gradients along a direction;
                         (value, tangents, Laplacian) carried forward by hand, and by the package folx
    jax_..._chunked      the same with the points in chunks of 4096, whose weight gradients are summed
    floor                only the large matrix products that a step takes (per layer 1 for values, 2 for a gradient by
                         a backward pass, 4 for a Laplacian carried forward, and twice as many to differentiate them),
                         whole or in chunks of 4096, whichever is quicker. No step that takes them is faster.

Under "ratios", "ours_over_value" is our gradient and Laplacian step over our value step, and "over_ours" every other
case over ours of its kind. "memory_bytes" is the peak resident memory of a process that takes three Laplacian steps,
minus what was resident after building. "failed" says why a case has no time.

--check compares, on few points, losses of three steps and the first step's weight gradients (out of Adam's first
moments, so of the very step that is timed) with those of PyTorch's nested gradients in float64: relative errors of the
first loss, of the gradients (largest of the weights' norms of errors) and of the later losses.
"""

import argparse
import importlib.metadata
import itertools
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from bench_step import processor
from problem import KINDS, WIDTHS, Problem

ROOT = pathlib.Path(__file__).resolve().parent.parent
DERIVED = KINDS[1:]
CASES = [f"{way}:{kind}" for kind in KINDS for way in ("floor", "ours", "torch", "torch_compile", "jax_s3")]
CASES += [f"{way}:{kind}" for kind in DERIVED for way in ("tapes", "torch_compile_traced", "torch_compile_func")]
CASES += [f"jax_{way}:gradient" for way in ("reverse_over_reverse", "forward_over_reverse")]
CASES += [f"jax_{way}:laplacian" for way in ("forward_over_reverse", "forward_laplacian", "folx")]
CASES += ["jax_reverse_over_reverse_chunked:gradient"]
CASES += ["jax_forward_laplacian_chunked:laplacian", "jax_folx_chunked:laplacian"]
REFERENCE = "torch_float64"
MEMORY = ("ours:laplacian", "tapes:laplacian")
PACKAGES = ("tensorflow", "keras", "numpy", "torch", "jax", "jaxlib", "folx")
CHUNK = 4096
# float32 against float64, of the first loss and of gradients: phases of up to 50 rad are off by 3e-6. Later losses are
# further off, since Adam begins with the sign of the gradient, which for one of nearly zero is a matter of rounding
TOLERANCES = {"loss": 1e-5, "gradients": 1e-4, "later": 1e-3}


def main():
    arguments = parse()
    if arguments.case:
        print(json.dumps(measure(arguments)))
        return
    cases = [case for case in CASES if arguments.only in case]
    if arguments.check:
        sys.exit(check([case for case in cases if "floor" not in case], arguments))
    load, failed = os.getloadavg()[0], {}
    seconds, memory = {case: [] for case in cases}, {case: [] for case in MEMORY if case in cases}
    for _ in range(arguments.rounds):
        for measured, goal in ((seconds, "seconds"), (memory, "memory")):
            for case in measured:
                run_into(measured[case], failed, case, goal, arguments)
    text = json.dumps(summarise(seconds, memory, failed, load, arguments), indent=2) + "\n"
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=3, help="processes per case")
    parser.add_argument("--only", default="", help="only cases that contain this text")
    parser.add_argument("--points", type=int, help="a square number; 65536, or 16384 for --check")
    parser.add_argument("--seconds", type=float, default=8.0, help="to measure a case for; at least two steps")
    parser.add_argument("--check", action="store_true", help="compare losses and gradients instead of times")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--goal", choices=("seconds", "memory", "check"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.points = arguments.points or (16384 if arguments.check else 65536)
    if round(arguments.points**0.5) ** 2 != arguments.points:
        parser.error(f"--points must be a square number, received {arguments.points}")
    return arguments


def run_into(values, failed, case, goal, arguments):
    """Adds a measurement to the values, or the reason to what failed; what failed once is not tried again."""
    if case in failed:
        return
    result = run_alone(case, goal, arguments)
    if "failed" in result:
        failed[case] = result["failed"]
    else:
        values.append(result[goal])
    print(f"{case:45} {goal} {result.get(goal, result.get('failed'))}", flush=True)


def run_alone(case, goal, arguments):
    """What `measure` gives for a case, in a fresh process."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, f"--case={case}", f"--goal={goal}"]
    command += [f"--points={arguments.points}", f"--seconds={arguments.seconds}"]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    if finished.returncode:
        return {"failed": f"exit code {finished.returncode}: {finished.stderr[-300:]}"}
    return json.loads(finished.stdout.splitlines()[-1])


def summarise(seconds, memory, failed, load, arguments):
    """Medians and ratios, with the machine they belong to."""
    median = {case: statistics.median(values) for case, values in seconds.items() if values}
    peak = {case: statistics.median(values) for case, values in memory.items() if values}
    ours = {kind: median[f"ours:{kind}"] for kind in KINDS if f"ours:{kind}" in median}
    others = {case: case.partition(":")[2] for case in median if not case.startswith(("ours", "floor"))}
    over_ours = {case: round(median[case] / ours[kind], 3) for case, kind in others.items() if kind in ours}
    return {
        "points": arguments.points,
        "seconds_per_step": {
            case: {"median": median[case], "all": seconds[case]} for case in median if not case.startswith("floor")
        },
        "ratios": {
            "ours_over_value": {k: round(ours[k] / ours["value"], 3) for k in DERIVED if {k, "value"} <= set(ours)},
            "over_ours": over_ours,
            "fastest_over_ours": {maker: fastest(over_ours, maker) for maker in ("torch", "jax")},
        },
        "memory_bytes": {case: {"median": peak[case], "all": memory[case]} for case in peak},
        "memory_ratio": round(peak[MEMORY[0]] / peak[MEMORY[1]], 3) if len(peak) == len(MEMORY) else None,
        "floor": {case.partition(":")[2]: value for case, value in median.items() if case.startswith("floor")},
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load_before": round(load, 2)},
        "versions": versions() | {"python": platform.python_version()},
        "failed": failed,
    }


def fastest(over_ours, maker):
    """By kind, the quickest case of a peer and its ratio."""
    found = {}
    for kind in KINDS:
        ratios = {case: r for case, r in over_ours.items() if case.startswith(maker) and case.endswith(f":{kind}")}
        if ratios:
            found[kind] = dict([min(ratios.items(), key=lambda item: item[1])])
    return found


def versions():
    installed = {distribution.name for distribution in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in PACKAGES if name in installed}


def check(cases, arguments):
    """Prints relative errors against the reference; 1 if a case failed or is further off than the tolerances."""
    expected = {kind: run_alone(f"{REFERENCE}:{kind}", "check", arguments) for kind in KINDS}
    wrong = []
    for case in cases:
        result = run_alone(case, "check", arguments)
        if "failed" in result:
            print(f"{case:45} failed: {result['failed']}", flush=True)
            wrong += [case] if not case.startswith("torch_compile:") else []  # whose failure is a finding
            continue
        reference = expected[case.partition(":")[2]]
        first, *later = (abs(a / b - 1) for a, b in zip(result["losses"], reference["losses"], strict=True))
        pairs = zip(result["gradients"], reference["gradients"], strict=True)
        slope = max(np.linalg.norm(np.subtract(a, b)) / (np.linalg.norm(b) or 1) for a, b in pairs)
        errors = {"loss": first, "gradients": slope, "later": max(later)}
        print(f"{case:45} " + ", ".join(f"{name} {error:.1e}" for name, error in errors.items()), flush=True)
        if not all(errors[name] <= TOLERANCES[name] for name in errors):
            wrong.append(case)
    print(f"{len(wrong)} of {len(cases)} cases differ from {REFERENCE}: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


def measure(arguments):
    """One case in this process."""
    try:
        if arguments.case.startswith("floor"):
            return {"seconds": floor(arguments.case.partition(":")[2], arguments)}
        step, first_moments = make_step(arguments.case, arguments.points)
        if arguments.goal == "memory":
            return {"memory": peak_of(step)}
        if arguments.goal == "seconds":
            return {"seconds": timed(step, arguments.seconds)}
        losses = [step()]
        gradients = [np.asarray(moment, np.float64) / 0.1 for moment in first_moments()]  # 1 - beta_1
        losses += [step() for _ in range(2)]
        return {"losses": losses, "gradients": [np.ravel(gradient).tolist() for gradient in gradients]}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"}


def timed(step, seconds):
    """Median seconds of a call, after a warm-up, over about so many seconds and at least two calls."""
    started = time.perf_counter()
    for _ in range(3):
        step()
        if time.perf_counter() - started > seconds:
            break
    marks = [time.perf_counter()]
    while len(marks) < 3 or marks[-1] - marks[0] < seconds:
        step()
        marks.append(time.perf_counter())
    return statistics.median(b - a for a, b in itertools.pairwise(marks))


def peak_of(step):
    """Bytes that three steps need beside what is resident before."""
    resident = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    for _ in range(3):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - resident


def make_step(case, points):
    """(step, first_moments): a callable that takes one optimizer step and returns its loss, and one for the moments."""
    way, kind = case.split(":")
    if way in ("ours", "tapes"):
        return ours_step(Problem(points), kind, "auto" if way == "ours" else "tape")
    if way.startswith("jax"):
        import peers_jax

        return peers_jax.make_step(Problem(points), kind, way.removeprefix("jax_"))
    import peers_torch

    problem = Problem(points, np.float64 if way == REFERENCE else np.float32)
    return peers_torch.make_step(problem, kind, way.removeprefix("torch_") if "compile" in way else "eager")


def ours_step(problem, kind, method):
    import keras
    import tensorflow as tf

    from keras_inr.models.differentiated import Differentiated
    from keras_inr.presets import from_preset
    from keras_inr.training.objectives import CHUNKS, OUTPUT_OF

    field, output = from_preset("siren_jax", channels=1), OUTPUT_OF[kind]
    field.set_weights([array for pair in problem.weights for array in pair])
    # as `fit` does: values by the field itself, derivatives by a model around it, tapes on all points at once
    chunk = None if method == "tape" else CHUNKS.get(output)
    model = field if kind == "value" else Differentiated(field, (output,), method, chunk)
    optimizer = keras.optimizers.Adam(problem.learning_rate, epsilon=1e-8)
    optimizer.build(field.trainable_variables)
    target = tf.constant(problem.targets[kind])
    batch = (tf.constant(problem.coords), target if kind == "value" else {output: target})
    model.compile(optimizer, loss="mse" if kind == "value" else {output: "mse"})
    step = tf.function(lambda: model.train_step(batch)["loss"])

    def take():
        model.reset_metrics()  # so that the loss is the step's own
        return float(step())

    momenta = [variable for variable in optimizer.variables if variable.path.endswith("momentum")]
    return take, lambda: [momentum.numpy() for momentum in momenta]


def floor(kind, arguments):
    import tensorflow as tf

    best = []
    products = {"value": 1, "gradient": 2, "laplacian": 4}[kind]
    for points in (arguments.points, min(arguments.points, CHUNK)):
        layers = [tf.random.normal(shape) for shape in itertools.pairwise(WIDTHS)]
        inputs = {width: tf.random.normal((points, width)) for width in set(WIDTHS)}

        def step(layers=layers, inputs=inputs, points=points):
            for kernel in layers * products * (arguments.points // points):
                below, above = (inputs[width] for width in kernel.shape)
                last = (tf.matmul(below, kernel), tf.matmul(below, above, transpose_a=True))
                last = tf.matmul(above, kernel, transpose_b=True) if kernel.shape[0] > 2 else last
            return last

        best.append(timed(step, arguments.seconds / 2))
    return min(best)


if __name__ == "__main__":
    main()
