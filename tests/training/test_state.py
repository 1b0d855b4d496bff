"""TrainingState: checkpoints hold it as strict JSON."""

import dataclasses
import json

from keras_inr.training._state import TrainingState


def test_goes_through_json_and_back():
    row = {"step": 4, "seconds": 0.1, "loss": 1 / 3, "psnr_db": None, "learning_rate": 1e-3}
    state = TrainingState(8, 4, 0.1, 1.5, [row], {"loss": 1 / 3, "step": 4}, [0.1, 2.0], "interrupt")
    text = json.dumps(dataclasses.asdict(state), allow_nan=False)
    assert TrainingState(**json.loads(text)) == state


def test_fresh_states_share_nothing():
    first, second = TrainingState(1), TrainingState(1)
    first.rows.append({})
    first.plateau["loss"] = 0.0
    first.open_round.append(1.0)
    assert second == TrainingState(1)
