"""Tables and the figure of the study; nothing here fits anything."""

import matplotlib.figure

from experiments.pictures import save_small
from experiments.tables import head, line, unique


def text(rows):
    """All that is put into the page."""
    parts = []
    fits = [row for row in rows if row["task"] == "fit"]
    for weights in sorted({row["weights"] for row in fits}):
        parts.append(fit_table([row for row in fits if row["weights"] == weights], weights))
    scans = [row for row in rows if row["task"] == "tomography"]
    return "\n".join([*parts, *([tomography_table(scans)] if scans else [])])


def fit_table(rows, weights):
    """PSNR of every method on every signal, the best of each column in bold, and means."""
    methods, signals = in_order(unique(rows, "method")), unique(rows, "signal")
    found = {(row["method"], row["signal"]): row for row in rows}
    best = {signal: max(decibels(found.get((method, signal))) for method in methods) for signal in signals}
    lines = [f"## About {weights:,} weights", ""]
    lines += head(["method", "weights", "rate", "steps", "seconds", *signals, "mean"])
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        cells = [cell(found.get((method, signal)), best[signal]) for signal in signals]
        mean = sum(map(decibels, own)) / len(own)
        seconds = sum(row["train_seconds"] for row in own) / len(own)
        facts = [f"{own[0]['num_parameters']:,}", *trained(own[0]), f"{seconds:.0f}"]
        lines.append(line([method, *facts, *cells, f"{mean:.1f}"]))
    return "\n".join(lines) + f"\n\nPSNR (dB) over all pixels, clamped, at most {MOST_DB:g}. {made_with(rows)}\n"


def tomography_table(rows):
    """PSNR and SSIM of the phantom by every method."""
    lines = ["## A phantom from its projections", ""]
    lines += head(["method", "weights", "rate", "steps", "seconds", "PSNR (dB)", "SSIM"])
    best = max(map(decibels, rows))
    found = {row["method"]: row for row in rows}
    for row in map(found.get, in_order(found)):
        facts = ["-"] * 4
        if row["steps"] is not None:
            facts = [f"{row['num_parameters']:,}", *trained(row), f"{row['train_seconds']:.0f}"]
        lines.append(line([row["method"], *facts, cell(row, best), f"{row['ssim']:.4f}"]))
    return "\n".join(lines) + f"\n\n{rows[0]['signal']}. {made_with(rows)}\n"


ORDER = ("relu_pe", "fourier", "siren", "siren_init_33", "finer", "gauss", "wire_own", "mfn_gabor", "bacon")
ORDER += ("multi_hash", "pixel_grid", "grid, total variation", "filtered back projection")


def in_order(methods):
    """Methods as tables have them: networks, grids, the rest; whatever else there is at the end.

    >>> in_order(["grid, total variation", "finer", "siren"])
    ['siren', 'finer', 'grid, total variation']
    """
    return sorted(methods, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def trained(row):
    """Optimizer and rate, and steps."""
    return [f"{row['optimizer'].capitalize()}, {row['learning_rate']:g}", str(row["steps"])]


MOST_DB = 100.0
"""Stands for an exact picture, and for more in means."""


def decibels(row):
    """The PSNR of a row, that of an exact picture at most; below all for none."""
    if row is None:
        return float("-inf")
    return MOST_DB if row["psnr_db"] is None else min(row["psnr_db"], MOST_DB)


def cell(row, best):
    if row is None:
        return "-"
    shown = f"{decibels(row):.1f}"
    return f"**{shown}**" if decibels(row) == best else shown


def made_with(rows):
    devices = "; ".join(sorted({row["device"] for row in rows}))
    return f"One seed ({rows[0]['seed']}); {devices}, TensorFlow {rows[0]['tensorflow']}."


GROUPS = {"networks": "C0", "multi_hash": "C1", "pixel_grid": "C2", "grid, total variation": "C3"}
"""What has a colour of its own in the figure: all networks one, each grid another."""


def draw(rows, path):
    """PSNR on each signal, a panel for each number of weights: a dot for each network, a mark for each grid."""
    fits = [row for row in rows if row["task"] == "fit"]
    panels = sorted({row["weights"] for row in fits})
    signals = [unique([row for row in fits if row["weights"] == weights], "signal") for weights in panels]
    figure = matplotlib.figure.Figure(figsize=(11, 0.34 * max(map(len, signals)) + 1.4), dpi=110, layout="constrained")
    for axes, weights, names in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, signals, strict=True):
        for group, colour in GROUPS.items():
            found = [row for row in fits if row["weights"] == weights and group_of(row["method"]) == group]
            places = [names.index(row["signal"]) for row in found]
            style = {"s": 18, "alpha": 0.6} if group == "networks" else {"s": 60, "marker": "|", "linewidths": 2.5}
            axes.scatter([decibels(row) for row in found], places, color=colour, label=group, **style)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel="PSNR (dB)", title=f"about {weights:,} weights")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    save_small(figure, path)


def group_of(method):
    return method if method in GROUPS else "networks"
