"""What the study tells: a table, curves with bands, pictures at the three levels, and all of it as CSV."""

import statistics

import matplotlib.figure
import matplotlib.ticker
import numpy as np
from PIL import Image

from experiments.files import put_between, write_csv
from experiments.init_study.measures import LEVELS, level_db
from keras_inr._files import atomic_path

MARKER = "<!-- results -->"
COLUMNS = (
    "experiment",
    "scheme",
    "omega_0",
    "weight_decay",
    "freeze",
    "learning_rate",
    "seed",
    "steps",
    "size",
    "units",
    "points",
)
COLUMNS += tuple(f"steps_to_{level:g}{where}" for where in ("", "_on_pixels") for level in LEVELS)
COLUMNS += ("psnr_db", "between_db", "train_seconds", "num_parameters", "device", "tensorflow", "image_sha256")
CURVES = ("experiment", "seed", "step", "psnr_db", "mse", "between_db", "between_mse")
FIGURES = {"curves": "png", "pictures": "jpg"}
NEAR = 1.1
"""Times the lowest error that experiment 1 has: what counts as having reached it."""


def write(results, stem, records, pictures, experiments):
    """Writes <stem>.md, .csv, -curves.csv, -curves.png and -pictures.jpg; returns the table.

    Args:
        results: folder.
        stem: what the files are called.
        records: of all fits, experiment after experiment.
        pictures: for each record the files of its pictures at the levels, or None.
        experiments: name -> entry of experiments.json.
    """
    results.mkdir(parents=True, exist_ok=True)
    text = table(records, experiments)
    with atomic_path(results / f"{stem}.md") as temporary:
        images = "\n".join(f"![{what}]({stem}-{what}.{kind})\n" for what, kind in FIGURES.items())
        temporary.write_text(f"### {stem}\n\n{text}\n{images}")
    looks = [{**record, **row} for record in records for row in record["looks"]]
    for name, columns, rows in (("", COLUMNS, records), ("-curves", CURVES, looks)):
        write_csv(results / f"{stem}{name}.csv", columns, [{key: row[key] for key in columns} for row in rows])
    draw_curves(results / f"{stem}-curves.png", records)
    draw_pictures(results / f"{stem}-pictures.jpg", records, pictures)
    return text


def table(records, experiments):
    """A row for each experiment, and what the figures were made with.

    Levels: steps / times sooner than experiment 1; its lowest error: times sooner alone.
    """
    heads = ["experiment", "learning rate", *(f"{level:g} ({level_db(level):.1f} dB)" for level in LEVELS)]
    heads += ["lowest error of 1", "PSNR on pixels (dB)", "between them (dB)", "what the source says"]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 2) + " --- |"]
    for name, own in grouped(records).items():
        rates = sorted({record["learning_rate"] for record in own})
        cells = [label(own[0]), " to ".join(f"{rate:g}" for rate in (rates[:1] + rates[1:][-1:]))]
        cells += [steps_and_factor(records, own, level) for level in LEVELS]
        cells += [spread(times_sooner_to_lowest(records, own), 2)]
        cells += [spread([record[key] for record in own], 2) for key in ("psnr_db", "between_db")]
        lines.append(f"| {' | '.join([*cells, experiments[name]['said']])} |")
    return "\n".join([*lines, "", facts(records)]) + "\n"


def label(record):
    """An experiment's name with its settings where they are not the usual ones."""
    marks = [record["scheme"]] if record["scheme"] != f"init-{record['experiment']}" else []
    marks += [f"omega {record['omega_0']:g}"] if record["omega_0"] != 30 else []
    marks += [record["freeze"]] if record["freeze"] else []
    return record["experiment"] + (f" ({', '.join(marks)})" if marks else "")


def steps_and_factor(records, own, level):
    """Steps to a level, and in how many times fewer steps than experiment 1's."""
    key = f"steps_to_{level:g}"
    steps, times = spread([record[key] for record in own], 0), spread(times_sooner(records, own, key), 2)
    return steps if times == "-" else f"{steps} / {times}"


def times_sooner(records, own, key):
    """For each seed, experiment 1's steps over those of `own`; None where either is missing."""
    ones = ones_of(records)
    pairs = [((ones.get(fit_to(record)) or {}).get(key), record[key]) for record in own]
    return [None if None in pair else pair[0] / pair[1] for pair in pairs]


def times_sooner_to_lowest(records, own):
    """The same for the lowest error between pixels that experiment 1 has at any look, wherever that is."""
    ones = ones_of(records)
    return [times_sooner_to_lowest_of((ones.get(fit_to(r)) or {}).get("looks", []), r["looks"]) for r in own]


def ones_of(records):
    """Experiment 1's records by picture and seed."""
    return {fit_to(record): record for record in records if record["experiment"] == "1"}


def fit_to(record):
    return record["image_sha256"], record["seed"]


def times_sooner_to_lowest_of(ones, looks):
    """The ratio for one pair of fits; None where there is no experiment 1, or its error is not reached.

    Both count to their first look within `NEAR` of the lowest error, as looks at a constant rate are noisy.
    """
    known, own = ([row for row in rows if row["between_mse"] is not None] for rows in (ones, looks))
    if not known:
        return None
    enough = NEAR * min(row["between_mse"] for row in known)
    first, steps = ([row["step"] for row in rows if row["between_mse"] <= enough] for rows in (known, own))
    return first[0] / steps[0] if steps else None


def spread(values, digits):
    """Mean ± standard deviation of those that there are, and their number if not all; "-" for none."""
    found = [value for value in values if value is not None]
    if not found:
        return "-"
    deviation = f" ± {statistics.stdev(found):.{digits}f}" if len(found) > 1 else ""
    missing = "" if len(found) == len(values) else f" ({len(found)} of {len(values)})"
    return f"{statistics.mean(found):.{digits}f}{deviation}{missing}"


def facts(records):
    """What the figures were made with."""
    first = records[0]
    seeds, decays = (
        [f"{x:g}" for x in sorted({record[key] for record in records})] for key in ("seed", "weight_decay")
    )
    per_step = [record["train_seconds"] / record["steps"] for record in records if record["train_seconds"]]
    pace = f", {1000 * statistics.median(per_step):.0f} ms a step" if per_step else ""
    parts = [
        "Levels: steps, and how many times sooner than 1",
        f"{first['size']} x {first['size']} pixels",
        f"sine layers of {', '.join(map(str, first['units']))} ({first['num_parameters']:,} parameters)",
        f"{length(records)} steps of {first['points']} continuous points{pace}",
        f"AdamW at a constant rate, weight decay {' and '.join(decays)}",
        f"seeds {', '.join(seeds)}: mean ± standard deviation, - where no fit got there",
        f"{first['device']}, TensorFlow {first['tensorflow']}.",
    ]
    return "; ".join(parts)


def length(records):
    """The steps of the fits, from the shortest to the longest where they differ.

    >>> length([{"steps": 40}]), length([{"steps": 40}, {"steps": 25}])
    ('40', '25 to 40')
    """
    steps = sorted({record["steps"] for record in records})
    return str(steps[0]) if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"


def grouped(records):
    """Experiment's name -> its records."""
    names = dict.fromkeys(record["experiment"] for record in records)
    return {name: [record for record in records if record["experiment"] == name] for name in names}


def draw_curves(path, records):
    """PSNR over the steps, between pixels and on them: the seeds' mean with a band of one standard deviation."""
    figure = matplotlib.figure.Figure(figsize=(12, 5.5), dpi=110, layout="constrained")
    titles = {"between_db": "between pixels, as trained (dB)", "psnr_db": "on all pixels (dB)"}
    for axes, key in zip(figure.subplots(1, 2, sharey=True), titles, strict=True):
        for number, own in enumerate(grouped(records).values()):
            draw_band(axes, own, key, style_of(own[0], number))
        for level in LEVELS:
            axes.axhline(level_db(level), color="grey", linewidth=0.7, linestyle=":")
        axes.set(xlabel="steps", title=f"PSNR {titles[key]}", xscale="log")
        axes.xaxis.set_major_formatter(matplotlib.ticker.LogFormatter())
        axes.xaxis.set_minor_formatter(matplotlib.ticker.LogFormatter(minor_thresholds=(2, 0.5)))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8, ncols=1 + len(grouped(records)) // 12)
    figure.savefig(path)


def style_of(record, number):
    """A colour for each; frozen runs are black and dashed or dotted above the others, whose curves they follow."""
    if record["freeze"]:
        return {"color": "black", "linestyle": ":" if "," in record["freeze"] else "--", "zorder": 3}
    return {"color": f"C{number % 10}", "linestyle": ("-", "--", ":", "-.")[number // 10 % 4]}


def draw_band(axes, records, key, style):
    """One experiment's fits, but those that diverged, as far as all of them go."""
    whole = [record for record in records if record["psnr_db"] is not None]
    if whole:
        shortest = min((record["looks"] for record in whole), key=len)
        steps = [row["step"] for row in shortest]
        curves = np.array([[row[key] for row in record["looks"][: len(steps)]] for record in whole], dtype="float64")
        mean, deviation = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(curves) - 1))
        axes.plot(steps, mean, label=label(records[0]), linewidth=1.3, **style)
        axes.fill_between(steps, mean - deviation, mean + deviation, color=style["color"], alpha=0.2, linewidth=0)


def draw_pictures(path, records, pictures):
    """A column for each experiment: the first seed's picture at its first look at each level, and after what step."""
    firsts = {}
    for record, files in zip(records, pictures, strict=True):
        firsts.setdefault(record["experiment"], (record, files))
    size = (1.7 * len(firsts) + 0.3, 2.0 * len(LEVELS) + 0.3)
    figure = matplotlib.figure.Figure(figsize=size, dpi=110, layout="constrained")
    axes = figure.subplots(len(LEVELS), len(firsts), squeeze=False)
    for column, (record, files) in zip(axes.T, firsts.values(), strict=True):
        for axis, level, file in zip(column, LEVELS, files, strict=True):
            axis.set(xticks=[], yticks=[], frame_on=False)
            axis.set_title("not reached" if file is None else f"step {record[f'steps_to_{level:g}']}", fontsize=8)
            if file is not None:
                axis.imshow(np.asarray(Image.open(file)))
        column[0].set_title(f"{label(record).replace(' (', chr(10) + '(')}\n{column[0].get_title()}", fontsize=8)
    for axis, level in zip(axes[:, 0], LEVELS, strict=True):
        axis.set_ylabel(f"{level:g}", fontsize=8)
    figure.savefig(path)


def put_into(page, results):
    """Puts all tables of the folder between the two markers of a page, if there is such a page."""
    if page.exists():
        tables = "\n".join(path.read_text() for path in sorted(results.glob("*.md")))
        put_between(page, MARKER, tables.replace("](", f"]({results.name}/"))
