"""What the study tells: tables, curves of each network, a box plot of all, and the CSV of all fits that they are of."""

import json

import matplotlib.figure
import matplotlib.patches
import numpy as np

from experiments.files import put_between, read_csv, write_csv
from experiments.pictures import save_small
from experiments.prefit.fits import GRID, MODES, PLAN
from experiments.prefit.outcomes import CAP_DB, GOALS, capped, figures, paired, spread
from keras_inr._files import atomic_path

MARKER = "<!-- prefit -->"
COLUMNS = (
    "case",
    "network",
    "layers",
    "width",
    "num_parameters",
    "triple",
    "mode",
    "seed",
    "picture",
    "label",
    "after",
)
COLUMNS += ("steps", "start_psnr_db", "final_psnr_db", "auc_db", *(f"steps_to_{goal}_db" for goal in GOALS), "curve")
COLUMNS += ("images", "size", "learning_rate", "plateau_factor", "plateau_patience", "seconds", "device", "tensorflow")
TEXTS = ("case", "network", "mode", "picture", "label", "after", "images", "device", "tensorflow")
SET = 20
"""Triples of a set, by their numbers: what the first set says is looked for in the second."""

LEAST = 3
"""Triples that a network must have to be told of."""

MEASURES = {
    "auc_db": ("AUC (dB)", 2),
    **{f"steps_to_{goal}_db": (f"steps to {goal} dB", 0) for goal in GOALS},
    "final_psnr_db": ("PSNR at the end (dB)", 2),
    "start_psnr_db": ("PSNR before the first step (dB)", 2),
}
COMPARISONS = {
    ("after_same", "scratch"): "after same class - scratch",
    ("after_other", "scratch"): "after other class - scratch",
    ("after_other", "after_same"): "after other class - after same class",
}
"""Pairs of modes that are compared triple by triple."""

COLOURS = {"scratch": "C0", "after_same": "C2", "after_other": "C3"}


SHARED = ("layers", "width", "num_parameters", "triple", "seed", "size", "device", "tensorflow", "case", "network")
SHOWN_STEPS = (10, 20, 30, 50, 80, 120, 160, 200, 300, 400, 500, 600, 800, 1000, 1200, 1400, 1600, 1800, 2000)
"""The rounds of a curve that fits.csv keeps are the first to end at these steps or later."""


def write(results, rows):
    """Writes table.md, auc.png and curves/NETWORK.png, and the page beside the folder, if there is one.

    Args:
        results: folder.
        rows: of all fits, as `read_rows` gives them.

    Returns:
        What is put into the page.
    """
    first = first_set(rows)
    (results / "curves").mkdir(parents=True, exist_ok=True)
    draw_auc(results / "auc.png", first)
    for network in names(first):
        draw_curves(results / "curves" / f"{network}.png", [row for row in first if row["network"] == network])
    again, others = again_sentences(rows), [verdict(first), start_tells(first)]
    how, figure = [coverage(rows), facts(first)], "![AUC](results/auc.png)"
    tables = [f"### {MEASURES[measure][0]}\n\n{table(first, measure)}" for measure in MEASURES]
    with atomic_path(results / "table.md") as temporary:
        temporary.write_text("\n\n".join([*others, *again, *how, figure.replace("results/", ""), "\n".join(tables)]))
    text = "\n\n".join([table(first, "auc_db").strip(), figure, *again, *how]) + "\n"
    page = results.parent / "README.md"
    if page.exists():
        put_between(page, MARKER, text)
    return text


def again_sentences(rows):
    """[what the second set of triples says], or [] if there is none."""
    second = told_of([row for row in rows if row["triple"] >= SET])
    return [again_table(first_set(rows), second)] if second else []


def rows_of(record):
    """A row for each fit of a triple; the triple's seconds are shared among them."""
    shared = {name: record[name] for name in SHARED}
    recipe = record["recipe"]
    shared |= {name: recipe[name] for name in ("learning_rate", "plateau_factor", "plateau_patience", "steps")}
    shared |= {"images": " ".join(record["images"]), "seconds": round(record["seconds"] / len(PLAN), 3)}
    rows = []
    for mode, (role, start) in PLAN.items():
        fit = record["fits"][mode]
        row = {**shared, "mode": mode, **figures(fit, recipe["steps"])}
        row["curve"] = shown(fit["curve"]) if mode in MODES else []
        row |= {"picture": record["pictures"][role], "label": record["labels"][role]}
        rows.append({**row, "after": record["pictures"][PLAN[start][0]] if start else ""})
    return rows


def shown(curve):
    """Some of a curve's [step, PSNR (dB)], as many as a figure shows.

    >>> shown([[5, 12.0], [10, 20.123], [11, 21.0], [20, 70.0]])
    [[10, 20.12], [20, 60.0]]
    """
    kept, wanted = [], list(SHOWN_STEPS)
    for step, psnr_db in curve:
        if wanted and step >= wanted[0]:
            kept.append([step, round(capped(psnr_db), 2)])
            wanted = [later for later in wanted if later > step]
    return kept


def ordered(rows):
    """By layers x width, triple and fit."""
    modes = list(PLAN)
    return sorted(rows, key=lambda row: (size_of(row), row["triple"], modes.index(row["mode"])))


def write_rows(path, rows):
    """Writes fits.csv."""
    write_csv(path, COLUMNS, [{**row, "curve": json.dumps(row["curve"], separators=(",", ":"))} for row in rows])


def size_of(row):
    """What networks are sorted by."""
    return row["layers"] * row["width"], row["layers"]


def read_rows(path):
    """The rows of fits.csv, none where there is no such file."""
    return read_csv(path, TEXTS)


def first_set(rows):
    """The rows that tables are made of."""
    return told_of([row for row in rows if row["triple"] < SET])


def told_of(rows):
    """The rows of networks that have at least LEAST triples."""
    counts = {network: number_of_triples(rows, network) for network in names(rows)}
    return [row for row in rows if counts[row["network"]] >= LEAST]


def number_of_triples(rows, network):
    return len({row["triple"] for row in rows if row["network"] == network})


def names(rows):
    """Networks in the order of their rows."""
    return list(dict.fromkeys(row["network"] for row in rows))


def column(rows, network, mode, measure):
    """A measure of a network's fits of one mode, triple after triple."""
    own = [row for row in rows if row["network"] == network and row["mode"] == mode]
    return [row[measure] for row in sorted(own, key=lambda row: row["triple"])]


def table(rows, measure):
    """A row for each network: mean ± standard deviation over triples, and paired differences with 95 % intervals."""
    digits = MEASURES[measure][1]
    heads = ["network", "parameters", "triples", *MODES.values(), *COMPARISONS.values()]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for network in names(rows):
        parameters = next(row["num_parameters"] for row in rows if row["network"] == network)
        cells = [network, f"{parameters:,}", str(number_of_triples(rows, network))]
        cells += [spread(column(rows, network, mode, measure), digits) for mode in MODES]
        cells += [interval(rows, network, pair, measure, digits) for pair in COMPARISONS]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def difference(rows, network, pair, measure):
    """(mean, low, high) of one mode less another over the triples that have both."""
    return paired(*(column(rows, network, mode, measure) for mode in pair))


def class_difference(rows, network, pair, measure):
    """As `difference`, with the mean of each class of A's in the place of its triples."""
    labels = sorted({row["label"] for row in rows if (row["network"], row["mode"]) == (network, pair[0])})
    classes = [[row for row in rows if row["label"] == label] for label in labels]
    return paired(*([np.mean(column(own, network, mode, measure)) for own in classes] for mode in pair))


def interval(rows, network, pair, measure, digits):
    """ "+1.20 [0.90, 1.50]", with the number of pairs where not all triples have both."""
    mean, low, high = difference(rows, network, pair, measure)
    if mean is None:
        return "-"
    ours, theirs = (column(rows, network, mode, measure) for mode in pair)
    count = sum(None not in both for both in zip(ours, theirs, strict=True))
    text = f"{mean:+.{digits}f}" + ("" if low is None else f" [{low:.{digits}f}, {high:.{digits}f}]")
    return text if count == len(ours) else f"{text} ({count} of {len(ours)})"


def verdict(rows):
    """What a first fit changes in the AUC, in how many of the smaller and of the larger networks."""
    found = names(rows)
    half = len(found) // 2
    groups = {"the smaller half": found[:half], "the larger half": found[half:]} if half else {"all": found}
    lines = [
        "Networks whose AUC is higher or lower, the 95 % interval of the paired difference leaving 0 out (by chance "
        "alone, one interval in 20 would), by layers x width. All of them see the same triples, some the first of "
        "them alone. Intervals are over triples, and in the last rows over the means of A's classes, since triples of "
        "a class are alike:",
        "",
        f"| | {' | '.join(f'{name} ({len(group)})' for name, group in groups.items())} |",
        "| --- |" + " --- |" * len(groups),
    ]
    for compared, over in ((difference, ""), (class_difference, ", over classes")):
        for pair, name in COMPARISONS.items():
            found = [[compared(rows, network, pair, "auc_db") for network in group] for group in groups.values()]
            lines.append(f"| {name}{over} | {' | '.join(map(counted, found))} |")
    return "\n".join(lines)


def again_table(first, second):
    """The paired differences of the AUC in both sets of triples, for the networks that both were made with."""
    lines = [
        f"With {SET} other triples, for networks that were fitted to both (AUC in dB, mean and 95 % interval):",
        "",
        "| network | triples |" + "".join(f" {name} |" for name in COMPARISONS.values()),
        "| --- | --- |" + " ---: |" * len(COMPARISONS),
    ]
    for network in [name for name in names(first) if name in names(second)]:
        for name, rows in (("first", first), ("second", second)):
            cells = [interval(rows, network, pair, "auc_db", 2) for pair in COMPARISONS]
            lines.append(f"| {network} | {name} {number_of_triples(rows, network)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def start_tells(rows):
    """In how many pairs of fits, after B and after C, the one that starts higher has the higher AUC too."""
    pair, agree = ("after_same", "after_other"), []
    for network in names(rows):
        figures = [column(rows, network, mode, measure) for measure in ("start_psnr_db", "auc_db") for mode in pair]
        agree += [
            (b_start > c_start) == (b_auc > c_auc) for b_start, c_start, b_auc, c_auc in zip(*figures, strict=True)
        ]
    told = "Of two fits, after B and after C, the one that starts higher has the higher AUC in"
    return f"{told} {sum(agree)} of {len(agree)} pairs."


def counted(differences):
    """How many of (mean, low, high) are above 0, how many below, and the mean of the means."""
    above = sum(low is not None and low > 0 for _, low, _ in differences)
    below = sum(high is not None and high < 0 for _, _, high in differences)
    mean = np.mean([mean for mean, _, _ in differences])
    return f"higher in {above}, lower in {below}, {mean:+.2f} dB in the mean"


def coverage(rows):
    """Which networks of the source's grid were run, and what that took."""
    found = names(rows)
    missing = [str(network) for network in GRID if str(network) not in found]
    hours = sum(row["seconds"] for row in rows) / 3600
    text = f"Run: {len(found)} networks, {len(rows)} fits, {hours:.1f} hours of {' and '.join(devices(rows))}."
    return f"{text} Of the source's grid are not run: {', '.join(missing)}." if missing else text


def devices(rows):
    return sorted({row["device"] for row in rows})


def facts(rows):
    """What the figures were made with."""
    first = rows[0]
    lengths = sorted({row["steps"] for row in rows})
    return (
        f"{first['images']} at {first['size']} x {first['size']} pixels; fits of {' or '.join(map(str, lengths))} "
        f"full-batch steps of Adam, {first['learning_rate']:g} times {first['plateau_factor']:g} after "
        f"{first['plateau_patience']} steps without improvement. Mean ± standard deviation over triples; differences: "
        "mean and 95 % interval (Student's t for pairs), the number of pairs in brackets if not all have both. PSNR is "
        f"of clamped values, at most {CAP_DB:g} dB; AUC is its mean over the steps. Steps to a PSNR are those of the "
        "fits that got there, their number in brackets if not all did, and their differences of the triples where both "
        f"did. {'; '.join(devices(rows))}, TensorFlow {first['tensorflow']}."
    )


def draw_curves(path, rows):
    """One network's capped PSNR over the steps: mean over the triples, with a band of one standard deviation."""
    figure = matplotlib.figure.Figure(figsize=(5, 3.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for mode, label in MODES.items():
        fits = [row for row in rows if row["mode"] == mode]
        # the start stands at 0, a round's mean at the round's end, and the end apart from the last round's mean
        known = [
            {0: fit["start_psnr_db"], **dict(fit["curve"]), fit["steps"] + 1: fit["final_psnr_db"]} for fit in fits
        ]
        places = sorted(set().union(*known))
        curves = np.array([[capped(curve.get(place)) for place in places] for curve in known])
        mean, deviation = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(curves) - 1))
        axes.plot(places, mean, label=label, color=COLOURS[mode], linewidth=1.2)
        axes.fill_between(places, mean - deviation, mean + deviation, color=COLOURS[mode], alpha=0.2, linewidth=0)
    for goal in GOALS:
        axes.axhline(goal, color="grey", linewidth=0.6, linestyle=":")
    axes.set(
        xlabel="steps", ylabel="PSNR (dB)", title=f"{rows[0]['network']}, {rows[0]['num_parameters']:,} parameters"
    )
    axes.title.set_fontsize(10)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.3)
    save_small(figure, path)


def draw_auc(path, rows):
    """Box plot of the AUC of every network and mode, networks by layers x width."""
    networks = names(rows)
    figure = matplotlib.figure.Figure(figsize=(2.4 + 0.3 * len(networks), 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for place, mode in enumerate(MODES):
        axes.boxplot(
            [column(rows, network, mode, "auc_db") for network in networks],
            positions=np.arange(len(networks)) + 0.26 * (place - 1),
            widths=0.2,
            patch_artist=True,
            boxprops={"facecolor": COLOURS[mode], "alpha": 0.6, "linewidth": 0.5},
            medianprops={"color": "black"},
            flierprops={"markersize": 2},
        )
    axes.set_xticks(range(len(networks)), networks, rotation=90 if len(networks) > 6 else 0, fontsize=8)
    axes.set(xlabel="network, by layers x width", ylabel="AUC: mean PSNR over the steps (dB)")
    patches = [matplotlib.patches.Patch(color=COLOURS[mode], alpha=0.6, label=label) for mode, label in MODES.items()]
    axes.legend(handles=patches, fontsize=8)
    axes.grid(axis="y", alpha=0.3)
    save_small(figure, path)
