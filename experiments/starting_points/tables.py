"""What the study of starting points looks like: tables, figure, CSV, and the measures they are made of."""

import math
import statistics

import matplotlib.figure
import scipy.stats

SHOWN = (0, 10, 30, 100, 300, 600)
SCORED = (10, 30, 100, 300)
GOALS = (30, 35)
MOST_DB = 60.0
DRAWN = ("drawn", "paper", "init-33")
"""Starts that are drawn by a rule."""


def at(row, steps):
    """PSNR after steps, those that the fit had."""
    curve = dict(map(tuple, row["curve"]))
    return [curve[step] for step in steps if step in curve]


def score(row):
    """Mean PSNR after 10, 30, 100 and 300 steps: what a start is chosen by."""
    return statistics.mean(at(row, SCORED))


def steps_to(row, goal):
    """The step at which the curve crosses a PSNR, between looks in equal ratios of steps; None if it does not."""
    before = (0, -math.inf)
    for step, psnr_db in row["curve"]:
        if psnr_db >= goal:
            if step == 0 or before[1] == -math.inf:
                return float(step)
            share = (goal - before[1]) / (psnr_db - before[1])
            start = max(before[0], 0.5)
            return start * (step / start) ** share
        before = (step, psnr_db)
    return None


def chosen(rows, network, start):
    return [row for row in rows if row["network"] == network and row["start"] == start]


def mean_at(rows, step):
    """Mean over fits of the PSNR after a step."""
    return statistics.mean(at(row, [step])[0] for row in rows)


def gain(rows, network, start, step):
    """dB by which a learnt start is above the best that is drawn, in the mean over held-out pictures and seeds."""
    drawn = [chosen(rows, network, name) for name in DRAWN]
    return mean_at(chosen(rows, network, start), step) - max(mean_at(one, step) for one in drawn if one)


def table(rows):
    """A table for each network: starts, best first after 100 steps."""
    parts = []
    for network in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == network]
        steps = [step for step in SHOWN if at(own[0], [step])]
        last = 100 if 100 in steps else steps[-1]
        names = sorted({row["start"] for row in own}, key=lambda name: -mean_at(chosen(own, network, name), last))
        heads = ["start", "rate", *(f"{step} steps" for step in steps)]
        heads += [head for goal in GOALS for head in (f"steps to {goal} dB", "saved")]
        lines = [f"`{network}`", "", f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
        for name in names:
            fits = chosen(own, network, name)
            cells = [f"{name}" if name in DRAWN else f"**{name}**", f"{fits[0]['learning_rate']:g}"]
            cells += [spread(fits, step) for step in steps]
            cells += [cell for goal in GOALS for cell in (reached(fits, goal), saved(fits, drawn_fits(own), goal))]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def spread(rows, step):
    """Mean PSNR ± the standard deviation between the pictures' means."""
    by_image = {image: [row for row in rows if row["image"] == image] for image in {row["image"] for row in rows}}
    means = [mean_at(own, step) for own in by_image.values()]
    return f"{statistics.mean(means):.2f}" + (f" ± {statistics.stdev(means):.1f}" if len(means) > 1 else "")


def reached(rows, goal):
    """Mean steps of the fits that reached a PSNR, and how many did if not all."""
    found = [steps for steps in (steps_to(row, goal) for row in rows) if steps is not None]
    if not found:
        return "-"
    return f"{statistics.mean(found):.0f}" + ("" if len(found) == len(rows) else f" ({len(found)}/{len(rows)})")


def drawn_fits(rows):
    """The fits of a network from the best of its drawn starts, by the mean over 10, 30, 100 and 300 steps."""
    fits = {name: [row for row in rows if row["start"] == name] for name in DRAWN}
    return max((own for own in fits.values() if own), key=lambda own: statistics.mean(map(score, own)))


def saved(fits, drawn, goal):
    """Steps to a PSNR that a start saves: mean over pictures of the pairs of one seed that both got there."""
    known = {(row["image"], row["seed"]): steps_to(row, goal) for row in drawn}
    pairs = [(known[row["image"], row["seed"]], steps_to(row, goal)) for row in fits]
    both = {}
    for row, (before, after) in zip(fits, pairs, strict=True):
        if None not in (before, after):
            both.setdefault(row["image"], []).append(before - after)
    if not both or fits == drawn:
        return "-"
    means = [statistics.mean(differences) for differences in both.values()]
    text = f"{statistics.mean(means):+.0f}"
    if len(means) > 1:  # seeds of one picture are alike, so that pictures are what counts
        half = statistics.stdev(means) / math.sqrt(len(means)) * scipy.stats.t.ppf(0.975, len(means) - 1)
        text += f" ± {half:.0f}"
    alone = sum(before is None and after is not None for before, after in pairs)
    count = sum(map(len, both.values()))
    brackets = [f"{count} of {len(pairs)}"] if count < len(pairs) else []
    brackets += [f"{alone} that only it reached"] if alone else []
    return f"{text} ({', '.join(brackets)})" if brackets else text


def facts(rows, starts):
    """What the figures were made with."""
    seeds = sorted({row["seed"] for row in rows})
    return (
        f"Held out: {', '.join(starts['held_out'])}; rates tuned on {', '.join(starts['tune_on'])}; learnt from "
        f"{', '.join(starts['learn_from'])}. Longer side {rows[0]['size']}, {rows[0]['batch_size']} random points "
        f"a step, Adam at a constant rate, seeds {', '.join(map(str, seeds))}. Mean PSNR over all pixels, at most "
        f"{MOST_DB:.0f} dB a picture, ± standard deviation between pictures. Steps: mean over the fits that got there, "
        "their number in brackets if not all did. Saved: against the best drawn start, mean and half of the 95 % "
        "interval (Student's t) over pictures, each the mean of its seeds where both got there. "
        f"{rows[0]['device']}."
    )


def rounded(row):
    """A row as it is published, so that tables can be made again from it."""
    return {**row, "curve": [[step, round(psnr_db, 3)] for step, psnr_db in row["curve"]]}


def flat(row):
    """A row with a column for each look in the place of the curve."""
    columns = {f"psnr_db_after_{step}": psnr_db for step, psnr_db in row["curve"]}
    return {name: value for name, value in row.items() if name != "curve"} | columns


def draw(rows, path):
    """A panel for each network: mean PSNR over steps, a line for each start."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    learnt = [name for name in dict.fromkeys(row["start"] for row in rows) if name not in DRAWN]
    figure = matplotlib.figure.Figure(figsize=(4.2 * len(networks), 3.8), dpi=110, layout="constrained")
    for axes, network in zip(figure.subplots(1, len(networks), sharey=True, squeeze=False)[0], networks, strict=True):
        own = [row for row in rows if row["network"] == network]
        steps = [step for step, _ in own[0]["curve"]]
        for name in dict.fromkeys(row["start"] for row in own):
            means = [mean_at(chosen(own, network, name), step) for step in steps]
            style = {"color": "black", "linestyle": ("-", "--", ":")[DRAWN.index(name)]} if name in DRAWN else {}
            style = style or {"color": f"C{learnt.index(name)}"}
            axes.plot([max(step, 0.5) for step in steps], means, label=name, linewidth=1.4, **style)
        axes.set_xscale("log")
        axes.set_xticks([0.5, 1, 10, 100, 600], ["0", "1", "10", "100", "600"])
        axes.set_title(network, fontsize=11)
        axes.set_xlabel("steps")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="upper left")
    figure.axes[0].set_ylabel("PSNR on held-out photographs (dB)")
    figure.savefig(path)
