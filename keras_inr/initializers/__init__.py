"""How weights of coordinate networks are drawn: rules for one weight, schemes for a whole sine network."""

from keras_inr.initializers.published import get_scheme as get_scheme
from keras_inr.initializers.published import list_schemes as list_schemes
from keras_inr.initializers.published import scheme_config as scheme_config
from keras_inr.initializers.rules import HE_NORMAL as HE_NORMAL
from keras_inr.initializers.rules import UNIFORM_FAN_IN as UNIFORM_FAN_IN
from keras_inr.initializers.rules import ZEROS as ZEROS
from keras_inr.initializers.rules import Rule as Rule
from keras_inr.initializers.rules import RuleInitializer as RuleInitializer
from keras_inr.initializers.rules import derive_seed as derive_seed
from keras_inr.initializers.scheme import Scheme as Scheme
