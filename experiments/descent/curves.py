"""Loss over epochs of the four networks, with the published points: data from run folders, and their figure."""

import csv

import matplotlib.figure
import numpy as np

COLOURS = {"relu": "#7a7a7a", "relu_pe": "#2066a8", "siren": "#c8501e", "multi_hash": "#3d8c40"}
DIGITS = 5


def collected(folders, metrics):
    """The curves' data: what the runs have in common, epochs, and network -> a list of losses for each seed.

    Args:
        folders: network -> run folders, one for each seed.
        metrics: the metrics.json of one of them.
    """
    per_epoch = max(1, metrics["height"] * metrics["width"] // metrics["points_per_step"])
    histories = {preset: [history(folder) for folder in each] for preset, each in folders.items()}
    steps = next(iter(histories.values()))[0][0]
    return {
        "format_version": 1,
        "unit": "mean squared error over points and channels, of the batches since the row before, values in [0, 1]",
        "image_sha256": metrics["image_sha256"],
        "device": metrics["device"],
        "epochs": [step / per_epoch for step in steps],
        "loss": {preset: [losses for _, losses in each] for preset, each in histories.items()},
    }


def history(folder):
    """(steps, losses) of a run."""
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [int(row["step"]) for row in rows], [float(f"{float(row['loss']):.{DIGITS}g}") for row in rows]


def published_points(expected):
    """(epochs, network -> mean squared errors) of descent, whose loss sums them over an epoch and channels."""
    curves = expected["curves"]
    unit = expected["channels"] * expected["batches_per_epoch"]
    return curves["epochs"], {preset: [loss / unit for loss in losses] for preset, losses in curves["loss"].items()}


def draw(data, published, path):
    """The curves on a log axis, their spread over seeds as bands, published points as markers of the same colour.

    Args:
        data: as `collected` gives it, and the runs' "seeds" in the order of the losses.
        published: None, or what `published_points` gives.
        path: of the PNG.
    """
    figure = matplotlib.figure.Figure(figsize=(9, 5.5), dpi=130, layout="constrained")
    axes = figure.subplots()
    for preset, losses in data["loss"].items():
        axes.plot(data["epochs"], np.mean(losses, axis=0), color=COLOURS[preset], linewidth=1.3, label=preset)
        if len(losses) > 1:
            low, high = np.min(losses, axis=0), np.max(losses, axis=0)
            axes.fill_between(data["epochs"], low, high, color=COLOURS[preset], alpha=0.25, linewidth=0)
        if published:
            epochs, points = published
            axes.plot(epochs, points[preset], "o", color=COLOURS[preset], markeredgecolor="white", markersize=8)
    if published:
        axes.plot([], [], "o", color="black", markeredgecolor="white", markersize=8, label="descent, published")
    axes.set_yscale("log")
    axes.set_xlabel("epochs")
    axes.set_ylabel("mean squared error over an epoch's batches and channels\n(0.01 is 20 dB, 0.001 is 30 dB)")
    seeds = data["seeds"]
    several = f"seeds {', '.join(map(str, seeds))}: mean, and from least to greatest"
    axes.set_title(several if len(seeds) > 1 else f"seed {seeds[0]}", fontsize=10)
    axes.grid(which="both", color="#e6e6e6", linewidth=0.6)
    axes.legend(frameon=False)
    figure.savefig(path)
