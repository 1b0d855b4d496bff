"""What the study tells: tables, curves of each network, a box plot of all, a CSV of all fits, and the hours."""

import dataclasses
import io

import matplotlib.figure
import matplotlib.patches
import numpy as np
from PIL import Image

from experiments.files import put_between, write_csv
from experiments.prefit.fits import MODES, PLAN
from experiments.prefit.outcomes import CAP_DB, GOALS, capped, figures, paired, spread
from keras_inr._files import atomic_path

MARKER = "<!-- prefit -->"
COLUMNS = ("network", "layers", "width", "num_parameters", "triple", "mode", "seed", "picture", "label", "after")
COLUMNS += ("steps", "start_psnr_db", "final_psnr_db", "auc_db", *(f"steps_to_{goal}_db" for goal in GOALS))
MEASURES = {
    "auc_db": ("AUC (dB)", 2),
    **{f"steps_to_{goal}_db": (f"steps to {goal} dB", 0) for goal in GOALS},
    "final_psnr_db": ("PSNR at the end (dB)", 2),
    "start_psnr_db": ("PSNR before the first step (dB)", 2),
}
IN_README = ("auc_db", "steps_to_30_db", "steps_to_40_db")
COMPARISONS = {
    ("after_same", "scratch"): "after same class - scratch",
    ("after_other", "scratch"): "after other class - scratch",
    ("after_other", "after_same"): "after other class - after same class",
}
"""Pairs of modes that are compared triple by triple."""

COLOURS = {"scratch": "C0", "after_same": "C2", "after_other": "C3"}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network takes.

    Attributes:
        network: its name.
        seconds: of each triple that is run.
        triples: how many there are to run in all.
        expected: seconds of a triple by timed steps, None if the network has not been timed.
        devices: what ran or timed it.
    """

    network: str
    seconds: list
    triples: int
    expected: float | None
    devices: frozenset

    @property
    def hours(self):
        """Of all triples; those that are not run cost as much as those that are, else as timed; None if unknown."""
        pace = sum(self.seconds) / len(self.seconds) if self.seconds else self.expected
        missing = self.triples - len(self.seconds)
        return None if pace is None else (sum(self.seconds) + missing * pace) / 3600


def write(results, records, costs):
    """Writes table.md, fits.csv, auc.png and curves/NETWORK.png, and the page beside the folder, if there is one.

    Args:
        results: folder.
        records: of all triples of all networks that are told of.
        costs: a `Cost` for each network of the grid.

    Returns:
        What is put into the page.
    """
    records = sorted(records, key=lambda record: (record["layers"] * record["width"], record["layers"]))
    rows = [row for record in records for row in rows_of(record)]
    (results / "curves").mkdir(parents=True, exist_ok=True)
    write_csv(results / "fits.csv", COLUMNS, rows)
    draw_auc(results / "auc.png", rows)
    for network in names(rows):
        own = [record for record in records if record["network"] == network]
        draw_curves(results / "curves" / f"{network}.png", own)
    head = (
        f"{verdict(rows)}\n\n{start_tells(rows)}\n\n{hours(costs)}\n\n{facts(records)}\n\n![AUC](results/auc.png)\n\n"
    )
    tables = {measure: f"### {MEASURES[measure][0]}\n\n{table(rows, measure)}" for measure in MEASURES}
    with atomic_path(results / "table.md") as temporary:
        text = head.replace("results/", "") + "\n".join([*tables.values(), f"### Hours\n\n{hours_table(costs)}"])
        temporary.write_text(text)
    text = head + "\n".join(tables[measure] for measure in IN_README)
    page = results.parent / "README.md"
    if page.exists():
        put_between(page, MARKER, text)
    return text


def rows_of(record):
    """A row for each fit of a triple."""
    shared = {name: record[name] for name in ("network", "layers", "width", "num_parameters", "triple", "seed")}
    steps = record["recipe"]["steps"]
    rows = []
    for mode, (role, start) in PLAN.items():
        row = {**shared, "mode": mode, "steps": steps, **figures(record["fits"][mode], steps)}
        row |= {"picture": record["pictures"][role], "label": record["labels"][role]}
        rows.append({**row, "after": record["pictures"][PLAN[start][0]] if start else ""})
    return rows


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
    heads = ["network", "parameters", *MODES.values(), *COMPARISONS.values()]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for network in names(rows):
        parameters = next(row["num_parameters"] for row in rows if row["network"] == network)
        cells = [network, f"{parameters:,}"]
        cells += [spread(column(rows, network, mode, measure), digits) for mode in MODES]
        cells += [interval(rows, network, pair, measure, digits) for pair in COMPARISONS]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def difference(rows, network, pair, measure):
    """(mean, low, high) of one mode less another over the triples that have both."""
    return paired(*(column(rows, network, mode, measure) for mode in pair))


def class_difference(rows, network, pair, measure):
    """As `difference`, with the mean of each class of A's in the place of its triples."""
    classes = [[row for row in rows if row["label"] == label] for label in sorted({row["label"] for row in rows})]
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
        "alone, one interval in 20 would), by layers x width. All of them see the same triples. Intervals are over "
        "triples, and in the last rows over the means of A's classes, since triples of a class are alike:",
        "",
        f"| | {' | '.join(f'{name} ({len(group)})' for name, group in groups.items())} |",
        "| --- |" + " --- |" * len(groups),
    ]
    for compared, over in ((difference, ""), (class_difference, ", over classes")):
        for pair, name in COMPARISONS.items():
            found = [[compared(rows, network, pair, "auc_db") for network in group] for group in groups.values()]
            lines.append(f"| {name}{over} | {' | '.join(map(counted, found))} |")
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


def facts(records):
    """What the figures were made with."""
    first = records[0]
    recipe = first["recipe"]
    devices = "; ".join(sorted({record["device"] for record in records}))
    return (
        f"{', '.join(first['images'])} at {first['size']} x {first['size']} pixels; "
        f"{len({record['triple'] for record in records})} triples; fits of {recipe['steps']} full-batch steps of Adam, "
        f"{recipe['learning_rate']:g} times {recipe['plateau_factor']:g} after {recipe['plateau_patience']} steps "
        "without improvement. Mean ± standard deviation over triples; differences: mean and 95 % interval (Student's t "
        "for pairs), the number of pairs in brackets if not all have both. PSNR is of clamped values, at most "
        f"{CAP_DB:g} dB; AUC is its mean over the steps. Steps to a PSNR are those of the fits that got there, their "
        "number in brackets if not all did, and their differences of the triples where both did. "
        f"{devices}, TensorFlow {first['tensorflow']}."
    )


def hours(costs):
    """How long the whole grid takes, and how that is known."""
    known = [cost for cost in costs if cost.hours is not None]
    run = [cost for cost in costs if len(cost.seconds) == cost.triples]
    unknown = [cost.network for cost in costs if cost.hours is None]
    devices = "; ".join(sorted(set().union(*(cost.devices for cost in costs)))) or "nothing"
    text = (
        f"Hours of the whole grid, {len(costs)} networks x {max(cost.triples for cost in costs)} triples x {len(PLAN)} "
        f"fits, on this machine ({devices}): {sum(cost.hours for cost in known):.2f}. Measured: "
        f"{sum(sum(cost.seconds) for cost in costs) / 3600:.2f}, with {len(run)} of the networks run in full; the rest "
        "is counted from timed steps of each network (`--part=estimate`), or from those of its triples that are run."
    )
    timed = [cost for cost in run if cost.expected is not None]
    if timed:
        ratio = sum(sum(cost.seconds) for cost in timed) / sum(cost.triples * cost.expected for cost in timed)
        likely = sum(cost.hours * (1 if cost.seconds else ratio) for cost in known)
        text += f" In {len(timed)} networks that are run and timed, runs took {ratio:.2f} times what their steps say: "
        text += f"expect {likely:.0f} hours."
    if unknown:
        text += f" Left out, neither run nor timed: {', '.join(unknown)}."
    return text if "GPU" in devices else f"{text} A GPU has not been measured."


def hours_table(costs):
    """The hours of each network."""
    lines = ["| network | hours | how known |", "| --- | ---: | --- |"]
    for cost in costs:
        if cost.hours is None:
            lines.append(f"| {cost.network} | - | neither run nor timed |")
        else:
            how = f"{len(cost.seconds)} of {cost.triples} triples run" if cost.seconds else "steps timed"
            lines.append(f"| {cost.network} | {cost.hours:.3g} | {how} |")
    return "\n".join([*lines, "", hours(costs)]) + "\n"


def draw_curves(path, records):
    """One network's capped PSNR over the steps: mean over the triples, with a band of one standard deviation."""
    figure = matplotlib.figure.Figure(figsize=(5, 3.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    steps = records[0]["recipe"]["steps"]
    for mode, label in MODES.items():
        fits = [record["fits"][mode] for record in records]
        rounds = sorted({step for fit in fits for step, _ in fit["curve"]})
        # the start stands at 0, a round's mean at the round's end, and the end apart from the last round's mean
        known = [{0: fit["start_psnr_db"], **dict(fit["curve"]), steps + 1: fit["final_psnr_db"]} for fit in fits]
        places = [0, *rounds, steps + 1]
        curves = np.array([[capped(curve.get(place)) for place in places] for curve in known])
        mean, deviation = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(curves) - 1))
        axes.plot(places, mean, label=label, color=COLOURS[mode], linewidth=1.2)
        axes.fill_between(places, mean - deviation, mean + deviation, color=COLOURS[mode], alpha=0.2, linewidth=0)
    for goal in GOALS:
        axes.axhline(goal, color="grey", linewidth=0.6, linestyle=":")
    parameters = f"{records[0]['num_parameters']:,} parameters"
    axes.set(xlabel="steps", ylabel="PSNR (dB)", title=f"{records[0]['network']}, {parameters}")
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


def save_small(figure, path):
    """A PNG of 256 colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    with atomic_path(path) as temporary:
        Image.open(drawn).convert("RGB").quantize(256).save(temporary, optimize=True)
