"""Shows the networks, with what was measured of them: keras-inr list-presets"""

import json

from keras_inr.presets import MEASURED, list_presets


def define_flags() -> None:
    """There are none."""


def main(argv: list[str]) -> int:
    """Shows the networks; the exit code."""
    print(zoo())
    return 0


def zoo() -> str:
    """The presets, with what was measured of them."""
    lines = []
    for info in list_presets():
        known = info.psnr_db is not None
        told = f"{info.psnr_db:5.1f} dB by {info.optimizer} at {info.learning_rate:g}" if known else "not measured"
        figures = f"{told:24}"
        lines.append(f"{info.name:16} {info.num_parameters:>9,} parameters  {figures}  {info.summary} ({info.source})")
    return "\n".join([*lines, "", f"dB: {json.loads(MEASURED.read_text())['about']}"])
