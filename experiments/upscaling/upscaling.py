"""Whether fields enlarge reduced photographs better than filters do: reduces, fits, enlarges and measures."""

import dataclasses
import hashlib
import json
import math
import pathlib
import re
from collections.abc import Callable

import tensorflow as tf

from experiments.pictures import reduced, short_name
from keras_inr._files import atomic_path
from keras_inr._reading import read_json
from keras_inr._version import __version__
from keras_inr.choosing.choice import recipe_for_any_time
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.metrics import SSIM_WINDOW, finite, psnr, ssim
from keras_inr.models.cell_grid import pixel_layout
from keras_inr.models.field import to_uint8
from keras_inr.presets import from_preset
from keras_inr.rendering.png import save_png
from keras_inr.rendering.raster import FieldRaster
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.signals.resampling import resampled
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

FORMAT_VERSION = 1
REDUCTIONS = ("area", "lanczos")
BASELINES = ("bicubic", "lanczos")
MEASURED = {"format_version", "psnr_db", "psnr_small_db", "ssim", "train_seconds", "picture"}


@dataclasses.dataclass(frozen=True)
class FieldRecipe:
    """How the study fits a preset: `arguments` of the longer side of the small picture, and a `training` recipe.

    `between` is what is shown between the pixels, see `FieldRaster`.

    >>> RECIPES["multi_hash"].arguments(128)
    {'finest_resolution': 96}
    """

    arguments: Callable
    training: dict
    between: str = "field"


# How fast a network may oscillate between two pixels goes with the pixel pitch, so bandwidth is set per pixel. With the
# presets' own (omega_0 = 30, 512 cells) fields know a small picture exactly and are noise between its pixels. Chosen on
# sample:motorcycle_left, which is not among the study's pictures, see experiments/upscaling/README.md.
RECIPES = {
    "siren_256": FieldRecipe(
        lambda longer: {"omega_0": 0.12 * longer}, {"steps": 600, "batch_size": 4096, "learning_rate": 1e-3}
    ),
    "multi_hash": FieldRecipe(
        lambda longer: {"finest_resolution": max(2, round(0.75 * longer))},
        {"steps": 400, "batch_size": 4096, "learning_rate": 0.02, "beta_2": 0.99},
    ),
    "pixel_grid": FieldRecipe(
        lambda longer: {"layout": pixel_layout((4, 4, 4, 4))},
        {**recipe_for_any_time((128, 192)), "steps": 1200},
        between="auto",
    ),
}


@dataclasses.dataclass(frozen=True)
class UpscalingSettings:
    """What is compared.

    Args:
        images: sources of `load_image`.
        factors: by how much every picture is reduced and enlarged along each side, from 2.
        presets: names in `RECIPES`.
        seeds: of initial weights and batches; one fit each.
        size: longer side of the originals in pixels; larger pictures are reduced to it, smaller ones kept.
        reduction: "area", the mean of factor x factor pixels, or "lanczos", radius 3 in pixels of the small picture.
        steps: None, or the length of every fit instead of its recipe's.

    Raises:
        InputError: naming the argument that is out of range.

    >>> UpscalingSettings(images=("sample:cat",), factors=(1,))
    Traceback (most recent call last):
    ...
    keras_inr.errors.InputError: factors must be different integers from 2, received (1,)
    """

    images: tuple
    factors: tuple = (2, 4)
    presets: tuple = tuple(RECIPES)
    seeds: tuple = (0,)
    size: int = 256
    reduction: str = "area"
    steps: int | None = None

    def __post_init__(self):
        for name, what, allowed in (
            ("images", "different pictures", lambda item: bool(item)),
            ("factors", "different integers from 2", lambda item: item >= 2),
            ("presets", f"different names of {', '.join(RECIPES)}", lambda item: item in RECIPES),
            ("seeds", "different integers from 0 to 2147483647", lambda item: 0 <= item < 2**31),
        ):
            items = getattr(self, name)
            if not items or len(set(items)) < len(items) or not all(map(allowed, items)):
                raise InputError(f"{name} must be {what}, received {items!r}")
        if self.reduction not in REDUCTIONS:
            raise InputError(f"reduction must be one of {REDUCTIONS}, received {self.reduction!r}")
        if self.size < 1 or (self.steps is not None and self.steps < 1):
            raise InputError(f"size and steps must be at least 1, received {self.size!r} and {self.steps!r}")


def run_upscaling(settings, folder, tell=lambda line: None):
    """Fits what has not been fitted yet, and measures every enlargement against its original.

    Args:
        settings: `UpscalingSettings`.
        folder: where every fit leaves its figures as JSON and its enlargement as PNG, under a name that tells all its
            settings apart. What is there already is read and not fitted again.
        tell: called with a line about each fit.

    Returns:
        List of dicts: image, image_sha256, height, width, factor, reduction, method, psnr_db and ssim (all pixels,
        against the original; psnr_db is None if exact); of fields also seed, psnr_small_db (against the small picture
        that they were fitted to), their enlargement's file name as picture, and more.

    Raises:
        InputError: for a picture that cannot be read or is too small.
    """
    originals = [load_original(image, settings.size, settings.factors) for image in settings.images]
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for original in originals:
        for factor in settings.factors:
            small = reduced(original, factor, settings.reduction)
            common = _facts(original, factor, settings.reduction)
            for method in BASELINES:
                enlarged = resampled(small.values, *original.size, method)
                rows.append({**common, "method": method, **_quality(original, enlarged)})
            for preset in settings.presets:
                for seed in settings.seeds:
                    case = {**common, "method": preset, **_fit_settings(preset, seed, small, settings.steps)}
                    rows.append(_fitted(case, original, small, pathlib.Path(folder), tell))
    return rows


def load_original(source, size, factors):
    """A picture with its longer side reduced to size, and cropped in the middle until all factors divide its sides.

    >>> load_original("sample:chelsea", 256, (2, 4)).size
    (168, 256)
    """
    signal = load_image(source)
    if max(signal.size) > size:
        signal = load_image(source, size=size)
    common = math.lcm(*factors)
    height, width = (side - side % common for side in signal.size)
    if min(height, width) < SSIM_WINDOW:
        raise InputError(
            f"{source} must have at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels that the factors {factors} divide, "
            f"received {signal.height} x {signal.width}"
        )
    top, left = (signal.height - height) // 2, (signal.width - width) // 2
    return dataclasses.replace(signal, values=signal.values[top : top + height, left : left + width])


def case_path(folder, case):
    """Where a fit's figures lie; its enlargement lies beside them, ending in .png.

    >>> case = {"image": "sample:cat", "factor": 2, "method": "siren_256", "seed": 0}
    >>> case_path("runs", case).name
    'cat-x2-siren_256-0-e7fcff0b.json'
    """
    digest = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:8]
    stem = re.sub(r"[^\w.-]", "_", short_name(case["image"]))
    return pathlib.Path(folder) / f"{stem}-x{case['factor']}-{case['method']}-{case['seed']}-{digest}.json"


def _facts(original, factor, reduction):
    """What all rows of a small picture have in common."""
    facts = {"image": original.source, "image_sha256": original.sha256}
    return facts | {"height": original.height, "width": original.width, "factor": factor, "reduction": reduction}


def _quality(original, values):
    return {"psnr_db": finite(psnr(original.values, values)), "ssim": ssim(original.values, values)}


def _fit_settings(preset, seed, small, steps):
    """What decides how a fit to the small picture ends, as JSON has it."""
    recipe = {**RECIPES[preset].training, "seed": seed} | ({} if steps is None else {"steps": steps})
    arguments = {**RECIPES[preset].arguments(max(small.size)), "channels": small.channels}
    settings = {"seed": seed, "arguments": arguments, "recipe": dataclasses.asdict(Recipe(**recipe))}
    return json.loads(json.dumps(settings))


def _fitted(case, original, small, folder, tell):
    """The row of a fit, read or made."""
    path = case_path(folder, case)
    row = _read(path, case)
    if row is None:
        field = from_preset(case["method"], seed=case["seed"], picture_size=small.size, **case["arguments"])
        result = fit(field, small, Recipe(**case["recipe"]), progress=False)
        between = RECIPES[case["method"]].between
        values = FieldRaster(field, *original.size, between=between).array()  # both pictures have one box
        row = {
            "format_version": FORMAT_VERSION,
            **case,
            **_quality(original, values),
            "psnr_small_db": finite(result.psnr_db),
            "train_seconds": result.train_seconds,
            "num_parameters": field.count_params(),
            "picture": path.with_suffix(".png").name,
            "device": device_name(),
            "versions": {"keras_inr": __version__, "tensorflow": tf.__version__},
        }
        save_png(path.with_suffix(".png"), to_uint8(values))  # before the figures, which say that all is there
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(row, indent=2, allow_nan=False) + "\n")
    psnr_db, small_db = ("exact" if row[key] is None else f"{row[key]:.2f} dB" for key in ("psnr_db", "psnr_small_db"))
    told = f"{short_name(case['image'])} x{case['factor']} {case['method']}, seed {case['seed']}: {psnr_db}"
    tell(f"{told} (small picture {small_db}), SSIM {row['ssim']:.4f}, {row['train_seconds']:.0f} s")
    return row


def _read(path, case):
    """The row that a finished fit left, None where there is none or it is damaged."""
    try:
        row = read_json(path)
    except (FileNotFoundError, DamagedFileError):
        return None
    whole = set(row) >= MEASURED and row["format_version"] == FORMAT_VERSION
    return row if whole and case.items() <= row.items() and path.with_suffix(".png").is_file() else None
