"""What a model is fed and what it is meant to put out, checked and laid out as C takes them."""

import collections.abc

import numpy as np

from . import checks, layers, losses, ops
from .spikes import Spikes

# Above this density of ones a dense product is faster than one over events.
_DENSE = 0.4

# Sequences of different lengths become events where their padded form, a byte a number, has at
# most this many bytes.
_PADDED_BYTES = 1 << 28


class Samples:
    """The input of a model.

    Attributes:
        count: samples.
        lengths: the steps of each where they differ, else None.
        steps: of every sample; the most where they differ.
        inputs: numbers a step.
        x: an array or packed spikes; where lengths differ, all samples' rows one behind the other.
        starts: where the rows of each sample begin, and the end; None where lengths are equal.
        mask: uint8 over all rows, 1 where a step counts, or None: all do.
    """

    def __init__(self, where, x, model):
        rows = _as_sequences(where, x)
        self.lengths = self.starts = None
        if rows is not None:
            self.lengths = np.array([len(row) for row in rows])
            self.starts = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.intp)
            try:
                x = np.concatenate(rows)[None]
            except ValueError as error:         # together they are too many
                raise ValueError(f"{where}: x cannot be made an array: {error}") from error
        elif not isinstance(x, Spikes):
            x = checks.numeric(where, "x", x)
        if x.ndim != 3 or x.shape[2] == 0:
            raise ValueError(
                f"{where}: x must have the axes (samples, steps, inputs), got shape {x.shape}"
            )
        self.count, self.steps, self.inputs = x.shape
        if rows is not None:
            self.count, self.steps = len(rows), int(self.lengths.max())
        if not isinstance(x, Spikes):
            checks.finite(where, "x", x)
        self.mask = None
        if model.layers and isinstance(model.layers[0], layers.Masking):
            self.mask = model.layers[0](x).ravel().view(np.uint8)
        self.x = self._laid_out(where, x, model)

    def _laid_out(self, where, x, model):
        """x for C: events where they are fewer than numbers, and the first layer takes them."""
        first = next((part for part in model.layers if not isinstance(part, layers.Masking)), None)
        if isinstance(first, layers.Dropout):
            x = np.asarray(x)
        elif not isinstance(x, Spikes):
            x = _pack(x, self.lengths)
        x = ops._input(where, x, model.dtype)
        if isinstance(x, np.ndarray):
            checks.finite(where, "x", x, converted=True)
            return x if self.starts is None else x[0]
        return x

    def check_steps(self, where):
        """ValueError where a mean over time would have nothing to count."""
        if self.mask is None:
            return
        starts = np.arange(self.count) * self.steps if self.starts is None else self.starts[:-1]
        some = np.logical_or.reduceat(self.mask.view(bool), starts) if self.count else []
        if not np.all(some):
            raise ValueError(
                f"{where}: every sample of x must have a step that counts, to be averaged; "
                f"sample {int(np.argmin(some))} has none"
            )


def _as_sequences(where, x):
    """A list of arrays (T, N) whose T differ; None for anything else, which is one array."""
    if not isinstance(x, (list, tuple)) or not x:
        return None
    rows = [checks.numeric(where, f"x[{i}]", row) for i, row in enumerate(x)]
    axes = {row.ndim for row in rows}
    if axes - {2}:
        if 2 in axes:
            i = next(i for i, row in enumerate(rows) if row.ndim != 2)
            raise ValueError(
                f"{where}: x[{i}] must have the axes (steps, inputs), got shape {rows[i].shape}"
            )
        return None
    if len({len(row) for row in rows}) == 1:
        return None
    if sum(map(len, rows)) > np.iinfo(np.intp).max:
        raise ValueError(f"{where}: x has more steps than can be counted")
    for i, row in enumerate(rows):
        if len(row) == 0:
            raise ValueError(f"{where}: x[{i}] must have at least one step, got none")
        if row.shape[1] != rows[0].shape[1]:
            raise ValueError(
                f"{where}: x[{i}] must have as many inputs as x[0], {rows[0].shape[1]}, "
                f"got {row.shape[1]}"
            )
    return rows


def _pack(x, lengths):
    """Spikes of an array that holds 0 and 1 and few enough ones; else the array."""
    head = x[:64] if lengths is None else x[:, :4096]
    if head.size and not ((head == 0) | (head == 1)).all():
        return x
    if x.size == 0 or np.count_nonzero(head) > _DENSE * head.size:
        return x
    if lengths is not None:
        if len(lengths) * int(lengths.max()) * x.shape[2] > _PADDED_BYTES:
            return x
        if not ((x == 0) | (x == 1)).all():
            return x
        padded = np.zeros((len(lengths), lengths.max(), x.shape[2]), np.uint8)
        padded[np.arange(lengths.max()) < lengths[:, None]] = x[0]
        return Spikes.from_dense(padded)
    try:
        return Spikes.from_dense(x)
    except ValueError:
        return x


def targets(where, y, samples, model):
    """y (rows, numbers a row) for C: a row for every output that samples have."""
    shape = model._shape(samples.steps, samples.inputs)
    sparse = isinstance(model.loss, losses.SparseCategoricalCrossentropy)
    wanted = shape[:-1] if sparse else shape
    if samples.count == 0 or samples.steps == 0:
        raise ValueError(f"{where}: x must have at least one sample and step, got none")
    if samples.lengths is not None and len(shape) == 2:
        y = _as_rows(where, y, samples.lengths, wanted[1:], sparse)
    else:
        y = checks.numeric(where, "y", y)
        if sparse and y.shape == (samples.count, *wanted, 1):
            y = y[..., 0]
        if y.shape != (samples.count, *wanted):
            hint = "" if y.ndim != 1 or sparse else (
                ", utils.to_categorical makes rows of class numbers"
            )
            of = "classes" if sparse else "the model's output"
            raise ValueError(
                f"{where}: y must have the shape of {of}, {(samples.count, *wanted)}, "
                f"got {y.shape}{hint}"
            )
    checks.finite(where, "y", y)
    if sparse and not ((y >= 0) & (y < shape[-1]) & (y == np.floor(y))).all():
        raise ValueError(f"{where}: y must be integers from 0 to {shape[-1] - 1}, the classes")
    y = checks.real(where, "y", y, model.dtype)
    checks.finite(where, "y", y, converted=True)
    return y.reshape(-1, 1 if sparse else shape[-1])


def _as_rows(where, y, lengths, features, sparse):
    """The rows of sequences as long as those of x, one behind the other."""
    if not isinstance(y, (list, tuple)) or len(y) != len(lengths):
        got = f"{len(y)}" if isinstance(y, (list, tuple)) else type(y).__name__
        raise ValueError(
            f"{where}: y must be a list of {len(lengths)} sequences as x is, got {got}"
        )
    rows = []
    for i, (row, length) in enumerate(zip(y, lengths)):
        row = checks.numeric(where, f"y[{i}]", row)
        if sparse and row.shape == (length, 1):
            row = row[:, 0]
        if row.shape != (length, *features):
            raise ValueError(
                f"{where}: y[{i}] must have the shape {(int(length), *features)}, got {row.shape}"
            )
        rows.append(row)
    return np.concatenate(rows)


def sample_weights(where, weights, count):
    """sample_weight (samples,) for C, or None."""
    if weights is None:
        return None
    weights = checks.real(where, "sample_weight", weights, np.dtype(np.float64))
    if weights.shape != (count,):
        raise ValueError(
            f"{where}: sample_weight must have the shape ({count},), got {weights.shape}"
        )
    checks.finite(where, "sample_weight", weights)
    return weights


def is_batches(x):
    """Whether x is an iterable of batches, and not samples."""
    if isinstance(x, (list, tuple)) and x:
        return all(isinstance(batch, tuple) and len(batch) in (2, 3) for batch in x)
    return isinstance(x, collections.abc.Iterable) and not (
        isinstance(x, (list, tuple, str, bytes, bytearray, memoryview, Spikes))
        or hasattr(x, "__array__")
    )


def split(where, x, y, weights, fraction):
    """(x, y, weights) of the samples that train, and of the last `fraction` of them."""
    count = len(x)
    for name, part in (("y", y), ("sample_weight", weights)):
        if part is not None and len(part) != count:
            raise ValueError(
                f"{where}: {name} must have {count} samples as x has, got {len(part)}"
            )
    first = int(count * (1 - fraction))
    if not 0 < first < count:
        raise ValueError(
            f"{where}: validation_split must leave samples on both sides, got {fraction} "
            f"of {count} samples"
        )
    parts = [(part[:first], part[first:]) if part is not None else (None, None)
             for part in (x, y, weights)]
    return tuple(head for head, _ in parts), tuple(tail for _, tail in parts)
