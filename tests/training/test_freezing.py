"""Frozen layers: not a bit of theirs changes, whatever the optimizer does, and afterwards they are free again."""

import re

import keras
import numpy as np
import pytest

from keras_inr.errors import CheckpointError
from keras_inr.models import Bacon
from keras_inr.training import Recipe, fit
from keras_inr.training.freezing import frozen, frozen_layers
from training.small_fits import StopAfter, fingerprint, small_field, small_picture

BRIEF = {"steps": 12, "batch_size": 32, "learning_rate": 0.02, "progress": False}
OPTIMIZERS = [
    {"optimizer": "adam"},
    {"optimizer": "adamw", "weight_decay": 0.5},
    {"optimizer": "sgd", "weight_decay": 0.5, "learning_rate": 1e-3},
    {"optimizer": "muon", "weight_decay": 0.5},
    {"optimizer": "adamw", "weight_decay": 0.5, "supervise": "gradient", "clip_norm": 1.0},
]


def bits(field):
    """Layer's name -> its weights as bytes."""
    return {layer.name: [np.asarray(weight).tobytes() for weight in layer.weights] for layer in field.stack}


def layer_kernels(before, field):
    """The filters' frequencies among the weights that were kept."""
    places = {weight.path: place for place, weight in enumerate(field.stack[0].weights)}
    return [before["products"][places[part.kernel.path]] for part in field.stack[0].filter_layers]


def changed(field, before):
    return {name for name, weights in bits(field).items() if weights != before[name]}


class TestFit:
    @pytest.mark.parametrize("settings", OPTIMIZERS, ids=lambda settings: "-".join(map(str, settings.values())))
    def test_frozen_weights_keep_every_bit_and_others_learn(self, settings):
        field = small_field("siren", units=(16, 16, 16))
        before = bits(field)
        fit(field, small_picture(), **{**BRIEF, **settings}, freeze="sine_0,sine_2")
        assert changed(field, before) == {"sine_1", "head"}

    @pytest.mark.parametrize("tables", [{}, {"table_learning_rate": 0.1}])
    @pytest.mark.parametrize(("freeze", "free"), [("encoding", {"relu_0", "head"}), ("relu_*", {"encoding", "head"})])
    def test_of_a_hash_encoding(self, tables, freeze, free):
        """Whose tables have an optimizer of their own."""
        field = small_field("multi_hash")
        before = bits(field)
        fit(field, small_picture(), **BRIEF, **tables, freeze=freeze)
        assert changed(field, before) == free

    @pytest.mark.slow
    def test_heads_of_outputs_beside_the_last(self):
        """A band-limited network has one for each depth, and its frequencies are not trained afterwards either."""
        field = Bacon(units=8, resolution=12, seed=0)
        names = [layer.name for layer in field.named_layers if layer.weights]
        before = {layer.name: [weight.numpy() for weight in layer.weights] for layer in field.named_layers}
        fit(field, small_picture(), **BRIEF, freeze=f"products,{names[1]}")
        moved = [
            layer.name
            for layer in field.named_layers
            if any(np.any(new != old) for new, old in zip(layer.weights, before[layer.name], strict=True))
        ]
        assert moved == names[2:]
        fit(field, small_picture(), **BRIEF)
        for part, old in zip(field.stack[0].filter_layers, layer_kernels(before, field), strict=True):
            np.testing.assert_array_equal(part.kernel, old)

    def test_the_field_is_trainable_again(self, tmp_path):
        field = small_field("siren")
        fit(field, small_picture(), **BRIEF, freeze="sine_0")
        assert [weight.path for weight in field.trainable_weights] == [weight.path for weight in field.weights]
        field.save(tmp_path / "field.keras")
        loaded = keras.models.load_model(tmp_path / "field.keras")
        assert bits(loaded) == bits(field)
        assert all(layer.trainable for layer in loaded.stack)
        before = bits(field)
        fit(field, small_picture(), **BRIEF)
        assert changed(field, before) == {"sine_0", "sine_1", "head"}

    def test_it_is_what_only_the_other_layers_learn(self):
        """A frozen fit differs from a free one, in the free layers too, and from another frozen one."""
        prints = set()
        for freeze in (None, "sine_0", "sine_1"):
            field = small_field("siren")
            fit(field, small_picture(), **BRIEF, freeze=freeze)
            prints.add(fingerprint(field))
        assert len(prints) == 3


class TestResume:
    def run(self, *moments, folder=None, freeze="sine_1"):
        for part, moment in enumerate(moments):
            field = small_field("siren", units=(16, 16, 16), seed=part)
            fit(
                field,
                small_picture(),
                checkpoint_dir=folder,
                should_stop=StopAfter(moment),
                **BRIEF,
                optimizer="adamw",
                weight_decay=0.5,
                freeze=freeze,
            )
        return field

    def test_stopped_and_resumed(self, tmp_path):
        """The second part begins with another seed, so that its frozen weights come from the checkpoint."""
        resumed, undisturbed = self.run(5, None, folder=tmp_path), self.run(None)
        assert bits(resumed) == bits(undisturbed)
        fresh = small_field("siren", units=(16, 16, 16))
        assert changed(resumed, bits(fresh)) == {"sine_0", "sine_2", "head"}

    @pytest.mark.parametrize(
        ("freeze", "told"),
        [("sine_2", "another run: freeze was 'sine_1' and is 'sine_2'$"), (None, "another network or optimizer")],
    )
    def test_with_other_layers_frozen_it_is_another_run(self, tmp_path, freeze, told):
        self.run(5, folder=tmp_path)
        with pytest.raises(CheckpointError, match=told):
            self.run(None, folder=tmp_path, freeze=freeze)


class TestNames:
    @pytest.mark.parametrize(
        ("freeze", "names"),
        [
            (None, []),
            ("sine_1", ["sine_1"]),
            ("head, sine_0", ["sine_0", "head"]),
            ("sine_?", ["sine_0", "sine_1"]),
            ("*_[!0],h*", ["sine_1", "head"]),
            ("sine_0,sine_0", ["sine_0"]),
        ],
    )
    def test_patterns(self, freeze, names):
        assert [layer.name for layer in frozen_layers(small_field("siren"), freeze)] == names

    @pytest.mark.parametrize(
        ("freeze", "received"),
        [("sine_2", "sine_2"), ("sine_0,SINE_1", "SINE_1"), ("value_range", "value_range"), (",", "")],
    )
    def test_a_name_that_no_layer_has(self, freeze, received):
        told = re.escape(f"freeze must name some of the layers sine_0, sine_1, head, received {received!r}")
        with pytest.raises(ValueError, match=told):
            fit(small_field("siren"), small_picture(), **BRIEF, freeze=freeze)

    def test_something_must_be_left(self):
        told = r"freeze must leave one of the layers sine_0, sine_1, head to be trained, received '\*'"
        with pytest.raises(ValueError, match=told):
            frozen_layers(small_field("siren"), "*")

    def test_the_bias_that_takes_the_mean_cannot_be_frozen_where_values_are_not_fitted(self):
        told = r"freeze must leave the head free .*: the bias of 'head' takes the picture's mean, received 'h\*'"
        with pytest.raises(ValueError, match=told):
            fit(small_field("siren"), small_picture(), **BRIEF, supervise="gradient", freeze="h*")
        field = small_field("siren")
        before = bits(field)
        fit(field, small_picture(), **BRIEF, freeze="h*")
        assert changed(field, before) == {"sine_0", "sine_1"}

    @pytest.mark.parametrize("freeze", [("sine_0",), 3, True, ""])
    def test_a_recipe_takes_a_text(self, freeze):
        told = f"freeze must be names of layers with commas between them, or None, received {freeze!r}"
        with pytest.raises(ValueError, match=re.escape(told)):
            Recipe(steps=1, freeze=freeze)

    def test_none_takes_back_a_flagfiles(self):
        assert Recipe(steps=1, freeze=None).freeze is None


class TestContext:
    def test_ends_with_an_error(self):
        field = small_field("siren")

        def stopped():
            with frozen(field, "sine_*"):
                assert [weight.path for weight in field.trainable_weights] == [w.path for w in field.stack[2].weights]
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            stopped()
        assert all(layer.trainable for layer in field.stack)

    def test_leaves_a_layer_alone_that_was_not_trainable_before(self):
        field = small_field("siren")
        field.stack[0].trainable = False
        with frozen(field, "sine_*"):
            pass
        assert [layer.trainable for layer in field.stack] == [False, True, True, True]
