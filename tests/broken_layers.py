"""Layers that break the contract in one way each, for the checks of tests/contract.py to catch."""

import numpy as np
import tensorflow as tf

from keras_inr.forward_rules import Jet
from keras_inr.initializers import Rule, RuleInitializer, derive_seed
from keras_inr.layers import Affine, SineDense

RULE = Rule("normal", gain=0.5)


class Broken(Affine):
    """A sound layer, for the classes below to break in one way each."""

    kink = None

    def __init__(self, units=4, power=1.0, **kwargs):
        super().__init__(units, **kwargs)
        self.power = power

    def call(self, inputs):
        return self.power * super().call(inputs)

    def propagate(self, jet):
        return super().propagate(jet) * self.power

    def get_config(self):
        return {**super().get_config(), "power": self.power}


class DropsArgument(Broken):
    def get_config(self):
        config = super().get_config()
        del config["power"]
        return config


class ForgetsArgument(Broken):
    def get_config(self):
        return {**super().get_config(), "power": 1.0}


class WrongShape(Broken):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units + 1)


class WrongRank(Broken):
    def call(self, inputs):
        return super().call(inputs) + tf.cast(tf.rank(inputs), self.compute_dtype)


class WrongDtype(Broken):
    def call(self, inputs):
        return tf.cast(super().call(inputs), "float32")


class MixesPoints(Broken):
    def call(self, inputs):
        outputs = super().call(inputs)
        return outputs - tf.reduce_mean(outputs)


class MixesFields(Broken):
    def call(self, inputs):
        return super().call(inputs) if self.num_fields is None else super().call(inputs)[::-1]


class EagerOnly(Broken):
    def call(self, inputs):
        outputs = super().call(inputs)
        return tf.ensure_shape(tf.numpy_function(np.asarray, [outputs], outputs.dtype), outputs.shape)


class NeedsBatchSize(Broken):
    def call(self, inputs):
        return super().call(inputs) + 0.0 * int(inputs.shape[0])


class UnusedWeight(Broken):
    def build(self, input_shape):
        super().build(input_shape)
        self.unused = self.add_weight(shape=(3,), name="unused")


class ZeroGradient(Broken):
    def call(self, inputs):
        return super().call(inputs) + 0.0 * self.kernel[0] - tf.stop_gradient(super().call(inputs))


class NaNGradient(Broken):
    def call(self, inputs):
        outputs = super().call(inputs)
        return outputs + tf.sqrt(outputs - outputs)


class IgnoresSeed(Broken):
    def default_kernel_initializer(self, fan_in):
        return RuleInitializer(RULE, fan_in=fan_in)


class SharesSeed(Broken):
    def default_bias_initializer(self, fan_in):
        return RuleInitializer(RULE, fan_in=fan_in, seed=derive_seed(self.seed, 0))


class NoRule(Broken):
    def call(self, inputs):
        return super().call(inputs) ** 2


class WrongSecond(Broken):
    """sin, without the term of the squared tangents."""

    def call(self, inputs):
        return tf.sin(super().call(inputs))

    def propagate(self, jet):
        jet = super().propagate(jet)
        return jet.chain(tf.sin(jet.value), tf.cos(jet.value))


class ForgetsDirections(Broken):
    """Right for the Laplacian alone: the cross terms of directions that are not axes are missing."""

    def call(self, inputs):
        return super().call(inputs) * inputs[..., :1]

    def propagate(self, jet):
        inner, first = super().propagate(jet), jet.linear(lambda part: part[..., :1])
        right = inner * first
        second = None if right.second is None else inner.second * first.value
        return Jet(right.value, right.tangents, second)


class SharesRule(Broken):
    """Right for single fields only."""

    def propagate(self, jet):
        jet = super().propagate(jet)
        return jet if self.num_fields is None else jet.linear(lambda part: part[::-1])


class InventsSecond(Broken):
    def propagate(self, jet):
        jet = super().propagate(jet)
        return jet if jet.second is not None else Jet(jet.value, jet.tangents, tf.zeros_like(jet.value))


class NoKink(Broken):
    def call(self, inputs):
        return tf.nn.relu(super().call(inputs))


class HiddenKink(NoKink):
    kink = None

    def call(self, inputs):
        return super().call(inputs)


class FlagForAKink(Broken):
    kink = True


class RoundsCoordinates(SineDense):
    def call(self, inputs):
        return super().call(tf.cast(tf.cast(inputs, self.compute_dtype), inputs.dtype))
