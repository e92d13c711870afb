"""Steps along the gradient, by name or as objects, with TensorFlow 2.4's formulas.

Since TensorFlow 2.11 Keras's RMSprop divides by sqrt(v + epsilon) instead of
sqrt(v) + epsilon; with that, the nets of the page "Lateral inhibition (MNIST)" end
with about a quarter of their spikes.
"""

import numbers

import numpy as np

from . import checks, schedules
from .memory import aligned_zeros
from .serialization import _known
from .shown import Shown

__all__ = ["Adam", "Optimizer", "RMSprop", "SGD", "get", "schedules"]


def _rate(where, argument, value):
    """A learning rate: a number or a schedule."""
    if isinstance(value, schedules.LearningRateSchedule):
        return value
    if not isinstance(value, numbers.Real):
        raise TypeError(
            f"{where}: {argument} must be a number or a schedule, "
            f"got {checks.shown(value)}"
        )
    return checks.number(where, argument, value, 0)


class Optimizer(Shown):
    """Hyperparameters of a step; the model keeps the slots and counts the steps.

    Every optimizer can do more before its step, for each array w of weights and its gradient g:

        clipnorm c       g becomes c g / |g| where |g|, the root of its sum of squares, is above c
        clipvalue c      every number of g is clipped to [-c, c]
        weight_decay a   w -= lr a w, apart from g and of every weight, thresholds too

    clipnorm and clipvalue are greater than 0 and exclude each other, weight_decay is 0 or more;
    None is without.  lr is learning_rate; if that is a schedule, its value for the number of
    steps made since compile.

    Hyperparameters are attributes.  A new value is checked when it is set and counts from the
    next step; a momentum that was 0 at the first step needs compile again.

    Raises:
        TypeError, ValueError: an attribute set to what the constructor would refuse.

    Example:
        >>> optimizer = SGD(learning_rate=0.5)
        >>> optimizer.learning_rate = 0.1
        >>> optimizer
        SGD(learning_rate=0.1, momentum=0.0, nesterov=False)
    """

    # The numbers that csrc/kernels/neuroai.h gives the methods.
    _method = None
    _square = None          # which of the two slots is a mean of squares

    _checks = {"learning_rate": (_rate,)}

    _kinds = {"learning_rate": "schedule"}

    def __init__(self, learning_rate, clipnorm, clipvalue, weight_decay):
        self.learning_rate = learning_rate
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.weight_decay = weight_decay

    def __setattr__(self, name, value):
        where = type(self).__name__
        if name in ("clipnorm", "clipvalue") and value is not None:
            value = checks.positive(where, name, value)
            other = "clipvalue" if name == "clipnorm" else "clipnorm"
            if getattr(self, other, None) is not None:
                raise ValueError(
                    f"{where}: {name} must be None where there is a {other}, got {value}"
                )
        elif name == "weight_decay" and value is not None:
            value = checks.number(where, name, value, 0)
        super().__setattr__(name, value)

    def _spec(self):
        """(method, rate, momentum, nesterov, rho, beta_2, epsilon, clipnorm, clipvalue,
        weight_decay) as C takes them: 0 where there is none, and for the rate of a schedule.
        """
        scheduled = isinstance(self.learning_rate, schedules.LearningRateSchedule)
        rate = 0.0 if scheduled else self.learning_rate
        around = (self.clipnorm or 0.0, self.clipvalue or 0.0, self.weight_decay or 0.0)
        return (self._method, rate, *self._hyperparameters(), *around)

    def _hyperparameters(self):
        """(momentum, nesterov, rho, beta_2, epsilon) as the kernels take them."""
        raise NotImplementedError

    def _rates(self, first_step, count):
        """The learning rates (count,), float64, of the steps from first_step (from 0) on."""
        schedule = self.learning_rate
        if not isinstance(schedule, schedules.LearningRateSchedule):
            return np.full(count, schedule, dtype=np.float64)
        where = type(schedule).__name__
        return np.array(
            [
                checks.number(where, f"the rate of step {step}", schedule(step), 0)
                for step in range(first_step, first_step + count)
            ],
            dtype=np.float64,
        )

    def _needs(self):
        """Which of the two slots a weight has to have."""
        raise NotImplementedError

    def _slots(self, weight):
        """Fresh slots of a weight, two arrays or None."""
        return tuple(_zeros(weight) if needed else None for needed in self._needs())


def _zeros(weight):
    return aligned_zeros(weight.shape, weight.dtype)


class SGD(Optimizer):
    """Gradient descent: w -= lr g; with momentum m: v = m v - lr g, w += v.

    With `nesterov`, w += m v - lr g.

    Args:
        learning_rate: lr, 0 or more, or a schedule.  Default 0.01.
        momentum: m, from 0 to 1.  Default 0.
        nesterov: look ahead along the momentum.  Default False.
        clipnorm: c; g becomes c g / |g| where |g| > c.  Default None.
        clipvalue: c; g is clipped to [-c, c].  Default None.
        weight_decay: a; w -= lr a w before the step.  Default None.

    Raises:
        TypeError, ValueError: an argument that is no such number.

    Example:
        >>> SGD(learning_rate=0.5)
        SGD(learning_rate=0.5, momentum=0.0, nesterov=False)
    """

    _method = 0
    _checks = {
        **Optimizer._checks,
        "momentum": (checks.number, 0, 1),
        "nesterov": (checks.boolean,),
    }

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, *, clipnorm=None,
                 clipvalue=None, weight_decay=None):
        super().__init__(learning_rate, clipnorm, clipvalue, weight_decay)
        self.momentum = momentum
        self.nesterov = nesterov

    def _hyperparameters(self):
        return (self.momentum, self.nesterov, 0.0, 0.0, 0.0)

    def _needs(self):
        return bool(self.momentum), False


class RMSprop(Optimizer):
    """Steps scaled by a running mean of g^2.

    v = rho v + (1 - rho) g^2, w -= lr g / (sqrt(v) + eps).

    With momentum m: u = m u + lr g / (sqrt(v) + eps), w -= u.

    Args:
        learning_rate: lr, 0 or more, or a schedule.  Default 0.001.
        rho: the running mean's decay, from 0 to 1.  Default 0.9.
        momentum: m, from 0 to 1.  Default 0.
        epsilon: eps, 0 or more.  Default 1e-7.
        clipnorm: c; g becomes c g / |g| where |g| > c.  Default None.
        clipvalue: c; g is clipped to [-c, c].  Default None.
        weight_decay: a; w -= lr a w before the step.  Default None.

    Raises:
        TypeError, ValueError: an argument that is no such number.

    Source:
        T. Tieleman and G. Hinton, lecture 6.5 of "Neural networks for machine learning", 2012;
        epsilon where TensorFlow 2.4 has it.

    Example:
        >>> RMSprop(learning_rate=0.1)
        RMSprop(learning_rate=0.1, rho=0.9, momentum=0.0, epsilon=1e-07)
    """

    _method = 1
    _square = 0
    _checks = {
        **Optimizer._checks,
        "rho": (checks.number, 0, 1),
        "momentum": (checks.number, 0, 1),
        "epsilon": (checks.number, 0),
    }

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, *,
                 clipnorm=None, clipvalue=None, weight_decay=None):
        super().__init__(learning_rate, clipnorm, clipvalue, weight_decay)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon

    def _hyperparameters(self):
        return (self.momentum, False, self.rho, 0.0, self.epsilon)

    def _needs(self):
        return True, bool(self.momentum)


class Adam(Optimizer):
    """Steps along a running mean of g, scaled by one of g^2.

    m = beta_1 m + (1 - beta_1) g, v = beta_2 v + (1 - beta_2) g^2,
    w -= lr_t m / (sqrt(v) + eps), lr_t = lr sqrt(1 - beta_2^t) / (1 - beta_1^t).

    Args:
        learning_rate: lr, 0 or more, or a schedule.  Default 0.001.
        beta_1: from 0 to below 1.  Default 0.9.
        beta_2: from 0 to below 1.  Default 0.999.
        epsilon: eps, 0 or more.  Default 1e-7.
        clipnorm: c; g becomes c g / |g| where |g| > c.  Default None.
        clipvalue: c; g is clipped to [-c, c].  Default None.
        weight_decay: a; w -= lr a w before the step.  Default None.

    Raises:
        TypeError, ValueError: an argument that is no such number.

    Source:
        D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.

    Example:
        >>> Adam(learning_rate=0.01)
        Adam(learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-07)
    """

    _method = 2
    _square = 1
    _checks = {
        **Optimizer._checks,
        "beta_1": (checks.fraction,),
        "beta_2": (checks.fraction,),
        "epsilon": (checks.number, 0),
    }

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, *,
                 clipnorm=None, clipvalue=None, weight_decay=None):
        super().__init__(learning_rate, clipnorm, clipvalue, weight_decay)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def _hyperparameters(self):
        return (0.0, False, self.beta_1, self.beta_2, self.epsilon)

    def _needs(self):
        return True, True


_BY_NAME = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam}


def get(identifier, where="optimizers.get", argument="identifier"):
    """The optimizer of a name with its defaults, or the optimizer itself.

    Args:
        identifier: "sgd", "rmsprop", "adam" or an optimizer.
        where, argument: the function and the argument that an error names.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an optimizer.

    Example:
        >>> get("sgd")
        SGD(learning_rate=0.01, momentum=0.0, nesterov=False)
    """
    if isinstance(identifier, Optimizer) and identifier._method is not None:
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier]()
    raise TypeError(
        f"{where}: {argument} must be an optimizer of neuroai_c or one of its names "
        f"({', '.join(_BY_NAME)}), got {checks.shown(identifier)}"
    )


_known("optimizer", get, *_BY_NAME.values())
