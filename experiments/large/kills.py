"""A run of blocks that is killed again and again: what was finished is not done again, and the end is the same.

From the root of the repository:

    python -m experiments.large.kills --mosaic=51-megapixels.tif --run=FINISHED --goal=36.5dB

The finished run is one that nobody has killed, such as that of `study`. The other one goes into a folder beside it and
is killed by SIGKILL at random; then it is left to end. The result is results/kills.json.
"""

from keras_inr.cli import startup

if __name__ == "__main__":
    startup.start("large_kills")

import json
import pathlib
import random
import signal
import subprocess
import sys
import time

from absl import flags

from experiments.files import ROOT, write_json
from experiments.large.cluster import weights_of
from keras_inr.runs.facts import device_name, versions

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent


def define_flags():
    flags.DEFINE_string("mosaic", None, "the picture", required=True)
    flags.DEFINE_string("run", None, "folder of the finished run", required=True)
    flags.DEFINE_string("goal", "36.5dB", "that of the finished run")
    flags.DEFINE_integer("kills", 5, "how often it is killed", 1)
    flags.DEFINE_integer("seed", 0, "of the seconds at which it is killed")


def main(argv):
    finished = pathlib.Path(FLAGS.run)
    out = finished.with_name(f"{finished.name}-killed")
    command = [sys.executable, "-m", "keras_inr", "fit", f"--image={FLAGS.mosaic}", f"--goal={FLAGS.goal}"]
    command += ["--block_size=1024", f"--out={out}", "--resume", "--noprogress"]
    chance = random.Random(FLAGS.seed)
    kills, touched = [], 0
    for _ in range(FLAGS.kills):
        before = states(out)
        process = subprocess.Popen(command, cwd=ROOT)
        after = chance.uniform(20, 120)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = states(out)
        touched += sum(now.get(name) != state for name, state in before.items())
        kills.append({"seconds": round(after, 1), "blocks": len(now)})
        print(kills[-1], flush=True)
    before = states(out)
    subprocess.run(command, check=True, cwd=ROOT)
    touched += sum(states(out)[name] != state for name, state in before.items())
    blocks = sorted((finished / "blocks").iterdir())
    same = sum(weights_of(path) == weights_of(out / "blocks" / path.name) for path in blocks)
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (finished, out)]
    result = {"kills": kills, "blocks": len(blocks), "blocks_with_the_same_weights": same}
    result |= {"finished_blocks_written_again": touched, "psnr_db": [row["psnr_db"] for row in metrics]}
    write_json(HERE / "results" / "kills.json", {"device": device_name(), "versions": versions(), **result})
    print(result)


def states(out):
    """Name -> inode and time of the finished blocks of a run."""
    files = (out / "blocks").glob("[0-9]*.npz")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
