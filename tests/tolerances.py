"""How far two numbers may lie apart, and why. Every bound is relative to the largest number of its array."""

import numpy as np

# Kernel and twin add the same float64 numbers in another order: a few 1e-16, carried through time.
# Sums that cancel (the gradient of a decay that all units share) come to 5e-14.
TWIN = 1e-12

# A float32 number is rounded by 6e-8; sums over inputs and the steps of time enlarge it some 20 times.
FLOAT32_VALUE = 1e-5
# Backward, sums run over samples and time too, with signs that cancel.
FLOAT32_GRADIENT = 5e-5
# One number, summed over samples, time and units: it cancels most of all.
FLOAT32_SHARED_DECAY = 5e-4

# Central differences with this step, extrapolated: their truncation, step^4 times the gain of 20 nonlinear
# steps, and their rounding, 1e-16 |loss| / step, both stay below 7e-9 of the gradient.
NUMERIC_STEP = 2e-4
NUMERIC = 5e-8
# How far from a kink a case has to stay so that no such step crosses it.
NUMERIC_MARGIN = 6e-3

# <C, J u> and <J^T C, u> are the same sum, bracketed otherwise; relative to the sum of their terms' sizes.
ADJOINT = 1e-11

# Of tests/sweep.py. Most arrays are right to 1e-15; what is left is for sums that cancel.
SWEEP_EXTENDED = 1e-13
# Of the terms' sizes: their derivatives are extrapolated to 1e-12; and what the last digits of y and V, or of
# a loss, come to when they are divided by the step.
SWEEP_NUMERIC = 1e-10
# Of the terms' sizes: the rounding of one of them, at most.
SWEEP_ADJOINT = 1e-15
SWEEP_ADJOINT32 = 3e-7
SWEEP_FLOAT32 = 5e-5

# Recorded in float64 by another program: rounding only, enlarged by up to 40 steps.
GOLDEN_VALUE = 1e-12
GOLDEN_GRADIENT = 1e-11

# float64 weights after a few recorded training steps: rounding only.
TRAINED = 1e-12
# After 20: RMSprop divides small gradients by their own size and so enlarges rounding, to 2e-12 in NumPy.
TRAINED_20 = 1e-11
# The same on the page's net, where some gradients are far smaller; the recording's own bound.
TRAJECTORY_WEIGHTS = 1e-6

# float32 weights against float64 ones, by number of steps: RMSprop enlarges rounding; the recording's bounds.
TRAINED_FLOAT32 = {1: 1e-5, 2: 1e-5, 5: 1e-4, 20: 1e-5}
# float32 under RMSprop may lose or win a single spike; the recording calls anything above this a difference.
RMSPROP_FLOAT32 = 1e-3


def assert_close(actual, desired, tolerance, what="result"):
    """Same shape, and no element further away than `tolerance` times the largest of `desired`."""
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.shape == desired.shape, f"{what}: shape {actual.shape}, wanted {desired.shape}"
    if desired.size == 0:
        return
    assert np.all(np.isfinite(desired)), f"{what}: the numbers to compare with are not finite"
    difference = np.max(np.abs(actual.astype(np.float64) - desired))
    largest = np.max(np.abs(desired))
    # written so that NaN fails
    assert difference <= tolerance * largest, f"{what}: off by {difference:.3g}, largest {largest:.3g}"


def assert_same_bits(actual, desired, what="result"):
    """Equal shape, dtype and bits, up to the sign of a zero, which skipping zeros may change."""
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.dtype == desired.dtype, f"{what}: {actual.dtype}, wanted {desired.dtype}"
    assert actual.shape == desired.shape, f"{what}: shape {actual.shape}, wanted {desired.shape}"
    np.testing.assert_array_equal(actual, desired, err_msg=what)
