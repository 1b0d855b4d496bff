"""Are goals in dB met, on photographs that are not among those of the table?

From the root of the repository:

    python -m experiments.choosing.check    # some minutes; replaces results/check.csv and the page's table

Every fit is what `fit.py --preset=auto --goal=...` does: the network and length that `choose` takes, ended as soon as
the whole picture has the goal.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("choosing check")

import pathlib
import sys

import keras
from absl import flags

from experiments.files import put_between, whole_numbers, write_csv
from keras_inr.choosing.choice import choose
from keras_inr.choosing.expectations import POINTS_PER_STEP
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
UNSEEN = ("coins", "moon", "hubble_deep_field", "rocket", "retina", "motorcycle_left")
MARKER = "<!-- check -->"
COLUMNS = ("image", "size", "goal_db", "reached_db", "expected_db", "met", "family", "num_parameters", "planned_steps")
COLUMNS += ("steps", "seconds", "device")


def define_flags():
    flags.DEFINE_list("sizes", ["64", "160"], "longer sides of the pictures")
    flags.DEFINE_list("goals", ["25", "30", "38"], "dB")
    flags.DEFINE_string("out", str(HERE), "folder with the page and results/")


def main(argv):
    sizes, goals = whole_numbers("sizes", FLAGS.sizes, 16), whole_numbers("goals", FLAGS.goals, 1)
    rows = [reached(name, size, goal) for goal in goals for size in sizes for name in UNSEEN]
    page = pathlib.Path(FLAGS.out) / "README.md"
    write_csv(page.parent / "results" / "check.csv", COLUMNS, rows)
    text = table(rows)
    if page.exists():
        put_between(page, MARKER, text)
    print(text)
    return 0


def reached(name, size, goal):
    """The row of one fit."""
    keras.backend.clear_session()
    signal = load_image(f"sample:{name}", size=size)
    choice = choose(signal, f"{goal}dB")
    recipe = {"steps": choice.steps, "batch_size": POINTS_PER_STEP, "learning_rate": choice.candidate.learning_rate}
    result = fit(choice.candidate.field(signal, seed=0), signal, **recipe, goal_psnr_db=goal, progress=False)
    messages.tell(f"{name} at {size}, {goal} dB: {result.psnr_db:.2f} dB, {choice.expected_db:.1f} dB expected")
    figures = (result.psnr_db, choice.expected_db, result.psnr_db >= goal)
    network = (choice.candidate.family, choice.num_parameters, choice.steps)
    row = (name, size, goal, *figures, *network, result.steps, result.train_seconds, device_name())
    return dict(zip(COLUMNS, row, strict=True))


def table(rows):
    """For each goal how many fits came to it, and by how much the others missed it."""
    lines = ["| goal | met | the others are short by | steps of those planned |", "| --- | ---: | ---: | ---: |"]
    for goal in dict.fromkeys(row["goal_db"] for row in rows):
        own = [row for row in rows if row["goal_db"] == goal]
        short = [goal - row["reached_db"] for row in own if not row["met"]]
        told = f"{min(short):.1f} to {max(short):.1f} dB" if short else "-"
        share = sum(row["steps"] for row in own) / sum(row["planned_steps"] for row in own)
        lines.append(f"| {goal} dB | {len(own) - len(short)} of {len(own)} | {told} | {100 * share:.0f} % |")
    sizes = " and ".join(str(size) for size in dict.fromkeys(row["size"] for row in rows))
    told = f"{', '.join(UNSEEN)} at {sizes} pixels, one seed (0); {rows[0]['device']}."
    return "\n".join(lines) + f"\n\n{told}\n"


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
