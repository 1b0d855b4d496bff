"""Are goals reached, and how soon? --preset=auto with goals in dB, seconds and kB on photographs.

From the root of the repository: python -m experiments.goals.study --kodak=FOLDER

Each picture is fitted as `keras-inr fit --preset=auto --goal=...` fits it. A goal in dB is compared with the best
length by hand: the preset pixel_grid under a cosine schedule, of the shortest of several lengths that reaches the goal.
Every fit is kept in --runs and not made again. The result is results/fits.csv and the table of this folder's README.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("goals")

import csv
import json
import pathlib
import statistics
import sys

from absl import flags

from experiments.files import ROOT, put_between, write_csv, write_json
from keras_inr.choosing.choice import file_kb, recipe_for_any_time
from keras_inr.choosing.goal import Goal
from keras_inr.models.field_files import bare_copy
from keras_inr.presets import from_preset
from keras_inr.runs.facts import device_name
from keras_inr.runs.plan import plan_fit
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.growing import fit_growing
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
MARKER = "<!-- goals -->"
SAMPLES = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "retina", "rocket")
QUALITIES = ("35dB", "38dB", "40dB")
BY_HAND = (4, 5, 6, 7, 8, 10, 13)
"""Epochs of the fits by hand."""

FACTS = ("psnr_db", "train_seconds", "setup_seconds", "steps", "num_parameters", "device")
TIMES, SIZES = ("20s", "60s"), ("100kB", "400kB", "1000kB")
COLUMNS = ("picture", "goal", "by", "met", *FACTS, "model_kb")


def define_flags():
    flags.DEFINE_string("kodak", None, "folder with 01.png to 24.png", required=True)
    flags.DEFINE_list("parts", ["qualities", "times", "sizes"], "what to run")
    flags.DEFINE_list("only", [], "names of pictures; all by default")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "goals"), "folder where finished fits are kept")


def sources():
    """Name -> source of every picture."""
    kodak = {f"kodak_{number:02d}": f"{FLAGS.kodak}/{number:02d}.png" for number in range(1, 25)}
    found = {**kodak, **{name: f"sample:{name}" for name in SAMPLES}}
    return {name: found[name] for name in FLAGS.only} if FLAGS.only else found


def kodak(*numbers):
    """Name -> source of some pictures of Kodak, as far as --only allows."""
    wanted = {f"kodak_{number:02d}" for number in numbers}
    return {name: source for name, source in sources().items() if name in wanted}


def main(argv):
    rows = []
    if "qualities" in FLAGS.parts:
        rows += [by_goal(name, source, goal) for name, source in sources().items() for goal in QUALITIES]
        for name, source in kodak(*range(2, 25, 2)).items():
            rows += by_hand(name, source)
    for part, goals, pictures in (("times", TIMES, kodak(8, 16, 24)), ("sizes", SIZES, kodak(*range(4, 25, 4)))):
        if part in FLAGS.parts:
            rows += [by_goal(name, source, goal) for name, source in pictures.items() for goal in goals]
    if "times" in FLAGS.parts:
        rows += [fixed(name, source, goal) for name, source in kodak(8, 16, 24).items() for goal in TIMES]
    print(tables(rows))
    if not FLAGS.only and len(FLAGS.parts) == 3:
        write_csv(HERE / "results" / "fits.csv", COLUMNS, rows)
        put_between(HERE / "README.md", MARKER, tables(rows))
    return 0


def kept(name, make):
    """What a file of --runs holds, made if it is not there."""
    path = pathlib.Path(FLAGS.runs) / f"{name}.json"
    if not path.exists():
        write_json(path, make())
    return json.loads(path.read_text())


def by_goal(name, source, goal):
    """The row of a fit as `keras-inr fit --preset=auto --goal=...` makes it, without the files."""

    def make():
        planned, wanted = plan_fit(source, "auto", goal=goal), Goal.parse(goal)
        plan = planned.plan
        goals = {"goal_psnr_db": plan.goal_psnr_db, "max_seconds": plan.max_seconds}
        goals["stage"] = lambda number: {"progress": False}
        field, result = fit_growing(planned.field, planned.signal, plan.recipe, planned.larger, **goals)
        kb = file_kb(bare_copy(field))
        met = {
            "dB": result.psnr_db >= wanted.amount,
            "kB": kb <= wanted.amount,
            "s": abs(result.train_seconds - wanted.amount) <= 1,
        }
        facts = {**facts_of(field, result), "model_kb": round(kb)}
        return {"picture": name, "goal": goal, "by": "goal", "met": met[wanted.unit], **facts}

    row = kept(f"{name}-{goal}", make)
    messages.tell(f"{name}, {goal}: {row['psnr_db']:.2f} dB in {row['train_seconds']:.1f} s, met: {row['met']}")
    return row


def facts_of(field, result):
    """Columns of a fit."""
    facts = {name: getattr(result, name) for name in ("psnr_db", "train_seconds", "setup_seconds", "steps")}
    return {**facts, "num_parameters": field.count_params(), "device": device_name()}


def by_hand(name, source):
    """For each quality the shortest fit of a given length that reaches it."""

    def make():
        signal = load_image(source)
        return [cosine(name, signal, epochs=epochs) for epochs in BY_HAND]

    tried = kept(f"{name}-by-hand", make)
    rows = []
    for goal in QUALITIES:
        enough = [row for row in tried if row["psnr_db"] >= Goal.parse(goal).amount]
        best = min(enough or tried, key=lambda row: row["train_seconds"] if enough else -row["psnr_db"])
        rows.append({**best, "goal": goal, "met": bool(enough)})
    return rows


def fixed(name, source, goal):
    """The row of a fit under a cosine schedule whose length takes the time of a goal."""

    def make():
        signal, seconds = load_image(source), Goal.parse(goal).amount
        pilot = cosine(name, signal, epochs=8)
        steps = round(seconds * pilot["steps"] / pilot["train_seconds"])
        return {**cosine(name, signal, steps=steps), "goal": goal, "met": True}

    return kept(f"{name}-{goal}-fixed", make)


def cosine(name, signal, **length):
    """A fit of the preset that photographs get, of a length that is given."""
    field = from_preset("pixel_grid", picture_size=signal.size, channels=signal.channels, seed=0)
    recipe = Recipe(**{**recipe_for_any_time(signal.size), "schedule": "cosine", "averaging": 0.0, **length})
    result = fit(field, signal, recipe, progress=False)
    return {"picture": name, "by": "hand", "model_kb": "", **facts_of(field, result)}


def tables(rows):
    """Markdown: goals in dB, in seconds, in kB."""
    ours = [row for row in rows if row["by"] == "goal"]
    hand = {(row["picture"], row["goal"]): row for row in rows if row["by"] == "hand"}
    names = ["goal", "met", "PSNR (dB)", "training (s)", "by hand (s)", "ratio", "weights"]
    lines = [f"| {' | '.join(names)} |", "| ---: " * len(names) + "|"]
    for goal in dict.fromkeys(row["goal"] for row in ours):
        own = [row for row in ours if row["goal"] == goal]
        pairs = [(row, hand[row["picture"], goal]) for row in own if (row["picture"], goal) in hand]
        ratios = [float(a["train_seconds"]) / float(b["train_seconds"]) for a, b in pairs]
        cells = [goal, f"{sum(row['met'] in (True, 'True') for row in own)} of {len(own)}", mean(own, "psnr_db")]
        cells += [median(own, "train_seconds"), median([b for _, b in pairs], "train_seconds") if pairs else ""]
        cells.append(f"{statistics.median(ratios):.2f}" if ratios and goal in QUALITIES else "")
        cells.append(f"{statistics.median(float(row['num_parameters']) for row in own):,.0f}")
        if goal in TIMES and pairs:
            behind = statistics.mean(float(b["psnr_db"]) - float(a["psnr_db"]) for a, b in pairs)
            cells[2] += f" ({-behind:+.2f} to a fixed length)"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mean(rows, column):
    return f"{statistics.mean(float(row[column]) for row in rows):.2f}"


def median(rows, column):
    return f"{statistics.median(float(row[column]) for row in rows):.1f}"


def published():
    """The rows of results/fits.csv."""
    with (HERE / "results" / "fits.csv").open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
