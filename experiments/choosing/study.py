"""What `choose` expects of networks: fits of every size, bandwidth and length of two families, and laws through them.

From the root of the repository:

    python -m experiments.choosing.study              # about half an hour on two idle cores
    python -m experiments.choosing.study --part=report

Fits are kept under runs/choosing/ and not made again. With the default pictures, sizes, candidates and steps, or with
--install, the report replaces keras_inr/choosing/choices.json and results/; otherwise it prints the table.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("choosing")

import json
import pathlib
import sys

from absl import flags

from experiments.choosing.cases import measured, planned
from experiments.choosing.solving import FAMILIES, LEAST_FITS, judged, table_of
from experiments.files import ROOT, write_json
from keras_inr.choosing.expectations import MEASURED, POINTS_PER_STEP
from keras_inr.errors import InputError

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
PLAN = ("images", "sizes", "candidates", "steps")
IMAGES = ["sample:chelsea", "sample:astronaut", "sample:coffee", "sample:camera"]
CANDIDATES = ["hash-6", "hash-9", "hash-12", "hash-14", "hash-17", "sine-16", "sine-48", "sine-128"]
SIZES = ["96", "256"]
STEPS = ["100", "400", "1600"]


def define_flags():
    flags.DEFINE_list("images", IMAGES, "pictures with commas between")
    flags.DEFINE_list("sizes", SIZES, "longer sides of the pictures")
    flags.DEFINE_list("candidates", CANDIDATES, "hash-N with 2^N entries in a level, sine-N with layers of N")
    flags.DEFINE_list("steps", STEPS, "lengths of the fits, each with a cosine decay of its own")
    flags.DEFINE_enum("part", "all", ["all", "report"], "report makes results of the fits that there are")
    flags.DEFINE_bool("install", False, "replace table and results though the plan is not the default one")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "choosing"), "folder where finished fits are kept")
    flags.DEFINE_string("table", str(MEASURED), "the table that choose reads")
    flags.DEFINE_string("results", str(HERE / "results"), "folder for the fits that the table is made of")


def main(argv):
    cases = planned(*(FLAGS[name].value for name in PLAN))
    check_enough([{"part": case.part, "family": case.candidate.family, "psnr_db": 0.0} for case in cases])
    missing = [case for case in cases if not case.path(FLAGS.runs).exists()]
    if FLAGS.part == "report" and missing:
        raise InputError(f"{len(missing)} of {len(cases)} fits are missing in {FLAGS.runs}: run --part=all first")
    for number, case in enumerate(missing, 1):
        row = measured(case)
        write_json(case.path(FLAGS.runs), row)
        told = "diverged" if row["psnr_db"] is None else f"{row['psnr_db']:.2f} dB in {row['train_seconds']:.1f} s"
        messages.tell(f"{number} of {len(missing)}: {case}: {told}")
    report([json.loads(case.path(FLAGS.runs).read_text()) for case in cases])
    return 0


def check_enough(rows):
    """Raises an InputError for fewer fits than a table can be solved from."""
    counts = {family: len(judged(rows, family)) for family in FAMILIES}
    if min(counts.values()) < LEAST_FITS:
        told = f"at least {LEAST_FITS} fits of hash and of sine that do not diverge make a table"
        raise InputError(f"{told}, received {counts['hash']} and {counts['sine']}")


def report(rows):
    """Replaces the table and the results, or prints the table."""
    check_enough(rows)
    lists = [", ".join(FLAGS[name].value) for name in PLAN]
    about = f"{lists[0]} at {lists[1]} pixels; {lists[2]}; {lists[3]} steps of {POINTS_PER_STEP} points"
    table = table_of(rows, f"{about}; {rows[0]['device']}")
    if FLAGS.install or all(FLAGS[name].value == FLAGS[name].default for name in PLAN):
        write_json(pathlib.Path(FLAGS.table), table)
        write_json(pathlib.Path(FLAGS.results) / "fits.json", rows)
    else:
        print(json.dumps(table, indent=2))
        messages.tell(f"{FLAGS.table} and {FLAGS.results} are left as they are; --install replaces them")
    for name, family in table["families"].items():
        print(f"{name}: spread {family['spread_db']:.2f} dB over {family['count']} fits", file=sys.stderr)


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
