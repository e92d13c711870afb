"""Learning rates that change from step to step; `optimizers.schedules` in public."""

import math

import numpy as np

from . import checks
from .serialization import _known
from .shown import Shown

__all__ = ["CosineDecay", "ExponentialDecay", "LearningRateSchedule"]


class LearningRateSchedule(Shown):
    """A learning rate for every step.

    What is derived from it has a `__call__` that takes the number of steps made, an integer
    from 0, and returns the rate of the next step.

    Example:
        >>> class Halved(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5**step
        >>> from neuroai_c.optimizers import SGD
        >>> SGD(learning_rate=Halved())
        SGD(learning_rate=Halved(), momentum=0.0, nesterov=False)
    """

    def __call__(self, step):
        """The learning rate of the step after `step` steps.

        Args:
            step: the number of steps made, 0 or more, or an array (...) of them.

        Returns:
            A float, or a float64 array (...).

        Raises:
            TypeError, ValueError: not a number of steps.

        Example:
            >>> CosineDecay(0.5, decay_steps=2)([0, 1, 2, 3])
            array([0.5 , 0.25, 0.  , 0.  ])
        """
        # A copy, which nobody changes between its check and its use.
        steps = np.array(checks.numeric(type(self).__name__, "step", step))
        checks.finite(type(self).__name__, "step", steps)
        if not (steps >= 0).all():
            raise ValueError(
                f"{type(self).__name__}: step must be 0 or more, "
                f"got {checks.shown(step)}"
            )
        # One by one: NumPy's functions may round otherwise in an array than alone, but training
        # that is cut in two has to have the rates of training that is not.
        rates = np.array([self._rate(step) for step in steps.ravel().tolist()], dtype=np.float64)
        return rates.reshape(steps.shape) if steps.ndim else float(rates[0])

    def _rate(self, step):
        raise NotImplementedError(f"{type(self).__name__} has no __call__")


class CosineDecay(LearningRateSchedule):
    """Half a wave of the cosine: from lr_0 down to alpha lr_0 in K steps, and constant from there.

    lr = lr_0 (alpha + (1 - alpha) (1 + cos(pi min(step, K) / K)) / 2)

    Args:
        initial_learning_rate: lr_0, 0 or more.
        decay_steps: K, greater than 0.
        alpha: what is left at the end, as a fraction from 0 to 1.  Default 0.

    Raises:
        TypeError, ValueError: an argument that is no such number.

    Source:
        I. Loshchilov and F. Hutter, ICLR 2017, arXiv 1608.03983; one wave, without restarts.

    Example:
        >>> CosineDecay(0.5, decay_steps=100, alpha=0.5)(50)
        0.375
    """

    _checks = {
        "initial_learning_rate": (checks.number, 0),
        "decay_steps": (checks.positive,),
        "alpha": (checks.number, 0, 1),
    }

    def __init__(self, initial_learning_rate, decay_steps, alpha=0.0):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha

    def _rate(self, step):
        part = min(step, self.decay_steps) / self.decay_steps
        wave = (1 + math.cos(math.pi * part)) / 2
        return self.initial_learning_rate * (self.alpha + (1 - self.alpha) * wave)


class ExponentialDecay(LearningRateSchedule):
    """Times c every K steps: lr = lr_0 c^(step / K).

    With `staircase` the exponent is rounded down, so that the rate changes every K steps only.

    Args:
        initial_learning_rate: lr_0, 0 or more.
        decay_steps: K, greater than 0.
        decay_rate: c, 0 or more.
        staircase: Default False.

    Raises:
        TypeError, ValueError: an argument that is no such number.

    Example:
        >>> ExponentialDecay(0.5, decay_steps=10, decay_rate=0.25)([0, 5, 10])
        array([0.5  , 0.25 , 0.125])
        >>> ExponentialDecay(0.5, decay_steps=10, decay_rate=0.25, staircase=True)([0, 5, 10])
        array([0.5  , 0.5  , 0.125])
    """

    _checks = {
        "initial_learning_rate": (checks.number, 0),
        "decay_steps": (checks.positive,),
        "decay_rate": (checks.number, 0),
        "staircase": (checks.boolean,),
    }

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase

    def _rate(self, step):
        exponent = step / self.decay_steps
        if self.staircase and exponent < math.inf:
            exponent = math.floor(exponent)
        try:
            factor = self.decay_rate**exponent
        except OverflowError:
            factor = math.inf
        return self.initial_learning_rate and self.initial_learning_rate * factor


def _get(identifier, where, argument):
    """As `get` of the other modules; a schedule has no name, as it has no defaults."""
    if isinstance(identifier, LearningRateSchedule):
        return identifier
    raise TypeError(f"{where}: {argument} must be a schedule, got {checks.shown(identifier)}")


_known("schedule", _get, CosineDecay, ExponentialDecay)
