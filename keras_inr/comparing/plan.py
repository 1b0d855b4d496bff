"""What is compared with what."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from keras_inr._arguments import local_path, one_of
from keras_inr.comparing.budget import Budget
from keras_inr.errors import InputError
from keras_inr.presets import from_preset, list_presets
from keras_inr.signals.image import check_image_options
from keras_inr.training.recipe import Recipe

PARTS = ("preset", "arguments", "recipe")


@dataclasses.dataclass(frozen=True)
class Variant:
    """One of the networks that are compared.

    Args:
        name: what tables call it, and folders.
        preset: a name of `list_presets`.
        arguments: of the preset that are not its own.
        recipe: arguments of a `Recipe` that are its alone, such as learning_rate; the preset's own has the others.

    Raises:
        InputError: for a name that cannot be a folder's, an unknown preset, or arguments that it has not.

    >>> Variant("wide", "siren", {"units": (128, 128)}).preset
    'siren'
    """

    name: str
    preset: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not all(sign.isalnum() or sign in "-_.=+" for sign in self.name) or self.name[0] == ".":
            raise InputError(f"names of variants must be letters, digits and -_.=+, received {self.name!r}")
        one_of("preset", self.preset, [info.name for info in list_presets()])
        from_preset(self.preset, picture_size=(16, 16), **self.arguments)
        length = [name for name in ("steps", "epochs", "seed") if name in self.recipe]
        if length:
            raise InputError(f"recipe of variant {self.name!r} must leave {' and '.join(length)} to the comparison")
        Recipe(**{**self.recipe, "steps": 1})


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that makes a comparison.

    Args:
        variants: `Variant`s of different names.
        seeds: of initial weights and batches.
        budget: `Budget`.
        recipe: arguments of a `Recipe` that all variants share, in the place of their own.
        sweep_rates: None, or learning rates to try for each variant, half as long, on the first picture with the first
            seed; the best one is taken.
        image_options: arguments of `load_image`.

    Raises:
        InputError: naming what is wrong.

    >>> Comparison([Variant("siren", "siren"), Variant("finer", "finer")], seeds=(0, 1)).budget.steps
    2000
    """

    variants: Sequence[Variant]
    seeds: Sequence[int] = (0,)
    budget: Budget = dataclasses.field(default_factory=Budget)
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sweep_rates: Sequence[float] | None = None
    image_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) < len(names):
            raise InputError(f"variants must be one at least, each with a name of its own, received {names}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"seeds must be one at least, each once, received {list(self.seeds)}")
        check_image_options(**self.image_options)
        Recipe(**{**self.recipe, "steps": 1})
        json.dumps(self.identity, allow_nan=False)

    @property
    def identity(self) -> dict[str, Any]:
        """What two comparisons share that are the same."""
        return json.loads(json.dumps({"kind": "comparison", **dataclasses.asdict(self)}))


def read_variants(path: str | os.PathLike[str]) -> list[Variant]:
    """Variants of a JSON file: {"NAME": {"preset": ..., "arguments": {...}, "recipe": {...}}, ...}.

    Raises:
        InputError: for a file that is none, or what a `Variant` refuses.
    """
    file = local_path("variants", path)
    try:
        content = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"variants must be a JSON file, received {file}: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise InputError(f"{file} must hold an object of objects, NAME to preset, arguments and recipe")
    found = []
    for name, entry in content.items():
        unknown = [key for key in entry if key not in PARTS]
        if unknown or "preset" not in entry:
            raise InputError(f"variant {name!r} in {file} must have {', '.join(PARTS)}, received {', '.join(entry)}")
        arguments = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.get("arguments", {}).items()}
        found.append(Variant(name, entry["preset"], arguments, entry.get("recipe", {})))
    return found
