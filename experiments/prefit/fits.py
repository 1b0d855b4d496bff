"""The five fits of every triple, batched over triples and modes."""

import collections
import re
import time

import keras

from experiments.prefit.outcomes import outcome
from keras_inr.errors import InputError
from keras_inr.metrics import psnr
from keras_inr.models.siren import Siren
from keras_inr.models.stacking import stack
from keras_inr.training.many.many_fits import fields_at_a_time, fit_many

MODES = {"scratch": "from scratch", "after_same": "after same class", "after_other": "after other class"}
"""The fits to A that are compared."""

PLAN = {
    "scratch": ("a", None),
    "prefit_same": ("b", None),
    "prefit_other": ("c", None),
    "after_same": ("a", "prefit_same"),
    "after_other": ("a", "prefit_other"),
}
"""Fit -> the picture it is of, and the fit whose final weights it starts from (None: those of the triple's seed)."""


class Network(collections.namedtuple("Network", ("layers", "width"))):
    """So many hidden sine layers after a first one, all of one width, as the source counts them."""

    def __str__(self):
        return f"{self.layers}x{self.width}"

    def field(self, seed, size=None):
        """A field with the initial weights of a seed."""
        picture_size = None if size is None else (size, size)
        return Siren((self.width,) * (self.layers + 1), "paper", picture_size=picture_size, seed=seed)


GRID = [Network(layers, width) for layers in range(2, 9) for width in (32, 64, 128, 256, 512, 1024)]


def parsed(text):
    """The `Network` of a text such as "2x32"."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise InputError(f"networks must read LAYERSxWIDTH with commas between, such as 2x32,3x64, received {text!r}")
    return Network(*map(int, match.groups()))


def triples_at_a_time(network, recipe, size):
    """The most triples whose first three fits go into one batch of `fit_many`."""
    weights = network.field(seed=0).count_params()
    return max(1, fields_at_a_time(recipe, size * size, weights) // 3)


def fitted(network, triples, recipe, progress=False):
    """All fits of some triples in two batches: from initial weights, then from those that fits to B and C have left.

    Args:
        network: a `Network`.
        triples: `Triple`s with their signals.
        recipe: a `Recipe`.

    Returns:
        (for each triple a dict of fit -> `outcome`, seconds that it took in all).
    """
    started = time.perf_counter()
    keras.backend.clear_session()
    size = triples[0].signals["a"].height
    fields = {name: [network.field(triple.seed, size) for triple in triples] for name in stage(None)}
    found = fit_stage(fields, triples, recipe, progress)
    later = [name for name in PLAN if name not in fields]
    found |= fit_stage({name: copies(fields[PLAN[name][1]]) for name in later}, triples, recipe, progress)
    records = [{name: found[name][place] for name in PLAN} for place in range(len(triples))]
    return records, time.perf_counter() - started


def stage(start):
    """The fits that start from one thing."""
    return [name for name, (_, begin) in PLAN.items() if begin == start]


def copies(fields):
    """Fields of their own with the same weights: no later fit can change the ones that were given."""
    made = [type(field).from_config({**field.get_config(), "name": None}) for field in fields]
    for copy, field in zip(made, fields, strict=True):
        copy.set_weights(field.get_weights())
    return made


def fit_stage(fields, triples, recipe, progress=False):
    """Fits the fields of each kind of fit to the triples' pictures of its role; fit -> a list of `outcome`s."""
    together = [field for own in fields.values() for field in own]
    signals = [triple.signals[PLAN[name][0]] for name in fields for triple in triples]
    starts = start_psnrs(together, signals)
    results = fit_many(together, signals, recipe, progress=progress)
    outcomes = iter([outcome(*pair) for pair in zip(starts, results, strict=True)])
    return {name: [next(outcomes) for _ in own] for name, own in fields.items()}


def start_psnrs(fields, signals):
    """PSNRs (dB) of fields as they are, on all pixels, clamped."""
    predictions = stack(fields).sample_grid(*signals[0].size)
    return [psnr(signal.values, prediction) for signal, prediction in zip(signals, predictions, strict=True)]
