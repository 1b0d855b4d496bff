"""What the study of modulations looks like: its table and its figure."""

import statistics

import matplotlib.figure

SETS = {
    "train": "training crops",
    "same": "held-out crops of the same photographs",
    "other": "crops of held-out photographs",
}
METHODS = {
    "shift": "modulated, shift",
    "film": "modulated, FiLM",
    "pca": "PCA of the training crops",
    "bicubic": "reduced, bicubic",
    "lanczos": "reduced, Lanczos",
}
MODULATED = ("shift", "film")


def table(rows):
    """A row for each set of pictures and method, a column for each number of numbers."""
    sizes = sorted({row["numbers"] for row in rows if row["method"] in METHODS})
    lines = [f"| PSNR (dB) of | from so many numbers a picture: | {' | '.join(map(str, sizes))} |"]
    lines.append("| --- | --- |" + " ---: |" * len(sizes))
    for which, told in SETS.items():
        for method, name in METHODS.items():
            found = [row for row in rows if (row["set"], row["method"]) == (which, method)]
            if found:
                cells = [spread([row for row in found if row["numbers"] == size]) for size in sizes]
                lines.append(f"| {told} ({found[0]['num_pictures']}) | {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", facts(rows)]) + "\n"


def spread(rows):
    """Mean over seeds ± their standard deviation, where there are two or more."""
    if not rows:
        return "-"
    values = [row["psnr_db"] for row in rows]
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"


def facts(rows):
    """What the figures were made with, and what a network for each picture alone comes to."""
    fits = [row for row in rows if row["method"] in MODULATED]
    shared_fits, latent_fits = ([row for row in fits if row["set"] == which] for which in ("train", "same"))
    first, seeds = shared_fits[0], sorted({row["seed"] for row in fits})
    seconds, more = (statistics.median(row["train_seconds"] for row in found) for found in (shared_fits, latent_fits))
    return (
        f"Mean over pictures; ± standard deviation between seeds {', '.join(map(str, seeds))}. {first['steps']} steps "
        f"of {first['points_per_step']} points for all that is shared and training latents, about {seconds:.0f} s; "
        f"{latent_fits[0]['steps']} steps for latents of held-out pictures, about {more:.0f} s. Shared numbers, not "
        f"counted above: {shared(rows)}. {alone(rows)}{first['device']}, TensorFlow {first['tensorflow']}."
    )


def alone(rows):
    """A sentence about networks for each picture alone."""
    parts = []
    found = [row for row in rows if row["method"] == "alone"]
    for numbers in sorted({row["numbers"] for row in found}):
        figures = {row["set"]: row["psnr_db"] for row in found if row["numbers"] == numbers}
        parts.append(f"{numbers} weights {figures['same']:.2f} and {figures['other']:.2f} dB")
    told = "A SIREN for each held-out picture alone, of the same and of held-out photographs: "
    return f"{told}{'; '.join(parts)}. " if parts else ""


def shared(rows):
    """The span of shared numbers of each method that has any."""
    parts = []
    for method in (*MODULATED, "pca"):
        found = [row["shared_numbers"] for row in rows if row["method"] == method]
        if found:
            parts.append(f"{method} {min(found):,} to {max(found):,}")
    return ", ".join(parts)


def draw(rows, path):
    """PSNR against numbers a picture, one panel for each set, a dot for each seed."""
    figure = matplotlib.figure.Figure(figsize=(12, 4.2), dpi=120, layout="constrained")
    names = {**METHODS, "alone": "SIREN alone"}
    for axes, (which, told) in zip(figure.subplots(1, 3, sharex=True), SETS.items(), strict=True):
        for index, (method, name) in enumerate(names.items()):
            found = [row for row in rows if (row["set"], row["method"]) == (which, method)]
            sizes = sorted({row["numbers"] for row in found})
            means = [statistics.mean(row["psnr_db"] for row in found if row["numbers"] == size) for size in sizes]
            axes.plot(sizes, means, color=f"C{index}", linestyle=":" if method == "alone" else "-", label=name)
            dots = [(row["numbers"], row["psnr_db"]) for row in found]
            axes.scatter(*zip(*dots, strict=True) if dots else ([], []), s=12, color=f"C{index}")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("numbers a picture")
        axes.set_title(told, fontsize=10)
        axes.grid(alpha=0.3)
        # PCA of nearly as many components as training pictures is nearly exact there, and would flatten the rest
        axes.set_ylim(top=min(axes.get_ylim()[1], 45))
    figure.axes[0].set_ylabel("PSNR (dB)")
    figure.axes[1].legend(fontsize=8)
    figure.savefig(path)
