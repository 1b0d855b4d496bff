import importlib
import pkgutil

import contract
import keras
import numpy as np
import pytest
import tensorflow as tf
from broken_layers import (
    Broken,
    DropsArgument,
    EagerOnly,
    FlagForAKink,
    ForgetsArgument,
    ForgetsDirections,
    HiddenKink,
    IgnoresSeed,
    InventsSecond,
    MixesFields,
    MixesPoints,
    NaNGradient,
    NeedsBatchSize,
    NoKink,
    NoRule,
    RoundsCoordinates,
    SharesRule,
    SharesSeed,
    UnusedWeight,
    WrongDtype,
    WrongRank,
    WrongSecond,
    WrongShape,
)
from contract import Example, OfBlocks
from zoo_examples import ZOO, derived

import keras_inr
from keras_inr.initializers import Rule, RuleInitializer, Scheme
from keras_inr.layers import Affine, HashEncoding, LeakyReluDense, PositionalEncoding, SineDense, ValueRange
from keras_inr.losses import ColourMeanSquaredError, KnownMeanSquaredError, StackedMeanSquaredError
from keras_inr.metrics import MSE, PSNR
from keras_inr.models import MultiHash, ReluMLP, Siren
from keras_inr.models.block_field import BlockField, Blocks
from keras_inr.models.differentiated import Differentiated
from keras_inr.models.lattice import Lattice
from keras_inr.presets import get_preset, list_presets
from keras_inr.training.muon import Muon
from keras_inr.training.schedules import CosineDecay, InverseDecay, WarmupExponentialDecay
from keras_inr.training.stacked_optimizers import StackedAdam, StackedMuon, StackedSGD

RNG = np.random.default_rng(0)
WARMED = {"initial_learning_rate": 0.01, "decay_steps": 16, "alpha": 0.1, "warmup_target": 0.02, "warmup_steps": 5}
COORDS = RNG.uniform(-1, 1, (6, 2)).astype("float32")
COORDS_3D = RNG.uniform(-1, 1, (6, 3)).astype("float32")
FEATURES = RNG.uniform(-1, 1, (6, 5)).astype("float32")
PICTURES = RNG.uniform(0, 1, (2, 4, 5, 3)).astype("float32")

RULE = Rule("normal", gain=0.5)
MINE = Scheme("mine", 20.0, 0.5, RULE, None, RULE, None, RULE, None)
GIVEN = {
    "kernel_initializer": RuleInitializer(RULE, seed=3),
    "bias_initializer": RuleInitializer(RULE, fan_in=1, seed=4),
}
LATTICE = {"num_levels": 4, "table_size": 64, "num_features": 3, "base_resolution": 3, "finest_resolution": 40}
FIELD = {"channels": 4, "picture_size": (30, 20), "value_range": (-2.0, 1.5), "units": (16, 16)}

# `growth` and `phase_growth` count roundings relative to the largest output. A phase of p radians, rounded some 4
# times, moves a sine by 4 p: p is up to 30 (1 + 0.7) for "paper", 100 for "init-33" on 2 inputs, 100 for 6 octaves.
# A hidden sine layer multiplies errors by about omega_0 times the norm of its kernel, 1.4 by the SIREN rule.
# A position in a lattice of 40 cells, rounded 3 times, moves a feature by 2 (smoothstep 4) per axis.
BLOCKS = {"places": ((0, 2, 3), (1,)), "lattice": Lattice((20, 30), (10, 15), 2)}
EXAMPLES = [
    OfBlocks(Blocks, BLOCKS, COORDS, growth=60, phase_growth=800),
    OfBlocks(
        BlockField,
        {**BLOCKS, "channels": 3, "picture_size": (20, 30), "reduced": True},
        COORDS,
        growth=60,
        phase_growth=800,
        aside=("reduced",),
    ),
    Example(Affine, {"units": 4}, FEATURES, growth=4),
    Example(Affine, {"units": 4, "use_bias": False, "reads_coords": True}, COORDS, phase_growth=4),
    Example(Affine, {"units": 4, **GIVEN}, FEATURES, growth=4),
    Example(LeakyReluDense, {"units": 4, "negative_slope": 0.3}, FEATURES, growth=4),
    Example(LeakyReluDense, {"units": 4, "use_bias": False, "reads_coords": True}, COORDS, phase_growth=4),
    Example(LeakyReluDense, {"units": 4, **GIVEN}, FEATURES, growth=4),
    Example(SineDense, {"units": 8}, FEATURES, growth=40),
    Example(SineDense, {"units": 8, "omega_0": 5.0, **GIVEN}, FEATURES, growth=60),
    Example(SineDense, {"units": 8, "first": True}, COORDS, phase_growth=200),
    Example(SineDense, {"units": 8, "first": True, "scheme": "init-33"}, COORDS, phase_growth=400),
    Example(SineDense, {"units": 8, "first": True, "scheme": "descent"}, COORDS, phase_growth=400),
    Example(SineDense, {"units": 8, "scheme": MINE}, FEATURES, growth=100),
    Example(PositionalEncoding, {"num_frequencies": 6}, COORDS, phase_growth=400),
    Example(PositionalEncoding, {"num_frequencies": 6, "include_input": True}, COORDS, phase_growth=400),
    Example(HashEncoding, {**LATTICE, "initial_scale": 0.1}, COORDS, phase_growth=500),
    Example(HashEncoding, {**LATTICE, "interpolation": "smoothstep"}, COORDS, phase_growth=1000),
    Example(HashEncoding, {**LATTICE, "num_dims": 3}, COORDS_3D, phase_growth=750),
    Example(ValueRange, {"low": -1.0, "high": 2.0}, FEATURES, growth=4),
    Example(Siren, FIELD, COORDS, growth=30, phase_growth=600),
    Example(Siren, {**FIELD, "scheme": "init-33", "omega_0": 20.0}, COORDS, growth=30, phase_growth=600),
    Example(Siren, {**FIELD, "scheme": MINE}, COORDS, growth=400, phase_growth=4000),
    Example(ReluMLP, {**FIELD, "negative_slope": 0.2}, COORDS, growth=16, phase_growth=16),
    Example(ReluMLP, {**FIELD, "num_frequencies": 6}, COORDS, growth=16, phase_growth=1600),
    Example(ReluMLP, {**FIELD, "num_frequencies": 6, "include_input": True}, COORDS, growth=16, phase_growth=1600),
    Example(MultiHash, {**FIELD, **LATTICE, "negative_slope": 0.2}, COORDS, growth=16, phase_growth=1000),
    Example(MultiHash, {**FIELD, **LATTICE, "interpolation": "smoothstep"}, COORDS, growth=16, phase_growth=2000),
    Example(
        MultiHash,
        {**FIELD, **LATTICE, "interpolation": "smoothstep", "activation": "sine"},
        COORDS,
        growth=30,
        phase_growth=2000,
    ),
    Example(
        Differentiated,
        {"field": Siren(units=(8,), seed=0), "outputs": ("values", "laplacian"), "method": "forward", "chunk": 4},
        COORDS,
    ),
    *(
        Example(RuleInitializer, {"rule": Rule(distribution, gain=0.5, omega_power=1), **arguments}, shape)
        for distribution in ("uniform", "normal", "evenly_spaced", "integers", "zeros")
        for arguments, shape in [({"omega_0": 2.0, "fan_in": 3}, (20,)), ({"seed": 7}, (3, 4, 5))]
    ),
    Example(Muon, {"learning_rate": 0.1}),
    Example(StackedAdam, {"num_fields": 2, "decay": 0.1, "clip_norm": 1.0, "learning_rate": 0.1}),
    Example(StackedMuon, {"num_fields": 2, "decay": 0.1, "clip_norm": 1.0, "adam_lr_ratio": 0.1}),
    Example(StackedSGD, {"num_fields": 2, "decay": 0.1, "clip_norm": 1.0, "momentum": 0.9}),
    Example(KnownMeanSquaredError, {}, tuple(PICTURES)),
    Example(
        ColourMeanSquaredError,
        {"mixing": [[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]]},
        tuple(PICTURES.reshape(2, 20, 3)),
    ),
    Example(StackedMeanSquaredError, {}, tuple(PICTURES)),
    *(
        Example(cls, {"num_fields": num_fields, "name": "quality", "dtype": "float32"}, tuple(PICTURES))
        for cls in (MSE, PSNR)
        for num_fields in (None, 4)
    ),
    Example(
        WarmupExponentialDecay,
        {"initial_learning_rate": 0.02, "steps_per_epoch": 16, "warmup_epochs": 10, "half_life_epochs": 40},
        (0, 1, 16, 3199, 10**6),
    ),
    Example(CosineDecay, WARMED, (0, 1, 8, 16, 3199)),
    Example(InverseDecay, {"initial_learning_rate": 0.02, "hold_steps": 16}, (0, 15, 16, 3199, 10**6)),
    *ZOO,
]
WRITTEN_OUT = list(dict.fromkeys(example.cls for example in EXAMPLES))
EXAMPLES += derived([get_preset(info.name) for info in list_presets()], set(WRITTEN_OUT))
# the checks vary these themselves; Keras's own arguments are Keras's to test
VARIED_BY_CHECKS = {"networks", "seed", "num_fields", "dtype", "name"}


def registered_classes():
    for module in pkgutil.walk_packages(keras_inr.__path__, "keras_inr."):
        importlib.import_module(module.name)
    custom_objects = keras.saving.get_custom_objects()
    return {key: value for key, value in custom_objects.items() if key.startswith("keras_inr>")}


def test_every_registered_class_has_an_example():
    without = {key for key, cls in registered_classes().items() if cls not in {example.cls for example in EXAMPLES}}
    assert not without, "add an example to tests/test_contract.py"


@pytest.mark.parametrize("cls", WRITTEN_OUT)
def test_examples_exercise_every_argument(cls):
    """Only an argument that is not at its default can be seen to get lost; derived examples have the preset's alone."""
    examples = [example for example in EXAMPLES if example.cls is cls]
    for name, default in examples[0].init_arguments().items():
        given = [example.arguments[name] for example in examples if name in example.arguments]
        assert name in VARIED_BY_CHECKS or any(value is not default and value != default for value in given), name


CASES = [
    pytest.param(check, example, id=f"{check.__name__.removeprefix('check_')}-{example}")
    for example in EXAMPLES
    for check in contract.checks_of(example)
]


@pytest.mark.parametrize(("check", "example"), CASES)
def test_contract(check, example, tmp_path):
    run(check, example, tmp_path)


def run(check, example, folder):
    on_disk = check in (contract.check_disk, contract.check_disk_of_outputs, contract.check_export)
    check(example, folder) if on_disk else check(example)


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        (DropsArgument, contract.check_config),
        (ForgetsArgument, contract.check_disk),
        (WrongShape, contract.check_output_shape),
        (WrongRank, contract.check_ranks),
        (WrongDtype, contract.check_policies),
        (MixesPoints, contract.check_batches),
        (MixesFields, contract.check_stacked_fields),
        (EagerOnly, contract.check_xla),
        (NeedsBatchSize, contract.check_export),
        (UnusedWeight, contract.check_gradients),
        (NaNGradient, contract.check_gradients),
        (IgnoresSeed, contract.check_layer_seeds),
        (SharesSeed, contract.check_layer_seeds),
        (WrongSecond, contract.check_rule),
        (ForgetsDirections, contract.check_rule),
        (SharesRule, contract.check_rule),
        (InventsSecond, contract.check_rule),
        (HiddenKink, contract.check_kink),
        (FlagForAKink, contract.check_kink),
    ],
)
def test_contract_catches(cls, check, tmp_path):
    keras.saving.register_keras_serializable(package="broken")(cls)
    with pytest.raises((AssertionError, TypeError, ValueError, tf.errors.OpError)):
        run(check, Example(cls, {"units": 20, "power": 2.0}, FEATURES, growth=4), tmp_path)


@pytest.mark.parametrize(
    ("cls", "check", "message"),
    [
        (NoRule, contract.check_rule, r"NoRule needs a method `propagate\(jet\) -> jet` in the class of its `call`"),
        (NoRule, contract.check_kink, "NoRule needs an attribute `kink` in the class of its `call`: None if second"),
        (NoKink, contract.check_kink, "NoKink needs an attribute `kink` in the class of its `call`: None if second"),
        (HiddenKink, contract.check_kink, "HiddenKink is piecewise linear, but its kink is None"),
    ],
)
def test_contract_says_what_to_add(cls, check, message):
    with pytest.raises(AssertionError, match=message):
        check(Example(cls, {"units": 20, "power": 2.0}, FEATURES, growth=4))


def test_contract_catches_rounded_coordinates():
    arguments = {"units": 8, "first": True}
    contract.check_policies(Example(SineDense, arguments, COORDS, phase_growth=200))
    with pytest.raises(AssertionError):
        contract.check_policies(Example(RoundsCoordinates, arguments, COORDS, phase_growth=200))


@pytest.mark.parametrize("check", contract.POINTWISE_CHECKS)
def test_contract_accepts_a_sound_layer(check, tmp_path):
    keras.saving.register_keras_serializable(package="broken")(Broken)
    run(check, Example(Broken, {"units": 20, "power": 2.0}, FEATURES, growth=4), tmp_path)
