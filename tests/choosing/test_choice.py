"""What is chosen for a picture and a goal, and that a goal is met."""

import math
import re

import pytest

from keras_inr.choosing.choice import DEEPER, NARROW, PARAMETERS_PER_BYTE, PLENTY, choose, file_kb, recipe_for_any_time
from keras_inr.choosing.goal import Goal
from keras_inr.choosing.sizes import all_layouts, fresh, ladder, network, num_parameters
from keras_inr.models import from_preset
from keras_inr.signals import load_image
from keras_inr.signals.codecs import encoded_bytes
from keras_inr.training import Recipe, fit

COINS = load_image("sample:coins", size=64)
CAT = load_image("sample:chelsea", size=48)
RUNGS = ladder(COINS.size)
COUNTS = [num_parameters(layout, COINS.size, 1) for layout in RUNGS]


def place_of(choice):
    return RUNGS.index(choice.arguments["layout"])


class TestQuality:
    @pytest.mark.parametrize("goal_psnr_db", [15, 18, 20, 22])
    def test_four_weights_for_each_byte_of_a_jpeg(self, goal_psnr_db):
        choice = choose(COINS, f"{goal_psnr_db}dB")
        enough = PARAMETERS_PER_BYTE * encoded_bytes("JPEG", COINS.values, goal_psnr_db)
        place = place_of(choice)
        assert choice.num_parameters == COUNTS[place]
        assert COUNTS[place] >= enough or place == len(RUNGS) + PLENTY
        assert place == 0 or COUNTS[place - 1] < enough

    def test_more_of_it_takes_no_fewer(self):
        places = [place_of(choose(COINS, f"{psnr_db}dB")) for psnr_db in range(10, 46, 5)]
        assert places == sorted(places)
        assert places[0] < places[-1] == len(RUNGS) + PLENTY

    def test_it_may_grow_to_all_that_is_larger(self):
        choice = choose(COINS, "20dB")
        assert list(choice.larger) == RUNGS[place_of(choice) + 1 :]
        assert choice.larger

    def test_files_of_the_quality_are_told(self):
        lengths = {codec: encoded_bytes(codec, CAT.values, 30.0) / 1000 for codec in ("JPEG", "WebP")}
        told = f"a JPEG of it has {lengths['JPEG']:.3g} kB and a WebP of it has {lengths['WebP']:.3g} kB"
        assert choose(CAT, Goal(30.0, "dB")).reason.endswith(f"; {told}")

    def test_beyond_all_files_it_is_plenty(self):
        choice = choose(COINS, "140dB")
        assert place_of(choice) == len(RUNGS) + PLENTY
        assert choice.reason.endswith("; no JPEG comes to it and no WebP comes to it")

    @pytest.mark.parametrize("place", [0, 2, len(RUNGS) - 1])
    def test_most_weights(self, place):
        for most in (COUNTS[place], COUNTS[place] + 1):
            choice = choose(COINS, "40dB", max_parameters=most)
            assert place_of(choice) == min(place, len(RUNGS) + PLENTY)
            assert list(choice.larger) == RUNGS[place_of(choice) + 1 : place + 1]


class TestSize:
    @pytest.mark.slow
    @pytest.mark.parametrize("kb", [35, 60, 200])
    @pytest.mark.parametrize("signal", [COINS, CAT], ids=["coins", "cat"])
    def test_is_kept_and_used(self, signal, kb):
        choice = choose(signal, f"{kb}kB")
        units = DEEPER if choice.arguments["units"][0] == DEEPER[0] else NARROW
        layouts = all_layouts(signal.size, units)
        fields = [fresh(layout, signal.size, signal.channels, **network(layout, units)) for layout in layouts]
        within = [field.count_params() for field in fields if file_kb(field) <= kb]
        assert choice.num_parameters == max(within)
        assert file_kb(fresh(size=signal.size, channels=signal.channels, **choice.arguments)) <= kb
        assert choice.larger == ()

    @pytest.mark.parametrize(("kb", "units", "activation"), [(24, (16,), "relu"), (200, (64,), "squareplus")])
    def test_layers_where_vertices_share_entries(self, kb, units, activation):
        field = from_preset("auto", signal=COINS, goal=f"{kb}kB")
        shared = field.stack[0].num_entries[0] < math.prod(COINS.size)
        assert (field.units, field.activation, shared) == (units, activation, activation == "relu")

    @pytest.mark.parametrize("kb", [25, 60])
    def test_is_that_of_the_field_in_python(self, kb):
        field = from_preset("auto", signal=COINS, goal=f"{kb}kB", seed=0)
        assert field.units == choose(COINS, f"{kb}kB").arguments["units"]
        assert file_kb(field) <= kb

    def test_most_weights(self):
        within = [choose(COINS, "200kB", max_parameters=most).num_parameters for most in (2000, 8000)]
        assert 1000 < within[0] <= 2000 < within[1] <= 8000

    def test_that_nothing_fits_into(self):
        with pytest.raises(ValueError, match=r"at least \d+ kB for this picture, received 1 kB") as error:
            choose(COINS, "1kB")
        least = int(re.search(r"least (\d+)", str(error.value))[1])
        assert choose(COINS, f"{least}kB").arguments["units"] == NARROW


@pytest.mark.parametrize("goal", [None, "3s"])
def test_where_no_quality_is_asked_for(goal):
    choice = choose(COINS, goal)
    assert place_of(choice) == len(RUNGS) + PLENTY
    assert choice.larger == ()
    why = "for as much as 8 bits show" if goal is None else "for 3 s"
    assert choice.reason.endswith(f"; {choice.num_parameters:,} parameters, 0.033 MB) {why} on 64 x 51 pixels")
    assert "3 levels, the finest with 1 for each of 3264 entries" in choice.reason


def test_the_entries_of_a_shared_table_are_told():
    assert "the finest with 1 for each of 64 entries" in choose(COINS, "20dB", max_parameters=COUNTS[0]).reason


class TestRecipe:
    @pytest.mark.parametrize(
        ("size", "batch", "per_epoch"),
        [
            ((1, 1), 512, 1),
            ((64, 64), 512, 8),
            ((512, 768), 16384, 24),
            ((300, 451), 4096, 33),
            ((9000, 9000), 2**18, 308),
        ],
    )
    def test_batches(self, size, batch, per_epoch):
        recipe = Recipe(**recipe_for_any_time(size), epochs=1)
        assert recipe.batch_size == batch
        assert recipe.steps_per_epoch(math.prod(size)) == per_epoch

    def test_it_is_that_of_the_choice(self):
        assert choose(COINS, "20dB").recipe == recipe_for_any_time(COINS.size)


@pytest.mark.parametrize("most", [COUNTS[0] - 1, 0, -3])
def test_fewer_weights_than_any_network_has(most):
    told = f"max_parameters must be at least {COUNTS[0]} for this picture, received {most}"
    with pytest.raises(ValueError, match=told):
        choose(COINS, "30dB", max_parameters=most)


def test_what_is_no_picture_or_no_goal():
    with pytest.raises(TypeError, match="signal must be an ImageSignal from load_image, received ndarray"):
        choose(COINS.values, "30dB")
    with pytest.raises(ValueError, match=r"goal must be a number with dB.* received 'soon'"):
        choose(COINS, "soon")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coins", "moon"])
def test_a_goal_in_db_is_met(name):
    signal = load_image(f"sample:{name}", size=64)
    field = from_preset("auto", signal=signal, goal="30dB", seed=0)
    result = fit(field, signal, epochs=200, goal_psnr_db=30.0, progress=False)
    assert result.stopped_by == "psnr"
    assert result.psnr_db >= 30


class TestPreset:
    def test_it_is_what_is_chosen(self):
        field = from_preset("auto", signal=COINS, goal="20dB", max_parameters=COUNTS[2], seed=3)
        choice = choose(COINS, "20dB", COUNTS[2])
        assert (field.channels, field.picture_size, field.layout) == (1, COINS.size, choice.arguments["layout"])
        assert field.count_params() == choice.num_parameters
        assert field.get_config()["seed"] == 3

    def test_it_is_fitted_by_the_recipe_for_any_time(self):
        """Whose rounds, of an epoch of 6 steps in whole executions of 8, and averages show."""
        field = from_preset("auto", signal=COINS, seed=0)
        result = fit(field, COINS, epochs=6, progress=False)
        assert [row["step"] for row in result.rows] == [8, 16, 24, 32, 36]
        assert {type(row["average_psnr_db"]) for row in result.rows} == {float}
        # held for 4 epochs
        rates = [row["learning_rate"] for row in result.rows]
        assert rates == pytest.approx([0.1, 0.1, *(0.1 * 24 / (step + 1) for step in (24, 32, 36))])

    def test_other_arguments(self):
        with pytest.raises(
            ValueError, match=r"'omega_0' is not an argument of preset 'auto', which takes \('signal', 'goal'"
        ):
            from_preset("auto", signal=COINS, omega_0=20)
        with pytest.raises(
            ValueError, match=r"preset 'auto' needs signal=\.\.\., what load_image returns, received None"
        ):
            from_preset("auto")
