"""One batch of a fit of many pictures: K fields in a stacked one, until each of them is done."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._cpu_xla import compiles_for_cpu
from keras_inr._variable_names import one_name
from keras_inr.losses import StackedMeanSquaredError
from keras_inr.metrics import MSE, PSNR, finite, psnr
from keras_inr.models.field import Field
from keras_inr.models.stacking import copy_out, empty_stack
from keras_inr.signals.image import ImageSignal
from keras_inr.training._shared_steps import share_steps
from keras_inr.training._state import TrainingState
from keras_inr.training.callbacks import Recorder, StopWhen, learning_rate, plateau_reached
from keras_inr.training.compilation import compilation_for
from keras_inr.training.fitting import round_length, run_rounds
from keras_inr.training.freezing import frozen_layers
from keras_inr.training.many.cpu_shares import CpuShares, steps_per_execution
from keras_inr.training.many.stacked_sampling import StackedSampler
from keras_inr.training.optimizers import inner_optimizers, make_optimizer
from keras_inr.training.recipe import Recipe
from keras_inr.training.result import FitResult, quality

SMALLER = "smaller"
"""Why the training of a stacked model stops when half as many fields are left: they go on in a smaller one."""


class Stacks:
    """Compiled stacked models of one network, made when a number of fields is first asked for.

    Args:
        field: a single field of the network.
        recipe: a `Recipe`.
        num_pixels: of every picture, for schedules in epochs.
    """

    def __init__(self, field: Field, recipe: Recipe, num_pixels: int) -> None:
        self.field = field
        self.recipe = recipe
        self.num_pixels = num_pixels
        self.made: dict[int, tuple[keras.Model, list[np.ndarray]]] = {}

    @one_name()
    def model(self, num_fields: int) -> keras.Model:
        """A compiled model of so many fields, its optimizer at the start."""
        if num_fields not in self.made:
            model = empty_stack(self.field, num_fields)
            for layer in frozen_layers(model, self.recipe.freeze):
                layer.trainable = False
            model = self.compiled(model)
            model.optimizer.build(model.trainable_variables)
            share_steps(model)
            self.made[num_fields] = model, [variable.numpy() for variable in model.optimizer.variables]
        model, start = self.made[num_fields]
        for variable, array in zip(model.optimizer.variables, start, strict=True):
            variable.assign(array)
        return model

    def compiled(self, field: Field) -> keras.Model:
        """A stacked field, or a `CpuShares` of it where XLA compiles for a CPU, ready for `fit`."""
        compilation = compilation_for(field)
        arguments = {
            "optimizer": make_optimizer(self.recipe, field, self.num_pixels),
            "steps_per_execution": compilation.steps_per_execution,
        }
        if compiles_for_cpu(compilation.jit_compile):
            model = CpuShares(field)
            assert field.num_fields is not None
            length = round_length(self.recipe.total_steps(self.num_pixels), compilation.steps_per_execution)
            points = field.num_fields * self.recipe.points_per_step(self.num_pixels)
            weights = sum(math.prod(w.shape) for w in self.field.weights if w.name != "table")
            arguments["steps_per_execution"] = steps_per_execution(length, points, weights)
        else:
            model = field
            arguments["loss"] = StackedMeanSquaredError(dtype=field.values_dtype)
            arguments["metrics"] = [MSE(field.num_fields), PSNR(field.num_fields)]
            arguments["jit_compile"] = compilation.jit_compile
        model.compile(**arguments)
        return model


def field_of(model: keras.Model) -> Field:
    """The stacked field that is trained, see `Stacks.compiled`."""
    return getattr(model, "field", model)


class StackedFit:
    """The fit of K fields, each with a history, a learning rate and an end of its own.

    Args:
        fields, signals, seeds: K of each; a field gets its weights when it is done.
        stacks: `Stacks` of their network, which has the recipe.
        goal_psnr_db, max_seconds, should_stop: as in `fit_many`.

    Attributes:
        clock: the `TrainingState` of the batch, and states: one for each field.
        slots: slots[slot] is the index of the field that a slot of the stacked model holds.
        results: a `FitResult` for each field that is done, None for the others.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        signals: Sequence[ImageSignal],
        seeds: Sequence[int],
        stacks: Stacks,
        goal_psnr_db: float | None = None,
        max_seconds: float | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.started = time.perf_counter()
        self.fields, self.signals, self.seeds = fields, signals, seeds
        self.stacks = stacks
        self.goal_psnr_db, self.max_seconds, self.should_stop = goal_psnr_db, max_seconds, should_stop
        total_steps = stacks.recipe.total_steps(stacks.num_pixels)
        self.clock = TrainingState(total_steps)
        self.states = [TrainingState(total_steps) for _ in fields]
        self.slots = list(range(len(fields)))
        self.results: list[FitResult | None] = [None] * len(fields)
        self.one_size = len({signal.size for signal in signals}) == 1

    def run(self, callbacks: Iterable[keras.callbacks.Callback] = ()) -> list[FitResult]:
        """Fits all; returns K results."""
        model = self.stacks.model(len(self.slots))
        for variable, parts in zip(model.weights, zip(*(f.weights for f in self.fields), strict=True), strict=True):
            variable.assign(np.stack([part.numpy() for part in parts]))
        watch, stop = StackedWatch(self), StopWhen(self.clock, self.should_stop, self.max_seconds)
        while True:
            signals = [self.signals[index] for index in self.slots]
            seeds = [self.seeds[index] for index in self.slots]
            sampler = StackedSampler(signals, self.stacks.recipe, seeds, field_of(model).values_dtype)
            self.clock.stopped_by = None
            run_rounds(model, sampler, self.clock, [watch, stop, *callbacks])
            watch.finish()
            if self.clock.stopped_by != SMALLER:
                self.finish_fields(model, self.live, self.clock.reason)
                return [result for result in self.results if result is not None]
            watch.restart()
            model = self.smaller(model)

    @property
    def live(self) -> list[int]:
        """Indices of the fields that are not done."""
        return [index for index, result in enumerate(self.results) if result is None]

    def next_size(self) -> int:
        """How many fields the stacked model should go on with: half as many as soon as those are enough."""
        half = -(-len(self.slots) // 2)
        return half if len(self.live) <= half else len(self.slots)

    def smaller(self, model: keras.Model) -> keras.Model:
        """The model of `next_size` fields, filled up with some that are done."""
        done_last = sorted(range(len(self.slots)), key=lambda slot: self.results[self.slots[slot]] is not None)
        kept = done_last[: self.next_size()]
        target = self.stacks.model(len(kept))
        ours = [*target.weights, *target.optimizer.variables]
        theirs = [*model.weights, *model.optimizer.variables]
        for variable, source in zip(ours, theirs, strict=True):
            variable.assign(tf.gather(source, kept) if len(source.shape) else source)
        self.slots = [self.slots[slot] for slot in kept]
        return target

    def finish_fields(self, model: keras.Model, indices: Sequence[int], reason: str) -> None:
        """Gives fields that are done their weights, and makes their results."""
        self.copy_weights_out(model, indices)
        drawn = self.predictions(model, () if reason == "interrupt" else indices)
        for index in indices:
            prediction = drawn.get(index)
            broken = prediction is not None and not np.all(np.isfinite(prediction))
            self.results[index] = FitResult(
                **quality(self.signals[index], None if broken else prediction),
                steps=self.clock.step,
                train_seconds=self.clock.train_seconds,
                setup_seconds=self.clock.setup_seconds,
                stopped_by="diverged" if broken else reason,
                rows=self.states[index].rows,
            )

    def predictions(self, model: keras.Model, indices: Sequence[int]) -> dict[int, np.ndarray]:
        """Index of a field -> its values (H, W, C) on the pixels of its picture."""
        if self.one_size and indices:
            field = field_of(model)
            field.picture_size = self.signals[0].size
            drawn = field.sample_grid()
            return {index: drawn[self.slots.index(index)] for index in indices}
        self.copy_weights_out(model, indices)
        return {index: self.fields[index].sample_grid() for index in indices}

    def copy_weights_out(self, model: keras.Model, indices: Sequence[int]) -> None:
        """Gives fields the weights that they have in the stacked model, and their pictures' sizes."""
        for index in indices:
            self.fields[index].picture_size = self.signals[index].size
        copy_out(field_of(model), {self.slots.index(index): self.fields[index] for index in indices})


class StackedWatch(Recorder):
    """Keeps clock and histories of a `StackedFit`, lowers learning rates at plateaus, and ends fields that are done.

    Args:
        batch: the `StackedFit`.
    """

    def __init__(self, batch: StackedFit) -> None:
        super().__init__(batch.clock, batch.started)
        self.batch = batch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        losses, psnrs = (np.reshape(logs[name], -1) for name in ("mse", "psnr_db"))
        indices, rates = self.batch.live, learning_rate(self.model.optimizer) * self.scales()
        for index in indices:
            slot = self.batch.slots.index(index)
            self.record(index, float(losses[slot]), float(psnrs[slot]), float(rates[slot]))
        broken = [index for index in indices if not math.isfinite(losses[self.batch.slots.index(index)])]
        self.batch.finish_fields(self.model, broken, "diverged")
        self.meet_goals([index for index in indices if index not in broken])
        if self.state.stopped_by is None and self.batch.next_size() < len(self.batch.slots):
            self.stop(SMALLER if self.batch.live else "goal")
        elif not self.batch.live:
            self.stop("goal")

    def record(self, index: int, loss: float, psnr_db: float, rate: float) -> None:
        """A row of a field's history; its learning rate is lowered if that has come to a plateau."""
        state = self.batch.states[index]
        row = {"step": self.state.step, "seconds": round(self.state.train_seconds, 3)}
        figures = {"loss": loss, "psnr_db": psnr_db, "learning_rate": rate}
        state.rows.append(row | {name: finite(value) for name, value in figures.items()})
        recipe = self.batch.stacks.recipe
        if recipe.schedule == "plateau":
            state.step = self.state.step
            if plateau_reached(state, loss, recipe.plateau_patience):
                self.lower(self.batch.slots.index(index), recipe.plateau_factor)

    def meet_goals(self, indices: Sequence[int]) -> None:
        """Ends fields whose pictures have reached the PSNR that is asked for."""
        goal = self.batch.goal_psnr_db
        if goal is None or self.state.stopped_by is not None:
            return
        states = self.batch.states
        near = [
            i for i in indices if states[i].rows[-1]["psnr_db"] is None or states[i].rows[-1]["psnr_db"] >= goal - 1
        ]
        for index, prediction in self.batch.predictions(self.model, near).items():
            psnr_db = psnr(self.batch.signals[index].values, prediction)
            states[index].rows[-1]["picture_psnr_db"] = finite(psnr_db)
            if psnr_db >= goal:
                self.batch.finish_fields(self.model, [index], "psnr")

    def scales(self) -> np.ndarray:
        """What the learning rate of each slot has come to as a multiple of the schedule's."""
        return inner_optimizers(self.model.optimizer)[-1].field_scale.numpy().astype("float64")

    def lower(self, slot: int, factor: float) -> None:
        """Multiplies the learning rate of a slot by a factor."""
        for optimizer in inner_optimizers(self.model.optimizer):
            scales = optimizer.field_scale.numpy()
            scales[slot] *= factor
            optimizer.field_scale.assign(scales)

    def stop(self, reason: str) -> None:
        """Ends the training of the batch, or of the model that it has now."""
        self.state.stopped_by = reason
        self.model.stop_training = True
