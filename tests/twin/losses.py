"""Losses. A row is what is compared with one target: a sample, or one of its steps.

    mse                              mean over outputs of (y - t)^2
    binary_crossentropy              mean over outputs of -t log p - (1 - t) log(1 - p), p = y clipped
      from logits z                  the same with p = sigmoid(z): max(z, 0) - z t + log(1 + exp(-|z|))
    categorical_crossentropy         -sum over classes of t log p, p = y / sum(y), clipped
      from logits z                  the same with p = softmax(z): log p = u - log(sum(exp(u))), u = z - max(z)
    sparse_categorical_crossentropy  the same with t = 1 at the label, else 0; probabilities are clipped, then divided by
                                     their sum

Clipped is to [1e-7, 1 - 1e-7], where no gradient passes outside. The loss of a sample is the mean over its
rows that count (0 if none does) times its weight; the loss of a batch is the sum over its samples / B.
The regularizer adds l1 times the sum of |y| over the steps that count and units to the loss of a sample.

Shapes: y (B, outputs) or (B, T, outputs); target the same, labels (B,) or (B, T); mask (B, T), true where
a step counts; sample_weight (B,).
"""

import numpy as np

from twin.activations import sigmoid

LEAST = 1e-7


def _clip(p):
    """p clipped, and where the gradient passes."""
    return np.clip(p, LEAST, 1 - LEAST), (p >= LEAST) & (p <= 1 - LEAST)


# ---- of each row: (loss (...), its gradient by y (..., outputs)) -----------


def mse(y, target):
    difference = y - target
    return np.mean(difference**2, axis=-1), 2 * difference / y.shape[-1]


def binary_crossentropy(y, target, from_logits=False):
    if from_logits:
        loss = np.maximum(y, 0) - y * target + np.log1p(np.exp(-np.abs(y)))
        gradient = sigmoid(y) - target
    else:
        p, passes = _clip(y)
        loss = -(target * np.log(p) + (1 - target) * np.log(1 - p))
        gradient = passes * ((1 - target) / (1 - p) - target / p)
    return loss.mean(axis=-1), gradient / y.shape[-1]


def categorical_crossentropy(y, target, from_logits=False):
    if from_logits:
        u = y - y.max(axis=-1, keepdims=True)
        log_p = u - np.log(np.exp(u).sum(axis=-1, keepdims=True))
        gradient = np.exp(log_p) * target.sum(axis=-1, keepdims=True) - target
    else:
        total = y.sum(axis=-1, keepdims=True)
        p, passes = _clip(y / total)
        log_p = np.log(p)
        dp = -(passes * target / p)
        gradient = (dp - (dp * y / total).sum(axis=-1, keepdims=True)) / total
    return -(target * log_p).sum(axis=-1), gradient


def sparse_categorical_crossentropy(y, labels, from_logits=False):
    if not from_logits:
        p, passes = _clip(y)
        t = np.eye(y.shape[-1], dtype=y.dtype)[labels]
        total = p.sum(axis=-1, keepdims=True)
        return -(t * np.log(p / total)).sum(axis=-1), passes * (1 / total - t / p)
    return categorical_crossentropy(y, np.eye(y.shape[-1], dtype=y.dtype)[labels], from_logits)


# ---- of a batch ------------------------------------------------------------


def sample_losses(loss, y, target, mask=None, sample_weight=None, **options):
    """Losses (B,) of the samples, and the gradient by y of the batch's loss, their sum / B."""
    B = len(y)
    if y.ndim == 2:  # one row for each sample, which counts
        target = np.asarray(target)[:, None]
        losses, dy = sample_losses(loss, y[:, None], target, None, sample_weight, **options)
        return losses, dy[:, 0]

    counts = np.ones(y.shape[:2], bool) if mask is None else mask
    weight = np.ones(B, y.dtype) if sample_weight is None else np.asarray(sample_weight, y.dtype)
    target = np.asarray(target)
    if target.ndim == y.ndim:  # no labels
        target = target.astype(y.dtype)
    row_losses, row_gradients = loss(y, target, **options)

    steps = np.maximum(counts.sum(axis=1), 1).astype(y.dtype)
    losses = weight * np.where(counts, row_losses, 0).sum(axis=1) / steps
    share = (weight / steps / B)[:, None, None]
    return losses, np.where(counts[:, :, None], row_gradients * share, 0)


def l1_losses(y, l1, mask=None, spikes=False):
    """What the regularizer adds to the losses (B,) of the samples, and to dy of the batch's loss / B.

    Where there is no spike, y can only grow: the slope of |y| is 1 there too.
    """
    counts = np.ones(y.shape[:2], bool) if mask is None else mask
    counted = np.where(counts[:, :, None], y, y.dtype.type(0))
    slope = np.broadcast_to(counts[:, :, None], y.shape).astype(y.dtype) if spikes else np.sign(counted)
    return l1 * np.abs(counted).sum(axis=(1, 2)), l1 * slope / len(y)


# ---- the mean square as a kernel of its own --------------------------------


def mse_forward(y, target):
    return float(np.mean((y - np.asarray(target, y.dtype)) ** 2))


def mse_backward(y, target):
    return 2 * (y - np.asarray(target, y.dtype)) / max(y.size, 1)
