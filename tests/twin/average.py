"""The mean over time, of the steps that count: y = sum of x_t / number of steps.

    dx_t = dy / number of steps where step t counts, else 0

Shapes: x (B, T, N); mask (B, T), true where a step counts; y (B, N). Without a step y is nan.
"""

import numpy as np


def average_forward(x, mask=None):
    if mask is None:
        return x.mean(axis=1)
    counted = np.where(mask[:, :, None], x, x.dtype.type(0)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return counted / mask.sum(axis=1, keepdims=True).astype(x.dtype)


def average_backward(dy, T, mask=None):
    if mask is None:
        mask = np.ones((len(dy), T), bool)
    steps = np.maximum(mask.sum(axis=1), 1).astype(dy.dtype)  # without any step nothing is divided
    return mask[:, :, None] * (dy / steps[:, None])[:, None]
