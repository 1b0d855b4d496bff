"""Tables of the study; nothing here fits anything."""

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
    methods, signals = unique(rows, "method"), unique(rows, "signal")
    found = {(row["method"], row["signal"]): row for row in rows}
    best = {signal: max(decibels(found.get((method, signal))) for method in methods) for signal in signals}
    lines = [f"### About {weights:,} weights", ""]
    lines += head(["method", "weights", *signals, "mean", "seconds"])
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        cells = [cell(found.get((method, signal)), best[signal]) for signal in signals]
        mean = sum(map(decibels, own)) / len(own)
        seconds = sum(row["train_seconds"] for row in own) / len(own)
        lines.append(line([method, f"{own[0]['num_parameters']:,}", *cells, f"{mean:.1f}", f"{seconds:.0f}"]))
    return "\n".join(lines) + f"\n\nPSNR (dB) over all pixels, clamped, at most {MOST_DB:g}. {made_with(rows)}\n"


def tomography_table(rows):
    """PSNR and SSIM of the phantom by every method."""
    lines = ["### A phantom from its projections", ""]
    lines += head(["method", "weights", "steps", "seconds", "PSNR (dB)", "SSIM"])
    best = max(map(decibels, rows))
    for row in rows:
        facts = ["-", "-", "-"]
        if row["steps"] is not None:
            facts = [f"{row['num_parameters']:,}", str(row["steps"]), f"{row['train_seconds']:.0f}"]
        lines.append(line([row["method"], *facts, cell(row, best), f"{row['ssim']:.4f}"]))
    return "\n".join(lines) + f"\n\n{rows[0]['signal']}. {made_with(rows)}\n"


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
