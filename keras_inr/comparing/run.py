"""A comparison in a folder: fits that are there already are not made again."""

import contextlib
import dataclasses
import os
import pathlib
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_inr._reading import read_json
from keras_inr.comparing.plan import Comparison, Variant
from keras_inr.comparing.results import write_results
from keras_inr.comparing.sizing import sized
from keras_inr.datasets.pictures import Picture, read_pictures
from keras_inr.errors import DamagedFileError, InputError, InterruptedRunError, RecipeWarning
from keras_inr.fleet.plan import FleetPlan
from keras_inr.fleet.run import Execute, embedded, run_fleet
from keras_inr.fleet.work import FITTED, fits_alone
from keras_inr.runs.folder import claim_run_folder, write_json
from keras_inr.runs.plan import recipe_for
from keras_inr.signals.image import ImageSignal
from keras_inr.training.fitting import fit

PILOT_STEPS = 200
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""What --sweep_rates tries."""

Row = dict[str, Any]


def run_comparison(
    pictures: Sequence[Picture],
    comparison: Comparison,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    together: Execute | None = None,
    alone: Execute | None = None,
    progress: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[pathlib.Path, list[Row]]:
    """Fits each variant to each picture with each seed, and writes tables, curves and crops.

    With a budget of steps the pictures of a variant are fitted together, as by `fit_many`, where its weights can be
    stacked; a fit ends as it would alone. With a budget of seconds each is fitted alone, with as many steps as a pilot
    says, so that its schedule has an end. Each finished fit is kept, and is not made again by resume.

    Args:
        pictures: what `keras_inr.list_pictures` found.
        comparison: `Comparison`.
        out: the run's folder; a new numbered one under runs/ by default.
        resume: go on with the comparison in `out`, or start one there.
        together, alone: functions of (tasks, plan, should_stop) that yield outcomes of pictures that are fitted
            together, and one by one; this process by default.
        progress: whether to tell how far each part is.
        tell: called with lines about what is done.

    Returns:
        (folder, rows), the rows of results.csv.

    Raises:
        InputError: for a folder that cannot be used, a network that cannot be brought to the budget, or pictures of
            which the first cannot be read.
        InterruptedRunError: after Ctrl-C or SIGTERM; finished fits are kept.
    """
    if not pictures:
        raise InputError("images must be one picture at least, received none")
    sources = {"pictures": [picture.source for picture in pictures]}
    with claim_run_folder(out, {**comparison.identity, **sources}, resume) as folder:
        tell(forecast(comparison, len(pictures)))
        first = first_picture(pictures, comparison.image_options)
        maker = Maker(folder, comparison, first, pictures, together or embedded, alone or fits_alone, progress, tell)
        with warnings.catch_warnings():
            if comparison.sweep_rates is not None:  # which takes rates far from the measured one on purpose
                warnings.filterwarnings("ignore", "learning_rate=", RecipeWarning)
            rows = [row for variant in comparison.variants for row in maker.rows_of(variant)]
        write_results(folder, comparison, rows, maker.places)
        return folder, rows


def forecast(comparison: Comparison, pictures: int) -> str:
    """How many fits a comparison is of.

    >>> forecast(Comparison([Variant("siren", "siren")], seeds=(0, 1)), 3)
    '1 networks x 3 pictures x 2 seeds: 6 fits of 2000 steps'
    """
    networks, seeds = len(comparison.variants), len(comparison.seeds)
    line = f"{networks} networks x {pictures} pictures x {seeds} seeds: {networks * pictures * seeds} fits"
    line += f" of {comparison.budget}"
    if comparison.sweep_rates is not None:
        line += f", and {networks * len(comparison.sweep_rates)} half as long to find learning rates"
    return line


def first_picture(pictures: Sequence[Picture], options: Mapping[str, Any]) -> ImageSignal:
    """The first of them, which sizes, pilots and rates are measured on."""
    _, signal = next(iter(read_pictures(pictures[:1], **options)))
    if isinstance(signal, Exception):
        raise InputError(f"the first picture cannot be read: {signal}") from signal
    return signal


@dataclasses.dataclass
class Maker:
    """Makes what a comparison needs of a variant, or finds that it is there.

    Args:
        folder: of the comparison.
        comparison, pictures, together, alone, progress, tell: see `run_comparison`.
        first: the first picture.

    Attributes:
        places: (variant, seed) -> folder of its fits.
    """

    folder: pathlib.Path
    comparison: Comparison
    first: ImageSignal
    pictures: Sequence[Picture]
    together: Execute
    alone: Execute
    progress: bool
    tell: Callable[[str], None]
    places: dict[tuple[str, int], pathlib.Path] = dataclasses.field(default_factory=dict)

    def rows_of(self, variant: Variant) -> list[Row]:
        """The rows of all its fits."""
        variant = self.at_size(variant)
        recipe = dict(variant.recipe) | dict(self.comparison.recipe)
        if self.comparison.sweep_rates is not None:
            recipe["learning_rate"] = self.best_rate(variant, recipe)
        steps = self.steps(variant, recipe)
        rows = []
        for seed in self.comparison.seeds:
            place = self.folder / "fits" / variant.name / f"seed-{seed}"
            self.tell(f"{variant.name}, seed {seed}: {len(self.pictures)} fits")
            self.places[variant.name, seed] = place
            found = self.fits(place, variant, {**recipe, "steps": steps, "seed": seed}, self.pictures)
            rows += [{"variant": variant.name, **row} for row in found]
            known = [row["psnr_db"] for row in found if row["status"] == FITTED and row["psnr_db"] is not None]
            told = f"{statistics.mean(known):.2f} dB in the mean" if known else "no figure"
            self.tell(f"{variant.name}, seed {seed}: {told}, {steps} steps")
        return rows

    def at_size(self, variant: Variant) -> Variant:
        """The variant with as many weights as the budget asks for."""
        wanted = self.comparison.budget.parameters
        if wanted is None:
            return variant
        arguments = sized(variant.preset, variant.arguments, wanted, self.first.size)
        return dataclasses.replace(variant, arguments=arguments)

    def steps(self, variant: Variant, recipe: Mapping[str, Any]) -> int:
        """The length of its fits: the budget's, or as many as fit into its seconds at the pace of a pilot."""
        budget = self.comparison.budget
        if budget.steps is not None:
            return budget.steps
        path = self.folder / "pilots" / f"{variant.name}.json"
        with contextlib.suppress(FileNotFoundError, DamagedFileError):
            return int(read_json(path)["steps"])
        whole = recipe_for(variant.preset, {**recipe, "steps": PILOT_STEPS, "seed": self.comparison.seeds[0]})
        field = self.plan(variant, whole).field(self.first.size, self.first.channels)
        result = fit(field, self.first, whole, progress=False)
        assert budget.seconds is not None
        steps = max(1, round(budget.seconds * result.steps / result.train_seconds))
        path.parent.mkdir(exist_ok=True)
        write_json(path, {"pilot_steps": result.steps, "pilot_seconds": result.train_seconds, "steps": steps})
        return steps

    def best_rate(self, variant: Variant, recipe: Mapping[str, Any]) -> float:
        """The learning rate with the highest PSNR on the first picture, after half of the length."""
        found: dict[float, float] = {}
        for rate in self.comparison.sweep_rates or ():
            tried = {**recipe, "learning_rate": rate}
            settings = {**tried, "steps": max(1, self.steps(variant, tried) // 2), "seed": self.comparison.seeds[0]}
            place = self.folder / "rates" / variant.name / f"{rate:g}"
            (row,) = self.fits(place, variant, settings, self.pictures[:1])
            found[rate] = row["psnr_db"] or 0.0 if row["status"] == FITTED else 0.0
        best = max(found, key=lambda rate: found[rate])
        told = ", ".join(f"{rate:g}: {psnr_db:.2f} dB" for rate, psnr_db in found.items())
        edge = "; it is at the end of what was tried" if best in (min(found), max(found)) and len(found) > 1 else ""
        self.tell(f"{variant.name}: learning_rate {best:g} ({told}){edge}")
        return best

    def fits(
        self, place: pathlib.Path, variant: Variant, recipe: Mapping[str, Any], pictures: Sequence[Picture]
    ) -> list[Row]:
        """Rows of the fits of a variant to pictures with one seed, made where they are missing."""
        plan = self.plan(variant, recipe_for(variant.preset, recipe))
        by_itself = self.comparison.budget.seconds is not None or plan.drawn_field((16, 16), 3).unstackable is not None
        place.parent.mkdir(parents=True, exist_ok=True)
        execute = self.alone if by_itself else self.together
        options: dict[str, Any] = {"execute": execute, "progress": self.progress, "history": True}
        try:
            return run_fleet(pictures, plan, place, resume=True, **options)[1]
        except InterruptedRunError as error:
            again = "finished fits are saved, go on with the same flags and"
            told = f"in the fits of {place.relative_to(self.folder)}"
            raise InterruptedRunError(error.signal_number, self.folder, told, again) from None

    def plan(self, variant: Variant, recipe: Any) -> FleetPlan:
        """What `run_fleet` does for a variant."""
        return FleetPlan(variant.preset, recipe, variant.arguments, self.comparison.image_options)
