"""Small runs of blocks that the tests share."""

import numpy as np
import tifffile

from keras_inr.blocks import plan_blocks, run_blocks
from keras_inr.signals import load_image
from keras_inr.signals.large import open_image

CAT = load_image("sample:chelsea", size=96)
TINY = {"recipe": {"steps": 12, "batch_size": 256}, "arguments": {"units": (8, 8)}, "block_size": 40}


def write_cat(path):
    """A TIFF of 64 x 96 pixels in tiles; its path as text."""
    tifffile.imwrite(path, np.round(CAT.values * 255).astype(np.uint8), tile=(16, 16), compression="zlib")
    return str(path)


def fit_cat(folder, out, preset="siren", execute=None, resume=False, tell=lambda line: None, **arguments):
    """(folder, metrics) of a run of blocks of the cat; skip_damaged is of `open_image`."""
    options = {"skip_damaged": True} if arguments.pop("skip_damaged", False) else {}
    path = folder / "cat.tif"
    if not path.exists():
        write_cat(path)
    with open_image(path, **options) as picture:
        options_of_plan = (TINY if preset == "siren" else {"block_size": 40}) | {"image_options": options} | arguments
        plan = plan_blocks(picture, path, preset, **options_of_plan)
        return run_blocks(plan, picture, out, resume=resume, execute=execute, progress=False, tell=tell)
