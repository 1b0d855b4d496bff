"""What `choose` expects of networks: fits of every size of two families, and least squares over them.

    python experiments/choosing/study.py              # about ten minutes on two idle cores
    python experiments/choosing/study.py --part=report

Fits are kept under runs/choosing/ and reused. The report writes keras_inr/models/choices.json and results/.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import startup

startup.start()

import dataclasses
import hashlib
import json

import keras
import numpy as np
from absl import flags
from study_files import write_json

from keras_inr.models.choosing import features_of, hash_candidate, sine_candidate
from keras_inr.runs.results import device_name
from keras_inr.signals.image import load_image
from keras_inr.signals.spectrum import cutoff, detail_db
from keras_inr.training.fit import fit

FLAGS = flags.FLAGS
LOG_ENTRIES = (5, 7, 9, 11, 13, 15)
WIDTHS = (8, 16, 32, 64, 128)


def define_flags():
    flags.DEFINE_list("images", ["sample:chelsea", "sample:astronaut", "sample:coffee"], "pictures with commas between")
    flags.DEFINE_list("sizes", ["96", "192"], "longer sides of the pictures")
    flags.DEFINE_integer("steps", 600, "of every fit", lower_bound=10)
    flags.DEFINE_enum("part", "all", ["all", "report"], "report makes results of the fits that there are")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "choosing"), "folder where finished fits are kept")


def main(argv):
    rows = []
    for image in FLAGS.images:
        for size in map(int, FLAGS.sizes):
            signal = load_image(image, size=size)
            rows += [row for each in candidates(signal) if (row := fitted(each, signal)) is not None]
    families = {name: solved([row for row in rows if row["family"] == name]) for name in ("hash", "sine")}
    about = f"{', '.join(FLAGS.images)} at {', '.join(FLAGS.sizes)} pixels, {FLAGS.steps} steps; {device_name()}"
    write_json(
        ROOT / "keras_inr" / "models" / "choices.json", {"format_version": 1, "about": about, "families": families}
    )
    write_json(HERE / "results" / "fits.json", rows)
    for name, family in families.items():
        print(f"{name}: spread {family['spread_db']:.2f} dB over {family['count']} fits")
    return 0


def candidates(signal):
    """Networks of every size, their bandwidth that of the picture at 50 dB and at 35 dB."""
    side = max(signal.size)
    for wanted in (35, 50):
        reach = cutoff(signal.values, 10 ** (-wanted / 10))
        yield from (hash_candidate(log, reach * side) for log in LOG_ENTRIES)
        yield from (sine_candidate(width, reach * side) for width in WIDTHS)


def fitted(candidate, signal):
    """The row of a fit, read or made; None if it is missing and only a report is asked for."""
    case = {**dataclasses.asdict(candidate), "image": signal.source, "size": list(signal.size), "steps": FLAGS.steps}
    digest = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:12]
    path = pathlib.Path(FLAGS.runs) / f"{candidate.family}-{digest}.json"
    if not path.exists():
        if FLAGS.part == "report":
            return None
        keras.backend.clear_session()
        field = candidate.field(signal, seed=0)
        rate = candidate.learning_rate
        result = fit(field, signal, steps=FLAGS.steps, batch_size=4096, learning_rate=rate, progress=False)
        row = {**case, "num_parameters": field.count_params(), "values": int(signal.values.size)}
        row |= {"detail_db": detail_db(signal.values), "psnr_db": result.psnr_db, "seconds": result.train_seconds}
        write_json(path, row)
    row = json.loads(path.read_text())
    startup.tell(f"{row['family']} {row['num_parameters']} on {row['image']} {row['size']}: {row['psnr_db']:.2f} dB")
    return row


def solved(rows):
    """Coefficients of the expected PSNR, and the standard deviation of what they leave."""
    features = np.array([features_of(row["num_parameters"] / row["values"], row["detail_db"]) for row in rows])
    psnr_db = np.array([row["psnr_db"] for row in rows])
    coefficients = np.linalg.lstsq(features, psnr_db, rcond=None)[0]
    spread = np.std(psnr_db - features @ coefficients, ddof=features.shape[1])
    return {"coefficients": coefficients.round(5).tolist(), "spread_db": round(float(spread), 3), "count": len(rows)}


if __name__ == "__main__":
    define_flags()
    startup.run(main)
