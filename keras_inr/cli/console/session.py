"""What a console works on: a picture, a network, and what the one has learnt of the other; no prompts, no printing."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from keras_inr._arguments import INT32_MAX, local_path
from keras_inr.cli.console.continued_run import GrowingRun, Progress
from keras_inr.cli.console.ingredients import build_field
from keras_inr.errors import InputError
from keras_inr.export.saved_model import export_saved_model
from keras_inr.metrics import SSIM_WINDOW, finite, psnr, ssim
from keras_inr.models.field import Field
from keras_inr.models.field_files import bare_copy, save_field
from keras_inr.models.stacking import network_of
from keras_inr.rendering.raster import MAX_EDGE, MAX_SUPERSAMPLING, default_box, supersampling_of
from keras_inr.rendering.to_file import Rendered, RenderSettings, raster_size, render_file
from keras_inr.signals.image import ImageSignal, load_image
from keras_inr.training.recipe import Recipe, own_recipe

MAX_BATCH_SIZE = 2**18
MAX_EPOCHS = 10**6
MAX_RENDERED_PIXELS = 2**28
AT_ANY_TIME = {"schedule": "inverse", "hold_epochs": 10.0, "averaging": 4.0}
"""Of a recipe whose length is not known: the rate falls as 1 / step, and weights are averaged."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """PSNR in dB and SSIM over all pixels (None for an exact picture, and one under 11 pixels in a direction), and what
    they took: steps, seconds of training, trainable parameters.
    """

    psnr_db: float | None
    ssim: float | None
    steps: int
    seconds: float
    num_parameters: int


class Session:
    """A picture and a network that learns it, changed by one action at a time.

    Every action either does what it says or raises and changes nothing. Its `InputError` names what an action needs and
    is not there yet.

    Args:
        seed: of initial weights and batches.

    Attributes:
        signal: the `ImageSignal`, or None.
        preset, arguments: the network's name and overridden arguments, or None and {}.
        field: the `Field`, once there are both.
        steps, seconds: of training that the field has had.
        unsaved: whether it has learnt something since it was saved.

    >>> session = Session()
    >>> session.choose_picture("sample:camera", longer_side=16)
    >>> session.choose_network("siren", {"units": (8, 8)})
    >>> session.train(epochs=2)
    'steps'
    >>> session.steps, session.render_picture(4, 4).shape, session.unsaved
    (2, (4, 4, 1), True)
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.source: str | None = None
        self.signal: ImageSignal | None = None
        self.preset: str | None = None
        self.arguments: Mapping[str, Any] = {}
        self.batch_size = 16384
        self._learning_rate: float | None = None
        self.field: Field | None = None
        self._run: GrowingRun | None = None
        self._quality: tuple[float | None, float | None] | None = None
        self._start(None)

    def choose_picture(self, source: str, longer_side: int | None = None) -> None:
        """Takes a picture; what was learnt of another one is forgotten, the choice of network is not.

        Args:
            source: as in `load_image`.
            longer_side: pixels that it is resized to, or None.
        """
        signal = load_image(source, size=longer_side)
        field = None if self.preset is None else build_field(signal, self.preset, self.arguments, self.seed)
        self.source, self.signal = source, signal
        self._start(field)

    def change_resolution(self, longer_side: int | None = None) -> None:
        """Takes the same picture at another size; what was learnt stays, training goes on with a fresh optimizer.

        Args:
            longer_side: pixels that it is resized to; None for its own size.

        Raises:
            InputError: without a picture, or for a network whose weights are made for one size, as a grid of cells is.
        """
        self.check_picture()
        signal = load_image(cast(str, self.source), size=longer_side)
        if self.field is not None:
            field = build_field(signal, cast(str, self.preset), self.arguments, self.seed)
            if network_of(field) != network_of(self.field):
                raise InputError(f"{self.preset} is made for one size: choose the picture again to start anew")
            field.set_weights(self.field.get_weights())
            self.field = field
        self.signal, self._run, self._quality = signal, None, None

    def choose_network(self, preset: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Takes a network with fresh weights: a preset's name, and arguments of its model that are overridden."""
        arguments = arguments or {}
        field = build_field(self.signal, preset, arguments, self.seed)
        self.preset, self.arguments = preset, arguments
        self._start(None if self.signal is None else field)

    def choose_training(self, learning_rate: float, batch_size: int) -> None:
        """Takes the learning rate and how many pixels a step sees (at most all of them)."""
        if not 1 <= batch_size <= MAX_BATCH_SIZE:
            raise InputError(f"batch_size must be from 1 to {MAX_BATCH_SIZE}, received {batch_size!r}")
        recipe = Recipe(steps=1, learning_rate=learning_rate, batch_size=batch_size)
        if recipe.learning_rate != self.learning_rate:  # else it stays the network's own
            self._learning_rate = recipe.learning_rate
        self.batch_size = recipe.batch_size

    @property
    def learning_rate(self) -> float:
        """What was chosen; until then what was measured best for the network, see `Field.recipes`, or else 0.001."""
        return Recipe(steps=1, **self._own_recipe).learning_rate

    @property
    def steps_per_epoch(self) -> int:
        """max(1, pixels // batch size)."""
        signal, _ = self.check_ready()
        return self._recipe.steps_per_epoch(signal.height * signal.width)

    def train(
        self,
        epochs: int,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> str:
        """Trains on, from where the last training ended, by the optimizer that suits the network (mean squared error).

        The learning rate stays for ten epochs and falls as 1 / step then; the network has the average of its weights
        over the steps, in which later ones count more. So the picture is good whenever training stops.

        As long as neither learning rate nor batch size change, all trainings are one run: weights end as they would
        have without the pauses. After a change the weights go on, with a fresh optimizer.

        Args:
            epochs: how many more, 1 to a million.
            on_progress, should_stop: as in `keras_inr.cli.console.continued_run.GrowingRun.train`.

        Returns:
            "steps" if it ended by itself, or "interrupt".

        Raises:
            InputError: without a picture or a network, or if training diverged; weights are then those before it. After
                any other error, Ctrl-C included, they are those of the last step.
        """
        self.check_ready()
        run = self._current_run()
        most = min(MAX_EPOCHS, (INT32_MAX - run.step) // self.steps_per_epoch)
        if not 1 <= epochs <= most:
            raise InputError(f"epochs must be from 1 to {most}, received {epochs!r}")
        step, seconds = run.step, run.seconds
        try:
            result = run.train(epochs * self.steps_per_epoch, on_progress, should_stop)
        except BaseException:
            self._run = None
            raise
        finally:
            self._learnt(run.step - step, run.seconds - seconds)
        if result.stopped_by != "interrupt":
            self._quality = (finite(result.psnr_db), result.ssim)
        return result.stopped_by

    def figures(self) -> Figures:
        """The `Figures` of the field as it is."""
        signal, field = self.check_trained()
        if self._quality is None:
            values, prediction = signal.values, field.sample_grid()
            measured = min(signal.size) >= SSIM_WINDOW
            self._quality = (finite(psnr(values, prediction)), ssim(values, prediction) if measured else None)
        return Figures(*self._quality, self.steps, self.seconds, field.count_params())

    def render_picture(self, height: int, width: int, most_points: int = MAX_SUPERSAMPLING) -> np.ndarray:
        """The field at any size, uint8 (height, width, channels), filtered by at most so many points along a pixel."""
        signal, field = self.check_ready()
        needed = supersampling_of(default_box(signal.size), (height, width), signal.size).numpy()
        return field.render(height, width, supersampling=min(most_points, int(needed.max())))

    def render_file(self, settings: RenderSettings, overwrite: bool = False) -> Rendered:
        """Renders the field into a file; settings and result as in `keras_inr.rendering.to_file.render_file`."""
        self.check_raster(settings)
        _, field = self.check_trained()
        out = local_path("out", cast(str, settings.out))
        return render_file(field, dataclasses.replace(settings, out=out), ".", overwrite)

    def check_raster(self, settings: RenderSettings) -> tuple[int, int]:
        """(height, width) of what `render_file` would write; InputError for more than 2^28 pixels, or no such box."""
        _, field = self.check_trained()
        if settings.box is not None and not all(abs(edge) <= MAX_EDGE for edge in settings.box):
            raise InputError(f"box must have edges from -{MAX_EDGE:g} to {MAX_EDGE:g}, received {settings.box!r}")
        height, width = raster_size(field, settings)
        if height * width > MAX_RENDERED_PIXELS:
            raise InputError(f"size must be at most {MAX_RENDERED_PIXELS} pixels, received {height} x {width}")
        return height, width

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> pathlib.Path:
        """Writes the field to a .keras file, from which `keras.models.load_model` brings it back; returns the path."""
        _, field = self.check_trained()
        path = local_path("path", path)
        if path.suffix != ".keras":
            raise InputError(f"path must end in .keras, received {str(path)!r}")
        if not path.parent.is_dir() or path.is_dir():
            raise InputError(f"path must be a file in a folder that exists, received {str(path)!r}")
        if path.exists() and not overwrite:
            raise InputError(f"path must be a new file, received {str(path)!r}, which exists")
        save_field(bare_copy(field), path)
        self.unsaved = False
        return path

    def export(self, base_path: str | os.PathLike[str]) -> pathlib.Path:
        """Exports the field for TensorFlow Serving, as the next version below a folder; returns the version's path."""
        (signal, field), figures = self.check_trained(), self.figures()
        facts: dict[str, Any] = {"image_sha256": signal.sha256, "preset": self.preset, "seed": self.seed}
        facts |= {"steps": self.steps}
        facts |= {"psnr_db": figures.psnr_db, "ssim": figures.ssim, "train_seconds": figures.seconds}
        return export_saved_model(bare_copy(field), base_path, info=facts)

    @property
    def name(self) -> str:
        """What files of this picture may be called.

        >>> session = Session()
        >>> session.choose_picture("sample:camera")
        >>> session.name
        'camera'
        """
        source = "" if self.signal is None else self.signal.source
        stem = source.removeprefix("sample:") if source.startswith("sample:") else pathlib.PurePath(source).stem
        return re.sub(r"[^\w.-]", "_", stem).strip("._")[:50] or "picture"

    def check_picture(self) -> ImageSignal:
        """The picture; an `InputError` unless there is one."""
        if self.signal is None:
            raise InputError("choose a picture first")
        return self.signal

    def check_ready(self) -> tuple[ImageSignal, Field]:
        """The picture and its field; an `InputError` unless a picture and a network are chosen."""
        signal = self.check_picture()
        if self.field is None:
            raise InputError("choose a network first")
        return signal, self.field

    def check_trained(self) -> tuple[ImageSignal, Field]:
        """The picture and its field; an `InputError` unless the field has learnt something of the picture."""
        ready = self.check_ready()
        if not self.steps:
            raise InputError("train first: the network has not learnt anything yet")
        return ready

    def _start(self, field: Field | None) -> None:
        """From here on with this field, which has learnt nothing."""
        self.field = field
        self.steps, self.seconds, self.unsaved = 0, 0.0, False
        self._run, self._num_runs, self._quality = None, 0, None

    @property
    def _recipe(self):
        batch_size = min(self.batch_size, self.signal.height * self.signal.width)
        # every run with a seed of its own, so that it sees other batches than those before it
        seed = self.seed + self._num_runs
        return Recipe(**{**self._own_recipe, **AT_ANY_TIME, "steps": 1, "batch_size": batch_size, "seed": seed})

    @property
    def _own_recipe(self):
        """Of the network; a learning rate that was chosen takes the place of its own."""
        chosen = {} if self._learning_rate is None else {"learning_rate": self._learning_rate}
        return {**own_recipe({} if self.field is None else self.field.recipes, chosen), **chosen}

    def _current_run(self):
        recipe = self._recipe
        if self._run is None or dataclasses.replace(self._run.recipe, seed=recipe.seed) != recipe:
            self._run = GrowingRun(self.field, self.signal, recipe)
            self._num_runs += 1
        return self._run

    def _learnt(self, steps, seconds):
        self.steps += steps
        self.seconds += seconds
        self.unsaved = self.unsaved or steps > 0
        self._quality = None
