"""The fits of the study: which there are, and one of them."""

import dataclasses
import hashlib
import json
import pathlib
import re

import keras

from keras_inr.choosing.candidates import Candidate, hash_candidate, oversized, sine_candidate
from keras_inr.choosing.expectations import POINTS_PER_STEP, REFERENCE, costs
from keras_inr.errors import DivergedError, InputError
from keras_inr.runs.facts import device_name
from keras_inr.signals._spectrum import cutoffs, plain_db, sparse_db
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit

MAKERS = {"hash": (hash_candidate, range(1, 21)), "sine": (sine_candidate, range(1, 1025))}
BANDS_DB = (35, 50)
PACE_STEPS = 160
LARGE, LARGE_STEPS = hash_candidate(18, 1024, 50), 40
"""A network as large as any that is chosen, for its pace."""

MOST_DB = 150.0  # stands for a picture that is exact


@dataclasses.dataclass(frozen=True)
class Case:
    """One fit: part "psnr" for what it reaches, or "pace" for how long its steps take."""

    part: str
    candidate: Candidate
    signal: object
    steps: int

    @property
    def identity(self):
        """All that the fit depends on, as JSON has it."""
        told = {"part": self.part, **dataclasses.asdict(self.candidate), "image": self.signal.source}
        told |= {"size": self.signal.size, "steps": self.steps, "points_per_step": POINTS_PER_STEP}
        return json.loads(json.dumps({**told, "image_sha256": self.signal.sha256}))

    def path(self, runs):
        """Where the finished fit is kept."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]
        return pathlib.Path(runs) / f"{self.part}-{self.candidate.family}-{digest}.json"

    def __str__(self):
        arguments = self.candidate.arguments
        size = arguments.get("table_size", arguments["units"][0])
        height, width = self.signal.size
        return (
            f"{self.part} {self.candidate.family} {size}, {self.signal.source} {height} x {width}, {self.steps} steps"
        )


def planned(images, sizes, candidates, steps):
    """The cases of all pictures, sizes, candidates and lengths, which are lists of text.

    Raises:
        InputError: for what cannot be read.
    """
    lengths, sides = numbers("steps", steps, 10), numbers("sizes", sizes, 16)
    makers = [parsed(name) for name in candidates]
    signals = [load_image(image, size=side) for image in images for side in sides]
    cases = [Case("pace", LARGE, signal, LARGE_STEPS) for signal in signals[:1]]
    for signal in signals:
        cases.append(Case("pace", REFERENCE, signal, PACE_STEPS))
        for band_db, cutoff in zip(
            BANDS_DB, cutoffs(signal.values, [10 ** (-db / 10) for db in BANDS_DB]), strict=True
        ):
            made = [make(size, cutoff * max(signal.size), band_db) for make, size in makers]
            made = [candidate for candidate in made if not oversized(candidate)]
            cases += [Case("psnr", candidate, signal, length) for candidate in made for length in lengths]
    return cases


def numbers(name, texts, least):
    """Whole numbers."""
    found = [int(text) for text in texts if re.fullmatch("[0-9]{1,6}", text)]
    if not found or len(found) < len(texts) or min(found) < least:
        told = f"{name} must be whole numbers from {least} on with commas between"
        raise InputError(f"{told}, received {','.join(texts)!r}")
    return found


def parsed(name):
    """(what makes it, size) of a candidate's name."""
    match = re.fullmatch(r"(hash|sine)-([0-9]{1,4})", name)
    if match is None or int(match[2]) not in MAKERS[match[1]][1]:
        raise InputError(f"candidates must be hash-N, N up to 20, or sine-N, N up to 1024, received {name!r}")
    return MAKERS[match[1]][0], int(match[2])


def measured(case):
    """The row of a case: one fit and all that is recorded of it, no figures where it diverged."""
    keras.backend.clear_session()
    signal, candidate = case.signal, case.candidate
    field = candidate.field(signal, seed=0)
    row = {
        **case.identity,
        "num_parameters": field.count_params(),
        "ratio": field.count_params() / (signal.height * signal.width),
    }
    row |= {"costs": costs(candidate, signal.channels), "sparse_db": sparse_db(signal.values)}
    row |= {"plain_db": plain_db(signal.values), "device": device_name()}
    recipe = {"steps": case.steps, "batch_size": POINTS_PER_STEP, "learning_rate": candidate.learning_rate}
    try:
        result = fit(field, signal, **recipe, progress=False)
    except DivergedError:
        return {**row, "psnr_db": None, "train_seconds": None, "setup_seconds": None, "seconds_per_step": None}
    row |= {"psnr_db": min(result.psnr_db, MOST_DB), "train_seconds": result.train_seconds}
    return row | {"setup_seconds": result.setup_seconds, "seconds_per_step": result.train_seconds / result.steps}
