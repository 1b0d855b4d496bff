"""Seconds for 60 small pictures: fit_many, as many calls of fit, and a bare loop with a single traced step.

Each case runs in a process of its own, in turn over several rounds; building, tracing and compiling are included in
all of them. Run it on an idle machine:

    python benchmarks/bench_fit_many.py --out=benchmarks/results/fit_many.json

fit and the bare loop do one picture after the other, so they do --sequential of the 60 and count as many times as long;
what the bare loop traces once is not multiplied. All end with the same figures, which the report holds as well.
"products" is a floor: the hidden layers' matrix products for all 60, forward and backward, and nothing else.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETWORKS = {"2x32": (32,) * 3, "3x64": (64,) * 4}
"""prefit_image_fitting's names of its networks (hidden layers behind the first one), and widths."""

KINDS = ("fit_many", "fit", "bare", "products")
PICTURES, STEPS, RATE = 60, 2000, 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=3, help="processes per case")
    parser.add_argument("--sequential", type=int, default=10, help="pictures that fit and the bare loop do")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(*arguments.case.split(":"), arguments.sequential, arguments.steps)))
        return
    cases = [f"{kind}:{network}" for network in NETWORKS for kind in KINDS]
    found = {case: [] for case in cases}
    for _ in range(arguments.rounds):
        for case in cases:
            found[case].append(run_alone(case, arguments))
            print(f"{case:14} {found[case][-1]['seconds']:8.1f} s for {PICTURES} pictures", flush=True)
    text = json.dumps(summarise(found, arguments), indent=2) + "\n"
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)


def run_alone(case, arguments):
    """What a fresh process measures of a case."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    flags = [f"--sequential={arguments.sequential}", f"--steps={arguments.steps}"]
    command = [sys.executable, __file__, "--case", case, *flags]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    if finished.returncode:
        raise SystemExit(f"{case} failed:\n{finished.stderr[-3000:]}")
    return json.loads(finished.stdout.splitlines()[-1])


def summarise(found, arguments):
    """Medians and how many times faster fit_many is, with the machine they belong to."""
    median = {case: statistics.median(one["seconds"] for one in runs) for case, runs in found.items()}

    def times_faster(kind):
        return {name: round(median[f"{kind}:{name}"] / median[f"fit_many:{name}"], 2) for name in NETWORKS}

    over_products = {name: round(median[f"fit_many:{name}"] / median[f"products:{name}"], 2) for name in NETWORKS}
    return {
        "pictures": PICTURES,
        "size": [32, 32],
        "steps": arguments.steps,
        "sequential": arguments.sequential,
        "units": NETWORKS,
        "seconds": {case: {"median": median[case], "all": found[case]} for case in found},
        "ratios": {
            "fit_over_fit_many": times_faster("fit"),
            "bare_over_fit_many": times_faster("bare"),
            "fit_many_over_products": over_products,
        },
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), **processor()},
    }


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return {"processor": next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))}


def measure(kind, network, sequential, steps):
    """Seconds for PICTURES pictures, and the mean PSNR of those that were fitted."""
    if kind == "products":
        return {"seconds": products(NETWORKS[network], steps)}
    from keras_inr.datasets.crops import photo_crops
    from keras_inr.models.siren import Siren
    from keras_inr.signals.image import load_image

    crops = [crop for found in photo_crops().values() for crop in found]
    signals = [load_image(crop) for crop in crops[:: len(crops) // PICTURES][:PICTURES]]
    make = lambda seed: Siren(units=NETWORKS[network], seed=seed)  # noqa: E731
    seconds, reached = {"fit_many": all_at_once, "fit": one_by_one, "bare": bare_loop}[kind](
        make, signals, sequential, steps
    )
    return {"seconds": seconds, "psnr_db": statistics.mean(reached)}


def all_at_once(make, signals, sequential, steps):
    from keras_inr.training import fit_many

    started = time.perf_counter()
    fields = [make(seed) for seed in range(PICTURES)]
    results = fit_many(fields, signals, **recipe(steps), seeds=list(range(PICTURES)), progress=False)
    return time.perf_counter() - started, [result.psnr_db for result in results]


def one_by_one(make, signals, sequential, steps):
    from keras_inr.training import fit

    started = time.perf_counter()
    results = [fit(make(seed), signals[seed], **recipe(steps), seed=seed, progress=False) for seed in range(sequential)]
    return (time.perf_counter() - started) * PICTURES / sequential, [result.psnr_db for result in results]


def recipe(steps):
    return {"steps": steps, "sampling": "full", "learning_rate": RATE, "schedule": "constant"}


def bare_loop(make, signals, sequential, steps):
    """One model and one traced step for all pictures; weights and moments are put back between them."""
    import keras
    import tensorflow as tf

    from keras_inr.metrics import psnr

    started = time.perf_counter()
    field, optimizer = make(0), keras.optimizers.Adam(RATE)
    optimizer.build(field.trainable_variables)
    fresh = [variable.numpy() for variable in optimizer.variables]

    @tf.function
    def step(coords, targets):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.math.squared_difference(field(coords), targets))
        optimizer.apply(tape.gradient(loss, field.trainable_variables), field.trainable_variables)
        return loss

    reached, once = [], None
    for seed in range(sequential):
        field.set_weights(make(seed).get_weights())
        for variable, array in zip(optimizer.variables, fresh, strict=True):
            variable.assign(array)
        coords = tf.constant(signals[seed].coords)
        targets = tf.constant(signals[seed].values.reshape(len(coords), -1))
        if once is None:
            step(coords, targets)
            once = time.perf_counter() - started
        for _ in range(steps - (seed == 0)):
            step(coords, targets)
        reached.append(psnr(signals[seed].values, field.sample_grid(*signals[seed].size)))
    return once + (time.perf_counter() - started - once) * PICTURES / sequential, reached


def products(units, steps):
    """For every hidden layer and picture h w, its gradient times w^T, and h^T times its gradient."""
    import tensorflow as tf

    hidden = [(tf.random.normal((PICTURES, 32 * 32, n)), tf.random.normal((PICTURES, n, n))) for n in units[1:]]

    @tf.function(jit_compile=True)
    def step(hidden):
        found = []
        for h, w in hidden:
            out = tf.matmul(h, w)
            found += [out, tf.matmul(out, w, transpose_b=True), tf.matmul(h, out, transpose_a=True)]
        return tf.add_n([tf.reduce_max(one) for one in found])

    step(hidden)
    started = time.perf_counter()
    for _ in range(steps):
        step(hidden).numpy()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
