"""What a run in progress knows beyond weights: its step, its clock, its history."""

import dataclasses
from typing import Any


@dataclasses.dataclass
class TrainingState:
    """Shared by the callbacks of a run and stored in its checkpoints.

    Args:
        total_steps: length of the run.
        step: finished steps.
        train_seconds: wall-clock time of the training loop so far, over all resumed parts.
        setup_seconds: time spent before the loop: building, tracing and compiling.
        rows: one dict for each round of steps: step, seconds, loss, psnr_db, learning_rate; average_psnr_db, of the
            averaged weights at some pixels, where there are averages; and picture_psnr_db where the whole picture was
            evaluated. loss and psnr_db are over the round's batches.
        plateau: best loss and the step of the last improvement or reduction, for the plateau schedule.
        open_round: sums of the metrics over a round that an interrupt has cut short, from which the round goes on.
        identity: what makes two runs the same but for their length: picture and recipe.
        stopped_by: None, "steps", "psnr", "time", "stalled" where the goal is out of reach, "callback" or "interrupt".
            A batch of stacked fields also stops by "smaller", to go on with fewer of them, and by "goal", when the last
            one has reached it; a field of it by "diverged".
    """

    total_steps: int
    step: int = 0
    train_seconds: float = 0.0
    setup_seconds: float = 0.0
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    plateau: dict[str, float] = dataclasses.field(default_factory=dict)
    open_round: list[float] = dataclasses.field(default_factory=list)
    identity: dict[str, Any] = dataclasses.field(default_factory=dict)
    stopped_by: str | None = None

    @property
    def reason(self) -> str:
        """stopped_by of a run that has ended."""
        if self.stopped_by is None:
            raise RuntimeError(f"a run must have ended to have a reason, received step {self.step}")
        return self.stopped_by


def state_problem(stored: Any) -> str | None:
    """What is wrong with the state of a checkpoint, as a sentence; None if every value is of its type.

    >>> state_problem({"step": "many"})
    "its step must be of type int, received 'many'"
    """
    if not isinstance(stored, dict):
        return f"its state must be an object, received {type(stored).__name__}"
    for name, value in stored.items():
        if name not in _TYPES:
            return f"its state must not have {name!r}, which this version does not know"
        kinds = _TYPES[name]
        if not isinstance(value, kinds) or isinstance(value, bool):
            return f"its {name} must be of type {kinds[0].__name__}, received {value!r}"
    missing = [name for name in ("step", "rows") if name not in stored]
    if missing:
        return f"its {missing[0]} is missing"
    if not all(isinstance(row, dict) and {"step", "loss"} <= set(row) for row in stored["rows"]):
        return "its rows must be objects with step and loss"
    return None


_TYPES: dict[str, tuple[type, ...]] = {
    "total_steps": (int,),
    "step": (int,),
    "train_seconds": (float, int),
    "setup_seconds": (float, int),
    "rows": (list,),
    "plateau": (dict,),
    "open_round": (list,),
    "identity": (dict,),
    "stopped_by": (str, type(None)),
}
