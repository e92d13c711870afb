"""The functions g and h of a unit, by name or as objects.

Each is callable on arrays.  `step_function` is exactly 0 or 1 going forward; going
backward it has the slope of another function, its surrogate.
"""

import numpy as np

from . import checks
from .serialization import _known
from .shown import Shown

# The numbers that csrc/kernels/neuroai.h gives the functions.
_NUMBERS = {
    name: number
    for number, name in enumerate(
        ("identity", "step_function", "sigmoid", "tanh", "relu", "leaky_rel")
    )
}


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


# Those without parameters.
_PLAIN = {
    "identity": np.copy,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.where(x < 0, x.dtype.type(0), x),
}


class Activation(Shown):
    """An elementwise function that the kernels know; what it is made with stays.

    Args:
        name: "identity", "sigmoid", "tanh" or "relu"; others have a class of their own.

    Attributes:
        name: the function's name.

    Raises:
        ValueError: another name.

    Example:
        >>> isinstance(tanh, Activation), tanh.name
        (True, 'tanh')
    """

    _fixed = ("name", "alpha", "pseudoderivative_of")

    def __init__(self, name):
        self.name = checks.one_of("Activation", "name", name, _PLAIN)

    def __call__(self, x):
        """The function's values.

        Args:
            x: (...) numbers.

        Returns:
            An array (...): float32 stays, all else becomes float64.

        Raises:
            TypeError: not an array of numbers.

        Example:
            >>> relu([-1.0, 2.0])
            array([0., 2.])
        """
        x = checks.numeric(self.name, "x", x)
        dtype = np.dtype(np.float32 if x.dtype == np.float32 else np.float64)
        with np.errstate(all="ignore"):         # NaN and infinity are computed with
            return self._values(checks.real(self.name, "x", x, dtype))

    def _values(self, x):
        return _PLAIN[self.name](x)

    def __repr__(self):
        return f"<activation {self.name}>"

    def _spec(self):
        """(function, surrogate, alpha) as the kernels take them."""
        return (_NUMBERS[self.name], 0, 0.0)


def _alpha(where, argument, value):
    value = checks.positive(where, argument, value)
    return checks.number(where, argument, value, most=float(np.finfo(np.float32).max))


class LeakyRel(Activation):
    """x where x > 0, else alpha x.

    Args:
        alpha: the slope below 0, greater than 0.  Default 0.1.  (TensorFlow computes with
            float32(0.1) in float64 too.)

    Raises:
        TypeError: alpha is not a number.
        ValueError: alpha is not greater than 0, or no number of float32.

    Example:
        >>> LeakyRel(alpha=0.5)([-2.0, 0.0, 3.0])
        array([-1.,  0.,  3.])
    """

    name = "leaky_rel"

    _checks = {"alpha": (_alpha,)}

    def __init__(self, alpha=0.1):
        self.alpha = alpha

    def _values(self, x):
        return np.where(x > 0, x, x.dtype.type(self.alpha) * x)

    __repr__ = Shown.__repr__

    def _spec(self):
        return (_NUMBERS[self.name], 0, self.alpha)


def _with_slope(where, argument, identifier):
    """As `get`, of a function that has a slope of its own: any but the step."""
    activation = _get(identifier, where, argument, _WITH_SLOPE)
    if activation.name == "step_function":
        raise ValueError(f"{where}: {argument} must have a slope of its own, got {activation.name}")
    return activation


def _get(identifier, where, argument, by_name):
    if type(identifier) in (Activation, LeakyRel, StepFunction):      # what C has
        return identifier
    if isinstance(identifier, str):
        return by_name[checks.one_of(where, argument, identifier, by_name)]
    raise TypeError(
        f"{where}: {argument} must be an activation of neuroai_c or one of its names "
        f"({', '.join(by_name)}), got {checks.shown(identifier)}"
    )


class StepFunction(Activation):
    """1 where x > 0, else 0, with a surrogate's slope going backward.

    Args:
        pseudoderivative_of: the surrogate, a name or an activation other than the step.
            Default "tanh": the slope is 1 - tanh(x)^2, without a window.

    Raises:
        ValueError: an unknown name, or the step itself.

    Source:
        E. O. Neftci, H. Mostafa, F. Zenke, IEEE Signal Processing Magazine 36, 51-63 (2019).

    Example:
        >>> StepFunction(pseudoderivative_of="sigmoid")([-1.0, 0.0, 0.5])
        array([0., 0., 1.])
    """

    name = "step_function"
    _kinds = {"pseudoderivative_of": "activation"}
    _checks = {"pseudoderivative_of": (_with_slope,)}

    def __init__(self, pseudoderivative_of="tanh"):
        self.pseudoderivative_of = pseudoderivative_of

    def _values(self, x):
        return (x > 0).astype(x.dtype)

    def __repr__(self):
        surrogate = self.pseudoderivative_of
        plain = _BY_NAME.get(surrogate.name) == surrogate
        shown = repr(surrogate.name) if plain else repr(surrogate)
        return f"StepFunction(pseudoderivative_of={shown})"

    def _spec(self):
        surrogate, _, alpha = self.pseudoderivative_of._spec()
        return (_NUMBERS[self.name], surrogate, alpha)


identity = Activation("identity")
sigmoid = Activation("sigmoid")
tanh = Activation("tanh")
relu = Activation("relu")
leaky_rel = LeakyRel()

_WITH_SLOPE = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_rel": leaky_rel,
}


def get(identifier, where="activations.get", argument="identifier"):
    """The activation of a name, or the activation itself.

    Args:
        identifier: "identity", "sigmoid", "tanh", "relu", "leaky_rel", "step_function" or an
            activation.
        where, argument: the function and the argument that an error names.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor one of this module's activations.

    Example:
        >>> get("tanh") is tanh
        True
    """
    return _get(identifier, where, argument, _BY_NAME)


step_function = StepFunction()
_BY_NAME = {**_WITH_SLOPE, "step_function": step_function}

_known("activation", get, Activation, LeakyRel, StepFunction)
