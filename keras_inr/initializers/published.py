"""Published schemes, by name."""

import math
from typing import Any

from keras_inr._arguments import did_you_mean
from keras_inr.errors import InputError, InputTypeError
from keras_inr.initializers.rules import HE_NORMAL, UNIFORM_FAN_IN, ZEROS, Rule
from keras_inr.initializers.scheme import Scheme

SIREN_HIDDEN = Rule("uniform", gain=math.sqrt(6), fan_in_power=-0.5, omega_power=-1)

_SCHEMES = (
    # Sitzmann et al. 2020, as their code has it (the paper's text gives sqrt(6 / fan_in) for the first layer too);
    # the biases are PyTorch's default, which the paper leaves open.
    Scheme(
        name="paper",
        omega_0=30.0,
        input_scale=1.0,
        first_kernel=Rule("uniform", fan_in_power=-1),
        first_bias=UNIFORM_FAN_IN,
        hidden_kernel=SIREN_HIDDEN,
        hidden_bias=UNIFORM_FAN_IN,
        head_kernel=SIREN_HIDDEN,
        head_bias=UNIFORM_FAN_IN,
    ),
    # FINER's layers on the paper's kernels; Liu et al. 2024, section 4.2: first biases from U(-k, k), here k = 1.
    Scheme(
        name="finer",
        omega_0=30.0,
        input_scale=1.0,
        first_kernel=Rule("uniform", fan_in_power=-1),
        first_bias=Rule("uniform"),
        hidden_kernel=SIREN_HIDDEN,
        hidden_bias=UNIFORM_FAN_IN,
        head_kernel=SIREN_HIDDEN,
        head_bias=UNIFORM_FAN_IN,
    ),
    # descent's examples/image_fit: omega is folded into the first kernel, sin(x W + b) everywhere.
    Scheme(
        name="descent",
        omega_0=1.0,
        input_scale=1.0,
        first_kernel=Rule("uniform", gain=30 * math.sqrt(6), fan_in_power=-0.5),
        first_bias=Rule("uniform"),
        hidden_kernel=SIREN_HIDDEN,
        hidden_bias=Rule("uniform"),
        head_kernel=HE_NORMAL,
        head_bias=ZEROS,
    ),
)

# The distinct initialisations among experiments 1 to 38 of BrianPugh/pugh_torch, experiments/siren/README.md, all for
# sin(30 (x W + b)). Numbers that are missing are not initialisations but settings: another picture (24, 25, 34), weight
# decay (26), omega (35, 36, 37); so is the omega of 40 in 38. The text names the first distribution of 14 to 33 only by
# its standard deviation; the code that it ended with has the normal one.


def _first(distribution: str, gain: float) -> Rule:
    """U(+-gain / fan_in) or N(0, (gain / fan_in)^2)."""
    return Rule(distribution, gain, fan_in_power=-1)


def _hidden(gain: float) -> Rule:
    """N(0, gain^2 / fan_in / omega^2)."""
    return Rule("normal", gain, fan_in_power=-0.5, omega_power=-1)


def _default(factor: float = 1.0) -> Rule:
    """PyTorch's default U(+-1/sqrt(fan_in)) times a factor."""
    return Rule("uniform", factor, fan_in_power=-0.5)


def _phases(most: float, distribution: str = "uniform") -> Rule:
    """Biases that turn into phases of up to so many radians."""
    return Rule(distribution, most, omega_power=-1)


_NORMAL = _first("normal", 1.0)
_ROOT = math.sqrt(6)
_SPACED = _phases(math.pi, "evenly_spaced")
_TURNS = _phases(900 * math.pi)  # written +-30 pi for the bias, which 30 multiplies
# number, first kernel, hidden kernel, first bias, hidden bias
_EXPERIMENTS: tuple[tuple[int, Rule, Rule, Rule | None, Rule | None], ...] = (
    (1, _first("uniform", 1.0), SIREN_HIDDEN, _default(), _default()),
    (2, _NORMAL, _hidden(_ROOT), _default(), _default()),
    (3, _first("normal", 1 / 3), _hidden(_ROOT / 3), _default(), _default()),  # written "1/3fan_in/3"
    (4, _NORMAL, SIREN_HIDDEN, _default(), _default()),
    (5, _first("uniform", 3.0), SIREN_HIDDEN, _default(), _default()),
    (6, _first("normal", 1.5), SIREN_HIDDEN, _default(), _default()),
    (7, _first("normal", 1.5), _hidden(_ROOT / 3), _default(), _default()),
    (8, _first("normal", 1.5), _hidden(_ROOT / 2), _default(), _default()),
    (9, _first("normal", 4.5), _hidden(_ROOT / 2), _default(), _default()),
    (10, _first("normal", 1.5), _hidden(math.sqrt(math.pi / 2)), _default(), _default()),
    (11, _first("normal", math.pi / 2), _hidden(math.sqrt(math.pi / 2)), _default(), _default()),
    (12, _first("normal", 1.73), SIREN_HIDDEN, _default(), _default()),
    (13, _first("normal", 2.0), SIREN_HIDDEN, _default(), _default()),
    # from here on coordinates are divided by their standard deviation
    (14, _NORMAL, SIREN_HIDDEN, _default(), _default()),
    (15, _NORMAL, SIREN_HIDDEN, ZEROS, ZEROS),
    (16, _NORMAL, SIREN_HIDDEN, _default(1 / 2), _default(1 / 2)),
    (17, _NORMAL, SIREN_HIDDEN, _default(1 / 10), _default(1 / 10)),
    (18, _NORMAL, SIREN_HIDDEN, ZEROS, _default(1 / 10)),
    (19, _NORMAL, SIREN_HIDDEN, _default(1 / 10), _default()),
    (20, _NORMAL, SIREN_HIDDEN, None, None),
    (21, _NORMAL, SIREN_HIDDEN, _default(1 / 30), _default(1 / 30)),
    (22, _NORMAL, SIREN_HIDDEN, _phases(math.pi), _phases(math.pi)),
    (23, _first("uniform", 1.0), SIREN_HIDDEN, _SPACED, _SPACED),
    (27, _NORMAL, SIREN_HIDDEN, _TURNS, _TURNS),
    (28, _NORMAL, SIREN_HIDDEN, _phases(math.pi / 2), _TURNS),
    (29, _NORMAL, SIREN_HIDDEN, _phases(math.pi / 2), _phases(math.pi / 2)),
    (30, _NORMAL, SIREN_HIDDEN, _phases(2.5), _phases(2.5)),
    (31, _NORMAL, SIREN_HIDDEN, _phases(0.75 * math.pi), _phases(0.75 * math.pi)),
    (32, _NORMAL, SIREN_HIDDEN, _phases(2.0), _phases(2.0)),
    (33, _NORMAL, SIREN_HIDDEN, _default(1 / 15), _default(1 / 15)),
    (38, _NORMAL, SIREN_HIDDEN, _default(1 / 20), _default(1 / 20)),
)
# experiments that change something else -> the initialisation that they have
_SETTINGS = {"init-24": "init-23", "init-25": "init-17", "init-26": "init-23"}
_SETTINGS |= {f"init-{number}": "init-33" for number in (34, 35, 36, 37)}
_FIRST_SCALED = 14
_COORDS_STD = 0.57793  # of evenly spaced coordinates from -1 to 1


def _experiment(
    number: int, first_kernel: Rule, hidden_kernel: Rule, first_bias: Rule | None, hidden_bias: Rule | None
) -> Scheme:
    """The scheme of a row. Its head is PyTorch's default, bias included.

    The code of experiment 33 divides biases by omega_0 / 2; its 15 is kept here, so that omega_0 can be changed alone.
    """
    scale = _COORDS_STD if number >= _FIRST_SCALED else 1.0
    rules = (first_kernel, first_bias, hidden_kernel, hidden_bias, UNIFORM_FAN_IN, UNIFORM_FAN_IN)
    return Scheme(f"init-{number}", 30.0, scale, *rules)


_BY_NAME = {scheme.name: scheme for scheme in (*_SCHEMES, *(_experiment(*row) for row in _EXPERIMENTS))}


def list_schemes() -> list[str]:
    """Names that `get_scheme` knows.

    >>> list_schemes()[:4]
    ['paper', 'finer', 'descent', 'init-1']
    """
    return list(_BY_NAME)


def get_scheme(scheme: str | Scheme | dict[str, Any]) -> Scheme:
    """The scheme behind a name, a `Scheme`, or a scheme's config.

    Raises:
        InputError: for an unknown name, or that of an experiment which changed other settings alone, such as init-24;
            InputTypeError: for anything else.

    >>> get_scheme("descent").omega_0
    1.0
    """
    if isinstance(scheme, Scheme):
        return scheme
    if isinstance(scheme, dict):
        return Scheme.from_config(scheme)
    if not isinstance(scheme, str):
        raise InputTypeError(f"scheme must be a name, a Scheme or its config, received {scheme!r}")
    if scheme in _SETTINGS:
        told = f"{scheme} is a setting of an experiment and not an initialisation, which is {_SETTINGS[scheme]}"
        where = "experiments/init_study/experiments.json"
        raise InputError(f"scheme must be an initialisation, and {told}, see {where}, received {scheme!r}")
    if scheme not in _BY_NAME:
        meant = did_you_mean(scheme, _BY_NAME)
        raise InputError(f"scheme must be one of {list_schemes()} or a Scheme, received {scheme!r}{meant}")
    return _BY_NAME[scheme]


def scheme_config(scheme: str | Scheme | dict[str, Any]) -> str | dict[str, Any]:
    """What a layer's `get_config` stores: the name of one of the package's own schemes, else the scheme's config.

    >>> scheme_config("paper")
    'paper'
    """
    scheme = get_scheme(scheme)
    return scheme.name if _BY_NAME.get(scheme.name) == scheme else scheme.get_config()
