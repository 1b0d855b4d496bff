"""What a fit to the gradient keeps of a picture's colours, with errors in red, green and blue and in mixed colours."""

import statistics

import numpy as np
from PIL import Image

from experiments.pictures import short_name
from keras_inr.cli import messages
from keras_inr.metrics import psnr
from keras_inr.models.field import to_uint8
from keras_inr.models.siren import Siren
from keras_inr.presets import from_preset
from keras_inr.rendering.png import save_png
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import COLOURS

SEEDS = (0, 1, 2)
AXES = np.linalg.qr([[1.0, 1.0, 1.0], [1.0, 0.0, -2.0], [1.0, -1.0, 1.0]])[0]
"""Columns: grey, red against blue, and green against both."""

NETWORKS = {
    "hash_large": (
        lambda seed: from_preset("hash_large", channels=3, seed=seed),
        {"steps": 2000, "learning_rate": 0.01},
        None,
    ),
    "sine, 64-64, omega_0 = 15, at 64 x 64": (
        lambda seed: Siren((64, 64), "init-33", 15.0, channels=3, seed=seed),
        {"steps": 1000, "learning_rate": 0.003, "batch_size": 0},
        64,
    ),
}
"""Network -> how it is made, how it is fitted, and the side that pictures are brought to."""


def run(image, folder):
    """Fits of each network to bundled photographs and one more; figures as a dict, the first pictures in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for network, (make, recipe, side) in NETWORKS.items():
        for source in ("sample:chelsea", "sample:astronaut", image):
            signal = load_image(source, size=side or (256 if source == image else None))
            for colours in COLOURS:
                fits = [fitted(make(seed), signal, recipe, colours, seed) for seed in SEEDS]
                messages.tell(f"{network}, {short_name(source)}, {colours}: {fits[0][1]['psnr_db']:.1f} dB")
                row = {"network": network, "picture": short_name(source), "colours": colours, **recipe}
                rows.append({**row, **{name: [found[name] for _, found in fits] for name in fits[0][1]}})
                if not rows[len(COLOURS) :]:
                    save_png(folder / f"colours-{colours}.png", to_uint8(fits[0][0]))
    return {"format_version": 1, "seeds": SEEDS, "device": device_name(), "rows": rows}


def fitted(field, signal, recipe, colours, seed):
    """(the picture that is learnt, its figures)."""
    fit(field, signal, supervise="gradient", derivative_colours=colours, seed=seed, progress=False, **recipe)
    picture = field.sample_grid(*signal.size)
    return picture, measures(signal.values, picture)


def measures(values, picture):
    """PSNR (dB) of a picture, of its grey and of its two differences of colours, and how much of these is there.

    What is there of a difference is the slope of the line through its values over the true ones: 0 is grey, 1 the right
    colour.
    """
    target, found = (np.asarray(array, "float64") @ AXES for array in (values, picture))
    error = found - target
    centred = target - target.mean(axis=(0, 1))
    gains = (centred * (found - found.mean(axis=(0, 1)))).sum(axis=(0, 1)) / np.square(centred).sum(axis=(0, 1))
    return {
        "psnr_db": psnr(values, picture),
        "grey_db": -10 * np.log10(np.mean(np.square(error[..., 0]))),
        "differences_db": -10 * np.log10(np.mean(np.square(error[..., 1:]))),
        "red_blue": gains[1],
        "green_magenta": gains[2],
    }


def table(data):
    """A row for each network and picture: in red, green and blue / in mixed colours."""
    heads = ["network", "picture", "PSNR (dB)", "grey (dB)", "differences (dB)", "red-blue kept", "green-magenta kept"]
    lines = [f"| {' | '.join(heads)} |", "| --- | --- |" + " ---: |" * (len(heads) - 2)]
    for plain, mixed in zip(data["rows"][::2], data["rows"][1::2], strict=True):
        cells = [spread(plain[name], mixed[name], 1) for name in ("psnr_db", "grey_db", "differences_db")]
        cells += [spread(plain[name], mixed[name], 2) for name in ("red_blue", "green_magenta")]
        lines.append(f"| {plain['network']} | {plain['picture']} | {' | '.join(cells)} |")
    seeds = ", ".join(map(str, data["seeds"]))
    return "\n".join(lines) + f"\n\nrgb / mixed, means of seeds {seeds} ± standard deviation; {data['device']}.\n"


def spread(plain, mixed, digits):
    """Two means and standard deviations."""
    texts = [f"{statistics.mean(own):.{digits}f} ± {statistics.stdev(own):.{digits}f}" for own in (plain, mixed)]
    return " / ".join(texts)


def panels(data, folder):
    """(title, picture) of the first picture and what was learnt of it."""
    shown = [("original", to_uint8(load_image("sample:chelsea").values))]
    for row in data["rows"][: len(COLOURS)]:
        picture = np.asarray(Image.open(folder / f"colours-{row['colours']}.png"))
        shown.append((f"{row['colours']}\n{row['psnr_db'][0]:.1f} dB", picture))
    return shown
