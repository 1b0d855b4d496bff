"""What is measured of a fit: error on all pixels along the way, pictures at three levels, error between pixels."""

import time

import keras
import numpy as np

from keras_inr.metrics import finite, psnr
from keras_inr.models.field import to_uint8
from keras_inr.training.callbacks import steps_done
from keras_inr.training.recipe import Recipe
from keras_inr.training.sampling import Sampler

STD = np.array([0.229, 0.224, 0.225])
"""Standard deviations of ImageNet's channels, which the source divides values by."""

LEVELS = (0.08, 0.02, 0.0008)
"""The source's levels: low frequencies are there, most of the structure, largely like the original."""

BETWEEN_SEED = 2**31 - 1  # no run has it
BETWEEN_POINTS = 16384


def normalised_mse(target, prediction):
    """Mean squared error of colour values in [0, 1], not clamped, in the source's units: each channel over its STD."""
    error = (np.asarray(target, "float64") - np.asarray(prediction, "float64")) / STD
    return float(np.mean(np.square(error)))


def level_db(level):
    """A level as PSNR (dB), if the error is alike in all channels."""
    return float(-10 * np.log10(level * np.mean(STD**2)))


def look_steps(steps, looks):
    """Steps after which the whole picture is looked at: from 10 on in equal ratios, alike sharp for all levels.

    >>> look_steps(1000, 3)
    [10, 100, 1000]
    """
    return sorted({int(step) for step in np.rint(np.geomspace(min(10, steps), steps, looks))})


def between_points(signal):
    """Coordinates (N, 2) and values (N, 3) of 16384 points anywhere in the picture, interpolated bilinearly."""
    recipe = Recipe(steps=1, sampling="continuous", batch_size=BETWEEN_POINTS, seed=BETWEEN_SEED)
    return [tensor.numpy() for tensor in Sampler(signal, recipe).batch(0)]


class Looks(keras.callbacks.Callback):
    """Measures the field after given steps, and keeps the picture at the first look that is at each level.

    Args:
        signal: the picture.
        steps: ascending numbers of finished steps.
        show: None, or called with step and field at every look.

    Attributes:
        rows: dicts of step and, on all pixels, psnr_db and mse (normalised); between them, between_db and between_mse.
        reached: for each of LEVELS the step of the first look between pixels at or below it, or None.
        reached_on_pixels: the same on all pixels.
        pictures: for each of LEVELS the picture when it was reached between pixels, uint8, or None.
        durations: seconds that each look took.
    """

    def __init__(self, signal, steps, show=None):
        super().__init__()
        self.signal = signal
        self.show = show
        self.coords, self.targets = between_points(signal)
        self.planned = list(steps)
        self.step = 0
        self.rows, self.durations = [], []
        self.reached, self.reached_on_pixels, self.pictures = ([None] * len(LEVELS) for _ in range(3))

    def on_epoch_begin(self, epoch, logs=None):
        self.first_step = self.step

    def on_train_batch_end(self, batch, logs=None):
        self.step = self.first_step + steps_done(self, batch)
        if self.planned and self.step >= self.planned[0]:
            self.planned = [step for step in self.planned if step > self.step]
            started = time.perf_counter()
            self.look()
            self.durations.append(time.perf_counter() - started)

    def at_last_level(self):
        """Whether the last level has been reached between pixels."""
        return self.reached[-1] is not None

    def look(self):
        """Measures the field as it is now."""
        prediction = self.model.sample_grid(*self.signal.size)
        between = np.asarray(self.model(self.coords))
        errors = normalised_mse(self.signal.values, prediction), normalised_mse(self.targets, between)
        figures = psnr(self.signal.values, prediction), errors[0], psnr(self.targets, between), errors[1]
        names = ("psnr_db", "mse", "between_db", "between_mse")
        self.rows.append({"step": self.step, **dict(zip(names, map(finite, figures), strict=True))})
        for index, level in enumerate(LEVELS):
            if self.reached_on_pixels[index] is None and errors[0] <= level:
                self.reached_on_pixels[index] = self.step
            if self.reached[index] is None and errors[1] <= level:
                self.reached[index], self.pictures[index] = self.step, to_uint8(prediction)
        if self.show is not None:
            self.show(self.step, self.model)
