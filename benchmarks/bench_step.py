"""Seconds per training step: keras_inr's fit, a bare TensorFlow loop, XLA on and off, and idiomatic PyTorch.

Each case runs in a process of its own, in turn over several rounds, and writes the median. Run it on an idle machine:

    pip install -e ".[bench]" && python benchmarks/bench_step.py --out=benchmarks/results/step.json

Under the heading "ratios", fit_over_bare is what `fit` costs beside a bare `tf.function` loop over the same batches,
its step compiled as `fit` compiles it; bare_over_graph what that gains; xla_over_graph what XLA does where it is left
its own sines; and torch_over_fit how much longer PyTorch takes, whose batch is drawn once. PyTorch's hash grid is there
twice: as it is usually written, and vectorised over the levels.
"""

import argparse
import importlib.metadata
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = {"siren": 16384, "relu_pe": 16384, "multi_hash": 16384, "siren_256": 65536}
CASES = [f"{kind}:{preset}" for preset in SIZES for kind in ("fit", "bare", "graph", "xla")]
CASES += ["torch:siren", "torch:siren_256", "torch:multi_hash", "torch_vectorised:multi_hash"]
SECONDS = 6.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=3, help="processes per case")
    parser.add_argument("--only", default="", help="only cases that contain this text")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case)))
        return
    cases = [case for case in CASES if arguments.only in case]
    seconds = {case: [] for case in cases}
    for _ in range(arguments.rounds):
        for case in cases:
            seconds[case].append(run_alone(case))
            print(f"{case:20} {1e3 * seconds[case][-1]:9.2f} ms per step", flush=True)
    report = summarise(seconds)
    text = json.dumps(report, indent=2) + "\n"
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)


def run_alone(case):
    """Seconds per step of a case, measured in a fresh process."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--case", case]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    if finished.returncode:
        raise SystemExit(f"{case} failed:\n{finished.stderr[-3000:]}")
    return json.loads(finished.stdout.splitlines()[-1])


def summarise(seconds):
    """Medians and ratios, with the machine they belong to."""
    median = {case: statistics.median(values) for case, values in seconds.items()}

    def ratios(over, under):
        names = [preset for preset in SIZES if f"{over}:{preset}" in median and f"{under}:{preset}" in median]
        return {preset: round(median[f"{over}:{preset}"] / median[f"{under}:{preset}"], 3) for preset in names}

    packages = ("tensorflow", "keras", "numpy", *(["torch"] if any("torch" in case for case in median) else []))
    return {
        "points": SIZES,
        "seconds_per_step": {case: {"median": median[case], "all": values} for case, values in seconds.items()},
        "ratios": {
            "fit_over_bare": ratios("fit", "bare"),
            "bare_over_graph": ratios("bare", "graph"),
            "xla_over_graph": ratios("xla", "graph"),
            "torch_over_fit": ratios("torch", "fit"),
            "vectorised_torch_over_fit": ratios("torch_vectorised", "fit"),
        },
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
    }


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def measure(case):
    kind, preset = case.split(":")
    if kind.startswith("torch"):
        return timed(torch_step(TORCH[case.removeprefix("torch:")], SIZES[preset]))
    if kind == "fit":
        return fit_seconds(preset, SIZES[preset])
    return timed(bare_step(preset, SIZES[preset], {"bare": None, "graph": False, "xla": True}[kind]))


def timed(step):
    """Median seconds of a call, after a warm-up, over about SECONDS."""
    for _ in range(3):
        step()
    marks = [time.perf_counter()]
    while marks[-1] - marks[0] < SECONDS:
        step()
        marks.append(time.perf_counter())
    return statistics.median(b - a for a, b in itertools.pairwise(marks))


def fit_seconds(preset, points):
    """Seconds per step of `keras_inr.training.fit`, all its callbacks included, after the first calls."""
    from keras_inr.presets import from_preset
    from keras_inr.signals.image import load_image
    from keras_inr.training.fitting import fit
    from keras_inr.training.recipe import Recipe

    signal = load_image("sample:chelsea", crop=(0, 0, 256, 256))
    recipe = Recipe(steps=100 if points > 20000 else 1000, batch_size=points)
    result = fit(from_preset(preset, seed=0), signal, recipe, max_seconds=2 * SECONDS, progress=False)
    seconds = [(row["step"], row["seconds"]) for row in result.rows]
    # from round to round, so that the start does not count
    per_step = [(t1 - t0) / (s1 - s0) for (s0, t0), (s1, t1) in itertools.pairwise(seconds[1:])]
    return statistics.median(per_step)


def bare_step(preset, points, jit_compile):
    """A traced step over the sampler's next batch: forward, backward, Adam.

    None for jit_compile compiles as `Field.train_step` is compiled, with polynomials for sines on CPUs.
    """
    import keras
    import tensorflow as tf

    from keras_inr._cpu_xla import compiles_for_cpu, cpu_xla
    from keras_inr.presets import from_preset
    from keras_inr.signals.image import load_image
    from keras_inr.training.compilation import compilation_for
    from keras_inr.training.recipe import Recipe
    from keras_inr.training.sampling import Sampler

    field = from_preset(preset, seed=0)
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    optimizer.build(field.trainable_variables)
    weights = field.trainable_variables
    signal = load_image("sample:chelsea", crop=(0, 0, 256, 256))
    batches = iter(Sampler(signal, Recipe(steps=1, batch_size=points)).dataset(0, 10**6))

    asked = compilation_for(field).jit_compile if jit_compile is None else jit_compile

    @tf.function(jit_compile=asked)
    def step(coords, targets):
        with cpu_xla(jit_compile is None and compiles_for_cpu(asked)), tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(field(coords) - targets))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        return loss

    return lambda: step(*next(batches)).numpy()


def torch_step(network, points):
    """The same step in eager PyTorch, written as its users write it."""
    import torch

    network = network.build()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    coords, targets = torch.rand(points, 2) * 2 - 1, torch.rand(points, 3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(network(coords), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


class TorchSiren256:
    widths, omega_0 = (256, 256, 256, 256), 30.0

    @classmethod
    def build(cls):
        import torch

        class Sine(torch.nn.Module):
            def __init__(self, fan_in, units):
                super().__init__()
                self.linear = torch.nn.Linear(fan_in, units)

            def forward(self, x):
                return torch.sin(cls.omega_0 * self.linear(x))

        layers = [Sine(fan_in, units) for fan_in, units in itertools.pairwise((2, *cls.widths))]
        return torch.nn.Sequential(*layers, torch.nn.Linear(cls.widths[-1], 3))


class TorchSirenSmall(TorchSiren256):
    widths, omega_0 = (256, 128, 64, 32), 1.0


RESOLUTIONS = (2, 3, 6, 12, 23, 43, 80, 149, 276, 512)


def torch_mlp(encoding):
    """An encoding with 20 features, and the small network behind it."""
    import torch

    def activated(fan_in, units):
        return torch.nn.Linear(fan_in, units), torch.nn.LeakyReLU(0.01)

    return torch.nn.Sequential(encoding, *activated(20, 64), *activated(64, 64), torch.nn.Linear(64, 3))


class TorchMultiHash:
    """As pure PyTorch hash grids are usually written: one nn.Embedding a level, level by level."""

    @staticmethod
    def build():
        import torch

        from keras_inr.layers.hash_encoding import PRIMES

        class HashGrid(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.levels = torch.nn.ModuleList(torch.nn.Embedding(min(4096, (g + 1) ** 2), 2) for g in RESOLUTIONS)
                for level in self.levels:
                    torch.nn.init.uniform_(level.weight, -1e-4, 1e-4)
                self.register_buffer("corners", torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]]))

            def forward(self, x):
                return torch.cat([self.level(x, *pair) for pair in zip(self.levels, RESOLUTIONS, strict=True)], -1)

            def level(self, x, table, g):
                position = (x + 1) / 2 * g
                cell = position.floor().clamp(max=g - 1)
                t = position - cell
                vertex = cell.long()[:, None, :] + self.corners
                if (g + 1) ** 2 <= table.num_embeddings:
                    index = vertex[..., 0] + vertex[..., 1] * (g + 1)
                else:
                    index = ((vertex[..., 0] * PRIMES[0]) ^ (vertex[..., 1] * PRIMES[1])) % table.num_embeddings
                features = table(index)
                low, high = (features[:, i] * (1 - t[:, :1]) + features[:, i + 1] * t[:, :1] for i in (0, 2))
                return low * (1 - t[:, 1:]) + high * t[:, 1:]

        return torch_mlp(HashGrid())


class TorchMultiHashVectorised:
    """All levels at once over one flat table: the quickest form of it that we found."""

    @staticmethod
    def build():
        import torch

        from keras_inr.layers.hash_encoding import PRIMES

        resolutions = torch.tensor(RESOLUTIONS)
        entries = torch.clamp((resolutions + 1) ** 2, max=4096)

        class HashGrid(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.table = torch.nn.Parameter((torch.rand(int(entries.sum()), 2) * 2 - 1) * 1e-4)
                self.offsets = torch.cumsum(entries, 0) - entries
                self.dense = (resolutions + 1) ** 2 <= 4096

            def forward(self, x):
                position = ((x + 1) / 2)[:, None, :] * resolutions[:, None]
                cell = torch.minimum(position.floor().long(), (resolutions - 1)[:, None])
                t = position - cell
                features = 0
                for dx in (0, 1):
                    for dy in (0, 1):
                        cx, cy = cell[..., 0] + dx, cell[..., 1] + dy
                        hashed = ((cx * PRIMES[0]) ^ (cy * PRIMES[1])) % 4096
                        index = torch.where(self.dense, cx + cy * (resolutions + 1), hashed) + self.offsets
                        weight = (t[..., 0] if dx else 1 - t[..., 0]) * (t[..., 1] if dy else 1 - t[..., 1])
                        features = features + self.table[index] * weight[..., None]
                return features.flatten(1)

        return torch_mlp(HashGrid())


TORCH = {
    "multi_hash": TorchMultiHash,
    "torch_vectorised:multi_hash": TorchMultiHashVectorised,
    "siren": TorchSirenSmall,
    "siren_256": TorchSiren256,
}


if __name__ == "__main__":
    main()
