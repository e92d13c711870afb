"""optimizers.schedules: values against the formulas, the rates of steps, bad inputs."""

import math

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c.schedules import CosineDecay, ExponentialDecay, LearningRateSchedule
from tolerances import TWIN, assert_close, assert_same_bits

STEPS = np.array([[0, 1, 7, 50], [99, 100, 101, 10**9]])


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_cosine_decay(alpha):
    part = np.minimum(STEPS, 100) / 100
    desired = 0.3 * ((1 - alpha) * 0.5 * (1 + np.cos(np.pi * part)) + alpha)
    assert_close(CosineDecay(0.3, 100, alpha)(STEPS), desired, TWIN)


def test_cosine_decay_begins_and_ends_exactly():
    assert CosineDecay(0.3, 100)(0) == 0.3
    assert CosineDecay(0.3, 100)(100) == CosineDecay(0.3, 100)(10**6) == 0
    assert CosineDecay(0.3, 100, alpha=0.5)(100) == 0.15


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0, 1.0000001])
@pytest.mark.parametrize("staircase", [False, True])
def test_exponential_decay(rate, staircase):
    exponent = STEPS / 30
    desired = 0.3 * rate ** (np.floor(exponent) if staircase else exponent)
    assert_close(ExponentialDecay(0.3, 30, rate, staircase)(STEPS), desired, TWIN)


def test_steps_may_be_no_integer():
    """Epochs times samples over the batch's size, as one writes it."""
    assert ExponentialDecay(1.0, 2.5, 0.5)(5) == 0.25


def test_too_large_is_infinite():
    assert ExponentialDecay(1.0, 1, 10.0)(1000) == math.inf


@pytest.mark.parametrize("schedule", [CosineDecay(0.3, 97), ExponentialDecay(0.3, 97, 0.9)], ids=repr)
def test_a_step_alone_and_in_an_array_are_the_same_bits(schedule):
    alone = [schedule(step) for step in range(110)]
    assert all(type(rate) is float for rate in alone)
    rates = schedule(np.arange(110))
    assert rates.dtype == np.float64
    assert_same_bits(rates, np.array(alone))
    optimizer = ai.optimizers.Adam(schedule)
    assert_same_bits(optimizer._rates(0, 110), rates)
    assert_same_bits(np.concatenate([optimizer._rates(0, 43), optimizer._rates(43, 67)]), rates)


@pytest.mark.parametrize("step", [3, np.int64(3), np.uint8(3), 3.0, np.array(3), [3], np.zeros((0, 2), int)], ids=str)
def test_kinds_of_steps(step):
    rates = CosineDecay(0.3, 97)(step)
    assert np.shape(rates) == np.shape(step)
    assert (np.asarray(rates) == CosineDecay(0.3, 97)(3)).all()


@pytest.mark.parametrize("step, error", [(-1, ValueError), ([0, -1], ValueError), (np.nan, ValueError),
                                         (np.inf, ValueError), ("0", TypeError), (None, TypeError)], ids=str)
@pytest.mark.parametrize("schedule", [CosineDecay(0.3, 9), ExponentialDecay(0.3, 9, 0.5, True)], ids=repr)
def test_bad_steps(schedule, step, error):
    with pytest.raises(error, match=f"{type(schedule).__name__}: step must"):
        schedule(step)


@pytest.mark.parametrize("kind, argument, value, error", [
    (CosineDecay, "initial_learning_rate", -0.1, ValueError),
    (CosineDecay, "initial_learning_rate", "0.1", TypeError),
    (CosineDecay, "decay_steps", 0, ValueError),
    (CosineDecay, "decay_steps", None, TypeError),
    (CosineDecay, "alpha", 1.5, ValueError),
    (CosineDecay, "alpha", True, TypeError),
    (ExponentialDecay, "initial_learning_rate", np.inf, ValueError),
    (ExponentialDecay, "decay_steps", -3, ValueError),
    (ExponentialDecay, "decay_rate", -0.5, ValueError),
    (ExponentialDecay, "decay_rate", [0.5], TypeError),
])
def test_bad_arguments(kind, argument, value, error):
    good = dict(initial_learning_rate=0.1, decay_steps=10)
    if kind is ExponentialDecay:
        good["decay_rate"] = 0.5
    kind(**good)
    with pytest.raises(error, match=f"{kind.__name__}: {argument} must be"):
        kind(**good | {argument: value})


# ---- in an optimizer -------------------------------------------------------


class Listed(LearningRateSchedule):
    """Takes one step at a time, as a user writes it."""

    def __init__(self, rates):
        self.rates = rates

    def __call__(self, step):
        return self.rates[step]


@pytest.mark.parametrize("kind", [ai.optimizers.SGD, ai.optimizers.RMSprop, ai.optimizers.Adam])
def test_rates(kind):
    assert_same_bits(kind(learning_rate=0.5)._rates(7, 3), np.full(3, 0.5))
    assert_same_bits(kind(learning_rate=1)._rates(0, 2), np.ones(2))
    optimizer = kind(learning_rate=Listed([0.5, np.float32(0.25), 1]))
    assert_same_bits(optimizer._rates(0, 3), np.array([0.5, 0.25, 1]))
    assert_same_bits(optimizer._rates(2, 1), np.array([1.0]))
    assert_same_bits(optimizer._rates(3, 0), np.zeros(0))
    assert optimizer._spec()[1] == 0.0
    optimizer.learning_rate = 0.125
    assert optimizer._spec()[1] == 0.125


@pytest.mark.parametrize("rate, error", [(-1.0, ValueError), (np.nan, ValueError), (np.inf, ValueError),
                                         ("0.1", TypeError), (None, TypeError)], ids=str)
def test_bad_rates_of_a_schedule(rate, error):
    optimizer = ai.optimizers.SGD(Listed([0.5, rate]))
    with pytest.raises(error, match="Listed: the rate of step 1 must be"):
        optimizer._rates(0, 2)


def test_a_rate_that_overflows():
    with pytest.raises(ValueError, match="ExponentialDecay: the rate of step 309 must be finite"):
        ai.optimizers.SGD(ExponentialDecay(1.0, 1, 10.0))._rates(300, 20)


def test_shown():
    optimizer = ai.optimizers.SGD(CosineDecay(0.5, 10))
    assert repr(optimizer.learning_rate) == (
        "CosineDecay(initial_learning_rate=0.5, decay_steps=10.0, alpha=0.0)"
    )
    assert repr(optimizer) == f"SGD(learning_rate={optimizer.learning_rate!r}, momentum=0.0, nesterov=False)"
