"""What a run in progress knows beyond weights: its step, its clock, its history."""

import dataclasses


@dataclasses.dataclass
class TrainingState:
    """Shared by the callbacks of a run and stored in its checkpoints.

    Args:
        total_steps: length of the run.
        step: finished steps.
        train_seconds: wall-clock time of the training loop so far, over all resumed parts.
        setup_seconds: time spent before the loop: building, tracing and compiling.
        rows: one dict for each round of steps: step, seconds, loss, psnr_db, learning_rate, and picture_psnr_db where
            the whole picture was evaluated. loss and psnr_db are over the round's batches.
        plateau: best loss and the step of the last improvement or reduction, for the plateau schedule.
        open_round: sums of the metrics over a round that an interrupt has cut short, from which the round goes on.
        identity: what makes two runs the same but for their length: picture and recipe.
        stopped_by: None, "steps", "psnr", "time", "callback" or "interrupt".
    """

    total_steps: int
    step: int = 0
    train_seconds: float = 0.0
    setup_seconds: float = 0.0
    rows: list = dataclasses.field(default_factory=list)
    plateau: dict = dataclasses.field(default_factory=dict)
    open_round: list = dataclasses.field(default_factory=list)
    identity: dict = dataclasses.field(default_factory=dict)
    stopped_by: str | None = None
