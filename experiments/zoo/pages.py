"""What the comparison of the zoo looks like: tables, figure, and the figures that `list_presets` tells."""

import collections
import math
import statistics

import matplotlib.figure
import numpy as np

GOALS = (30, 35, 40)
MOST_DB = 60.0
"""What PSNR counts at most in a mean: beyond it a picture of 8 bits is exact after rounding."""


def table(rows, architectures):
    """A row for each architecture, best PSNR at equal seconds first."""
    heads = ["architecture", "parameters", "kB", "Adam's rate", "PSNR (dB), equal steps", "SSIM", "MS-SSIM"]
    heads += ["seconds", "by", "PSNR (dB), equal seconds", "steps", *(f"seconds to {goal} dB" for goal in GOALS)]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    pace = seconds_per_step(rows)
    for name in ranked(rows):
        same_steps, same_seconds = part(rows, "steps", name), part(rows, "seconds", name)
        mark = "" if architectures[name]["sized"] else " *"
        cells = [
            f"`{name}`{mark}",
            f"{largest(same_steps, 'num_parameters'):,.0f}",
            f"{largest(same_steps, 'bytes_on_disk') / 1000:.0f}",
            f"{same_steps[0]['learning_rate']:g}",
            spread(same_steps),
            f"{mean(same_steps, 'ssim'):.4f}",
            f"{mean(same_steps, 'ms_ssim'):.4f}",
            f"{mean(same_steps, 'steps') * pace[name]:.1f}",
            optimizer(same_seconds),
            spread(same_seconds),
            f"{mean(same_seconds, 'steps'):.0f}",
            *(reached(same_seconds, goal) for goal in GOALS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", facts(rows)]) + "\n"


def short_table(rows, architectures):
    """The same in a few columns, for docs/results/zoo.md."""
    lines = [
        "| architecture | parameters | PSNR (dB), equal steps | PSNR (dB), equal seconds | by | seconds to 35 dB |"
    ]
    lines.append("| --- | ---: | ---: | ---: | --- | ---: |")
    for name in ranked(rows):
        same_steps, same_seconds = part(rows, "steps", name), part(rows, "seconds", name)
        mark = "" if architectures[name]["sized"] else " *"
        lines.append(
            f"| `{name}`{mark} | {largest(same_steps, 'num_parameters'):,.0f} | {spread(same_steps)} "
            f"| {spread(same_seconds)} | {optimizer(same_seconds)} | {reached(same_seconds, 35)} |"
        )
    return "\n".join([*lines, "", facts(rows)]) + "\n"


def facts(rows):
    """What the figures were made with."""
    steps = {row["steps"] for row in rows if row["part"] == "steps"}
    taken = sorted(row["train_seconds"] for row in rows if row["part"] == "seconds" and row["train_seconds"])
    images = list(dict.fromkeys(row["image"].removeprefix("sample:") for row in rows))
    seeds = sorted({row["seed"] for row in rows})
    return (
        f"{', '.join(images)}; seeds {', '.join(map(str, seeds))}; {rows[0]['points_per_step']} random points in a "
        f"step. Equal steps: {min(steps)} of Adam. Equal seconds: {statistics.median(taken):.1f} of training in the "
        f"median ({taken[0]:.1f} to {taken[-1]:.1f}), by the better of Adam and Muon for each. "
        f"PSNR: mean over pictures, each up to {MOST_DB:.0f} dB, ± standard deviation between seeds. "
        "Seconds of equal steps: of the fastest of an architecture's fits. Seconds to a PSNR: of batches while "
        "learning, mean over the fits that got there, their number in brackets if not all did. "
        f"* not of about 50,000 parameters. {rows[-1]['device']}, TensorFlow {rows[-1]['tensorflow']}."
    )


def optimizer(rows):
    """Optimizer and rate of fits, in words."""
    return f"{rows[0]['optimizer'].capitalize()}, {rows[0]['learning_rate']:g}"


def seconds_per_step(rows):
    """Of each architecture, in the fastest of its fits with equal steps; infinite if all diverged."""
    pace = {row["architecture"]: math.inf for row in rows}
    for row in rows:
        if row["part"] == "steps" and row["train_seconds"]:
            pace[row["architecture"]] = min(pace[row["architecture"]], row["train_seconds"] / row["steps"])
    return pace


def ranked(rows):
    """Architectures by mean PSNR at equal seconds, best first."""
    names = dict.fromkeys(row["architecture"] for row in rows)
    return sorted(names, key=lambda name: -mean(part(rows, "seconds", name), "psnr_db"))


def part(rows, which, name):
    return [row for row in rows if row["part"] == which and row["architecture"] == name]


def mean(rows, key):
    """Mean over pictures and seeds; fits that diverged count as 0, PSNR counts up to 60 dB."""
    return statistics.mean(capped(row, key) for row in rows)


def capped(row, key="psnr_db"):
    return min(row[key] or 0.0, MOST_DB) if key == "psnr_db" else row[key] or 0.0


def largest(rows, key):
    """Of colour pictures, which need the most."""
    return max(row[key] or 0 for row in rows)


def spread(rows):
    """Mean PSNR ± the standard deviation between seeds of one picture, pooled over the pictures."""
    by_image = collections.defaultdict(list)
    for row in rows:
        by_image[row["image"]].append(capped(row))
    variances = [statistics.variance(values) for values in by_image.values() if len(values) > 1]
    bars = f" ± {np.sqrt(statistics.mean(variances)):.2f}" if variances else ""
    return f"{mean(rows, 'psnr_db'):.2f}{bars}"


def reached(rows, goal):
    """Mean seconds of the fits that reached a PSNR, and how many did if not all."""
    found = [row[f"seconds_to_{goal}_db"] for row in rows if row[f"seconds_to_{goal}_db"] is not None]
    if not found:
        return "-"
    return f"{statistics.mean(found):.1f}" + ("" if len(found) == len(rows) else f" ({len(found)}/{len(rows)})")


def draw(rows, path):
    """PSNR of every fit as a dot, equal steps beside equal seconds, the mean as a bar."""
    names = ranked(rows)[::-1]
    images = list(dict.fromkeys(row["image"] for row in rows))
    figure = matplotlib.figure.Figure(figsize=(11, 0.32 * len(names) + 1.6), dpi=120, layout="constrained")
    titles = {"steps": "equal steps", "seconds": "equal seconds"}
    for axes, which in zip(figure.subplots(1, 2, sharey=True, sharex=True), titles, strict=True):
        for index, image in enumerate(images):
            found = [row for row in rows if row["part"] == which and row["image"] == image and row["psnr_db"]]
            places = [names.index(row["architecture"]) for row in found]
            axes.scatter([capped(row) for row in found], places, s=14, color=f"C{index}", alpha=0.7, label=image[7:])
        means = [mean(part(rows, which, name), "psnr_db") for name in names]
        axes.scatter(means, range(len(names)), marker="|", s=160, color="black", label="mean")
        axes.set_title(titles[which], fontsize=11)
        axes.set_xlabel(f"PSNR (dB), up to {MOST_DB:.0f}")
        axes.grid(axis="x", alpha=0.3)
    figure.axes[0].set_yticks(range(len(names)), names)
    figure.axes[1].legend(fontsize=8, loc="lower right")
    figure.savefig(path)


def measured_presets(presets, size):
    """What `list_presets` tells of each preset.

    Args:
        presets: rows of fits of presets as they are.
        size: longer side of the picture.
    """
    figures = {}
    for name in dict.fromkeys(row["preset"] for row in presets):
        own = [row for row in presets if row["preset"] == name]
        figures[name] = {
            "psnr_db": round(mean(own, "psnr_db"), 2),
            "seconds": round(mean(own, "train_seconds"), 1),
            "optimizer": own[0]["optimizer"],
            "learning_rate": own[0]["learning_rate"],
        }
    about = f"{presets[0]['image']}, longer side {size}, mean of {len({row['seed'] for row in presets})} seeds"
    return {"about": f"{about}; {presets[0]['device']}", "presets": figures}
