"""Examples of the zoo's layers and fields for the contract tests, and of those that have none written out."""

import keras
import numpy as np
from contract import Example, GivenLayers

from keras_inr.initializers import Rule, RuleInitializer
from keras_inr.layers import (
    BandLimitedFilters,
    CellEncoding,
    ComplexGaborDense,
    FinerDense,
    GaborDense,
    GaborFilter,
    GaussDense,
    GaussianEncoding,
    HashEncoding,
    LearntSineDense,
    MultiplicativeFilters,
    PositionalEncoding,
)
from keras_inr.layers.squareplus_dense import SquareplusDense
from keras_inr.models import (
    Bacon,
    CellGrid,
    Field,
    Finer,
    FourierFeatures,
    Gauss,
    LearntSiren,
    ModulatedSiren,
    MultiHash,
    MultiplicativeFilterNetwork,
    Wire,
)

RNG = np.random.default_rng(1)
COORDS = RNG.uniform(-0.6, 0.6, (6, 2)).astype("float32")
FEATURES = RNG.uniform(-1, 1, (6, 6)).astype("float32")
RULE = Rule("normal", gain=0.5)
GIVEN = {
    "kernel_initializer": RuleInitializer(RULE, seed=3),
    "bias_initializer": RuleInitializer(RULE, fan_in=1, seed=4),
}
SHARED = {"channels": 4, "picture_size": (20, 30), "value_range": (-2.0, 1.5)}
FIELD = {**SHARED, "units": (16, 16)}
LAYOUT = ((5, 7.5, 3), (10, 2.0, 2))
LATTICE = {"num_levels": 4, "table_size": 64, "num_features": 3, "base_resolution": 3, "finest_resolution": 40}
BUMP = {"units": 8, "scale": 3.0}
GABOR = {"units": 8, "scale": 2.0, "omega_0": 5.0}

# How `growth` and `phase_growth` are counted: see tests/test_contract.py. A bump exp(-u^2) moves by 0.9 roundings of u,
# a wavelet of omega_0 z moves by those of its phase; u and z are sums of some 5 products. Products of n filters of up
# to 20 periods move by n times 60 radians.
LAYERS = [
    Example(GaussDense, BUMP, FEATURES, growth=40),
    Example(GaussDense, {**BUMP, "reads_coords": True}, COORDS, phase_growth=40),
    Example(GaussDense, {**BUMP, "use_bias": False, **GIVEN}, FEATURES, growth=80),
    Example(FinerDense, {"units": 8, "omega_0": 5.0, **GIVEN}, FEATURES, growth=200),
    Example(FinerDense, {"units": 8, "first": True, "scheme": "init-33"}, COORDS, phase_growth=2000),
    Example(FinerDense, {"units": 8, "first": True}, COORDS, phase_growth=1000),
    Example(LearntSineDense, {"units": 8, "omega_0": 5.0, **GIVEN}, FEATURES, growth=80),
    Example(LearntSineDense, {"units": 8, "first": True, "scheme": "init-33"}, COORDS, phase_growth=400),
    Example(GaussianEncoding, {"num_frequencies": 6, "sigma": 4.0}, COORDS, phase_growth=200, fixed=("frequencies",)),
    Example(GaborDense, GABOR, FEATURES, growth=80),
    Example(GaborDense, {**GABOR, "reads_coords": True}, COORDS, phase_growth=80),
    Example(GaborDense, {**GABOR, "use_bias": False, **GIVEN}, FEATURES, growth=200),
    Example(ComplexGaborDense, GABOR, FEATURES, growth=80),
    Example(ComplexGaborDense, {**GABOR, "first": True}, COORDS, phase_growth=80),
    Example(ComplexGaborDense, {**GABOR, "use_bias": False, **GIVEN}, FEATURES, growth=200),
    Example(GaborFilter, {"units": 8, "scale": 20.0, "gamma_shape": 2.0, "gamma_rate": 0.5}, COORDS, phase_growth=200),
    Example(MultiplicativeFilters, {"units": 8, "num_filters": 3, "input_scale": 20.0}, COORDS, 12, 200),
    Example(
        MultiplicativeFilters,
        {"units": 8, "num_filters": 2, "filters": "gabor", "input_scale": 20.0, "gamma_shape": 4.0, "gamma_rate": 0.5},
        COORDS,
        growth=12,
        phase_growth=200,
    ),
    Example(BandLimitedFilters, {"units": 8, "limits": (3, 5, 4)}, COORDS, 12, 400, fixed=("kernel",)),
    Example(CellEncoding, {"layout": LAYOUT, "picture_size": (20, 30)}, COORDS, growth=4, phase_growth=200),
    Example(
        CellEncoding,
        {"layout": LAYOUT, "picture_size": (20, 30), "form": "source"},
        COORDS,
        growth=4,
        phase_growth=200,
    ),
    Example(
        CellEncoding,
        {"layout": LAYOUT, "picture_size": (20, 30), "form": "plain"},
        COORDS,
        growth=4,
        phase_growth=200,
    ),
    Example(SquareplusDense, {"units": 8, "softness": 0.3}, FEATURES, growth=8),
    Example(SquareplusDense, {"units": 8, "use_bias": False, "reads_coords": True}, COORDS, phase_growth=8),
    Example(SquareplusDense, {"units": 8, **GIVEN}, FEATURES, growth=8),
    Example(HashEncoding, {**LATTICE, "grid": "dense"}, COORDS, phase_growth=500),
    Example(HashEncoding, {**LATTICE, "grid": "tiled"}, COORDS, phase_growth=500),
]
FIELDS = [
    Example(Gauss, {**FIELD, "scale": 3.0}, COORDS, growth=60, phase_growth=200),
    Example(Finer, FIELD, COORDS, growth=200, phase_growth=4000),
    Example(Finer, {**FIELD, "scheme": "init-33", "omega_0": 10.0}, COORDS, growth=200, phase_growth=4000),
    Example(LearntSiren, FIELD, COORDS, growth=30, phase_growth=600),
    Example(LearntSiren, {**FIELD, "scheme": "init-33", "omega_0": 10.0}, COORDS, growth=30, phase_growth=600),
    Example(ModulatedSiren, {**FIELD, "num_pictures": 2, "latent_dim": 5}, COORDS, growth=60, phase_growth=600),
    Example(
        ModulatedSiren,
        {**FIELD, "num_pictures": 2, "modulation": "film", "scheme": "init-33", "omega_0": 10.0},
        COORDS,
        growth=200,
        phase_growth=4000,
    ),
    Example(
        FourierFeatures,
        {**FIELD, "num_frequencies": 6, "sigma": 4.0},
        COORDS,
        growth=16,
        phase_growth=400,
        fixed=("frequencies",),
    ),
    Example(Wire, {**FIELD, "omega_0": 5.0, "scale": 2.0}, COORDS, growth=200, phase_growth=400),
    Example(Wire, {**FIELD, "omega_0": 5.0, "scale": 2.0, "form": "real"}, COORDS, growth=200, phase_growth=400),
    Example(
        MultiplicativeFilterNetwork,
        {**SHARED, "units": 16, "num_filters": 3, "input_scale": 20.0},
        COORDS,
        growth=16,
        phase_growth=400,
    ),
    Example(
        MultiplicativeFilterNetwork,
        {**SHARED, "units": 16, "filters": "gabor", "input_scale": 20.0, "gamma_shape": 4.0, "gamma_rate": 0.5},
        COORDS,
        growth=16,
        phase_growth=400,
    ),
    Example(
        Bacon,
        {**SHARED, "units": 16, "scales": (0.25, 0.25, 0.5), "depths": (1, 3), "resolution": 40},
        COORDS,
        growth=16,
        phase_growth=800,
        fixed=("kernel",),
        aside=("head_1",),
    ),
    Example(CellGrid, {**FIELD, "layout": LAYOUT, "pixels": (25, 33)}, COORDS, growth=16, phase_growth=400),
    Example(CellGrid, {**FIELD, "layout": LAYOUT, "form": "source"}, COORDS, growth=16, phase_growth=800),
    Example(
        CellGrid,
        {**FIELD, "layout": LAYOUT, "form": "plain", "activation": "squareplus"},
        COORDS,
        growth=16,
        phase_growth=400,
    ),
    Example(MultiHash, {**FIELD, **LATTICE, "grid": "dense"}, COORDS, growth=16, phase_growth=1000),
]
GIVEN_LAYERS = [
    PositionalEncoding(4, name="encoding"),
    keras.layers.Dense(16, "softplus", name="hidden"),
    keras.layers.LayerNormalization(name="norm"),
    keras.layers.Dense(4, name="head"),
]
FIELDS.append(
    GivenLayers(
        Field, {"layers": GIVEN_LAYERS, "channels": 4, "picture_size": (20, 30)}, COORDS, growth=60, phase_growth=400
    )
)
ZOO = [*LAYERS, *FIELDS]
DERIVED_GROWTH = 4096.0  # 12 bits: what an architecture may lose that says nothing about itself


def derived(presets, known):
    """Examples of the models that have presets, and of the layers in their stacks, unless their classes are known.

    So an architecture is held to the contract as soon as it has a preset. Sizes are the preset's own.

    Args:
        presets: `Preset`s.
        known: classes that have examples.
    """
    growth = {"growth": DERIVED_GROWTH, "phase_growth": DERIVED_GROWTH}
    found = {}
    for preset in presets:
        arguments = {**preset.arguments, "channels": 4, "picture_size": (20, 30)}
        field = preset.model(**arguments, seed=0)
        if preset.model not in known:
            found.setdefault(preset.model, Example(preset.model, arguments, COORDS, **growth, **set_apart(field)))
        shape = (len(COORDS), 2)
        for layer in field.stack:
            inputs = COORDS if layer is field.stack[0] else np.resize(FEATURES, shape)
            if type(layer) not in known:
                given = {n: v for n, v in layer.get_config().items() if n not in ("name", "dtype", "seed", "trainable")}
                found.setdefault(type(layer), Example(type(layer), given, inputs, **growth, **set_apart(layer)))
            shape = layer.compute_output_shape(shape)
    return list(found.values())


def set_apart(layer):
    return {"fixed": tuple({weight.name for weight in layer.non_trainable_weights})}
