"""Seconds to a quality: how long five photographs take to 30, 35, 40, 44.4 and 50 dB, here and in PyTorch.

Every case runs in a process of its own. Its clock starts when TensorFlow, or PyTorch, is imported: building, tracing
and compiling count. Run it on an idle machine, with PyTorch beside this package for the cases of PyTorch:

    python benchmarks/bench_quality.py --out=benchmarks/results/quality.json

pixel_grid is fitted by the recipe that is good at any time; after each round the averaged weights are looked at.
siren_muon has its own recipe, whose rate falls by a cosine: it is fitted anew for each of LENGTHS, and the shortest
that comes to a quality counts, with the set-up of a first fit. siren_jax is that project's recipe (four sine layers of
256, Adam 1e-4, all pixels in every step) here, torch_siren the same in PyTorch; torch_hash is a hash grid in PyTorch
(8 levels from 8 cells to the picture's, tables of 2^18, 64-64, Adam 0.01, 16384 pixels in a step, cosine over the
seconds that it has). All end after --seconds of training, or at the highest quality.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
METHODS = ("pixel_grid", "siren_muon", "siren_jax", "torch_siren", "torch_hash")
PICTURES = ("sample:astronaut", "sample:chelsea", "sample:coffee", "sample:rocket", "sample:retina")
GOALS = (30.0, 35.0, 40.0, 44.4, 50.0)
LENGTHS = (100, 200, 400, 600, 800, 1200)
"""Steps of a recipe whose length has to be known."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to write")
    parser.add_argument("--seconds", type=float, default=30.0, help="of training, for each case")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of these, with commas between")
    parser.add_argument("--pictures", default=",".join(PICTURES), help="sources, with commas between")
    parser.add_argument("--sizes", default="256,512", help="longer sides in pixels, with commas between; 0 for its own")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        method, size, picture = arguments.case.split("|")
        print(json.dumps(measure(method, picture, int(size), arguments.seconds)))
        return
    rows = []
    for method in arguments.methods.split(","):
        for size in arguments.sizes.split(","):
            for picture in arguments.pictures.split(","):
                rows.append(run_alone(f"{method}|{size}|{picture}", arguments.seconds))
                print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        known = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "torch")}
        about = {"device": device(), **known, "seconds": arguments.seconds}
        arguments.out.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


def device():
    """Cores and their maker."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"CPU, {os.cpu_count()} cores, {name}"


def run_alone(case, seconds):
    """What a fresh process measures of a case."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--case", case, f"--seconds={seconds}"]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"{case}: {finished.stderr[-2000:]}")
    return json.loads(finished.stdout.splitlines()[-1])


def measure(method, picture, size, seconds):
    """Seconds from the import to each quality, None where it was not reached, and what it ended with."""
    from keras_inr.signals.image import load_image

    signal = load_image(picture, size=size or None)
    if method.startswith("torch"):
        import peers_torch

        curve, facts = peers_torch.quality_curve(method, signal.values, seconds)
    else:
        curve, facts = curve_here(method, signal, seconds)
    reached = {f"{goal:g}": next((round(t, 2) for t, psnr_db in curve if psnr_db >= goal), None) for goal in GOALS}
    best = round(max(psnr_db for _, psnr_db in curve), 2)
    return {"method": method, "picture": picture, "size": size, "seconds_to": reached, "best_db": best, **facts}


def curve_here(method, signal, seconds):
    """(seconds since now, PSNR) of fits by this package, and facts about them."""
    import keras  # noqa: F401  the clock starts behind it

    from keras_inr.choosing.choice import recipe_for_any_time
    from keras_inr.presets import from_preset
    from keras_inr.training.fitting import fit

    started = time.perf_counter()

    def fitted(**recipe):
        field = from_preset(method, picture_size=signal.size, channels=signal.channels, seed=0)
        made = time.perf_counter() - started
        ends = {"max_seconds": seconds, "goal_psnr_db": GOALS[-1], "progress": False}
        return field.count_params(), made, fit(field, signal, **ends, **recipe)

    if method == "siren_muon":
        parameters, made, result = fitted(steps=LENGTHS[0])
        before, results = made + result.setup_seconds, [result]
        for steps in LENGTHS[1:]:
            if result.psnr_db < GOALS[-1] and result.train_seconds < seconds:
                result = fitted(steps=steps)[-1]
                results.append(result)
        curve = [(before + result.train_seconds, result.psnr_db) for result in results]
    else:
        constant = {"optimizer": "adam", "learning_rate": 1e-4, "schedule": "constant", "sampling": "full"}
        recipe = constant if method == "siren_jax" else recipe_for_any_time(signal.size)
        parameters, made, result = fitted(**recipe, epochs=100_000)
        before = made + result.setup_seconds
        curve = [(before + row["seconds"], row.get("average_psnr_db", row["psnr_db"])) for row in result.rows]
    return curve, {"num_parameters": parameters, "setup_seconds": round(before, 2)}


def table(rows):
    """Markdown: medians of the seconds to each quality, and how many pictures came to it if not all."""
    head = ["method", "longer side", "weights", *(f"{goal:g} dB" for goal in GOALS), "best (dB)"]
    lines = [f"| {' | '.join(head)} |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
    for method in dict.fromkeys(row["method"] for row in rows):
        for size in dict.fromkeys(row["size"] for row in rows):
            own = [row for row in rows if (row["method"], row["size"]) == (method, size)]
            cells = [f"`{method}`", size, f"{statistics.median(row['num_parameters'] for row in own):,.0f}"]
            for goal in GOALS:
                found = [row["seconds_to"][f"{goal:g}"] for row in own]
                there = sorted(t for t in found if t is not None)
                missed = "" if len(there) == len(own) else f" ({len(there)} of {len(own)})"
                cells.append(f"{statistics.median(there):.1f}{missed}" if there else "–")
            cells.append(f"{statistics.median(row['best_db'] for row in own):.1f}")
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
