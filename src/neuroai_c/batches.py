"""What a pass over batches is fed from, and what it adds up."""

import numpy as np

from . import checks, data, metrics

# What no iterable of batches gives.
_END = object()


class Measures:
    """What C adds up over batches: losses, and what the model's metrics are told from."""

    def __init__(self, model):
        self._model = model
        self._counted = counted(model)
        of_model = model._metrics if model._compiled else []
        self.accuracy = any(isinstance(metric, metrics.Accuracy) for metric in of_model)
        self.squares = any(isinstance(metric, metrics.MeanSquaredError) for metric in of_model)
        self.sums = np.zeros(3 + len(self._counted))
        self.samples = self.batches = 0

    def values(self):
        """Loss and metrics by name: the means over samples."""
        loss, correct, squares, *spikes = (self.sums / max(self.samples, 1)).tolist()
        values = {"loss": loss}
        for metric in self._model._metrics:
            if isinstance(metric, metrics.SpikeCount):
                values[metric.name] = spikes[self._counted.index(metric.layer)]
            else:
                values[metric.name] = correct if isinstance(metric, metrics.Accuracy) else squares
        return values


class Arrays:
    """Samples that are all there, in a new order every epoch where shuffled."""

    def __init__(self, whole, batch_size, steps, shuffle, rng):
        self._whole, self._batch_size, self._shuffle, self._rng = whole, batch_size, shuffle, rng
        count = whole[0].count
        most = -(-count // batch_size)
        if steps is not None and steps > most:
            raise ValueError(
                f"fit: steps_per_epoch must be at most the {most} batches that there are, "
                f"got {steps}"
            )
        self.steps = most if steps is None else steps
        self._order = np.arange(count, dtype=np.intp)

    def epoch(self, model):
        if self._shuffle:
            self._order = self._rng.permutation(len(self._order)).astype(np.intp, copy=False)
        yield (*self._whole, self._order[: self.steps * self._batch_size], self._batch_size)


class Stream:
    """An iterable of batches: from its beginning every epoch, or, steps given, on and on."""

    def __init__(self, batches, steps):
        self._batches, self.steps = batches, steps
        self._rest = iter(())

    def epoch(self, model):
        count, version = 0, model._version
        while self.steps is None or count < self.steps:
            batch = next(self._rest, _END)
            if batch is _END:
                if self.steps is None and count:
                    return
                self._rest = iter(self._batches)
                batch = next(self._rest, _END)
            if batch is _END:
                raise ValueError(
                    f"fit: x must give batches for every epoch, but ended after {count} of this one"
                )
            count += 1
            model._check_version("fit", version)            # an iterable may use the model
            samples, y, weights = model._data("fit", *pair("fit", "a batch of x", batch))
            model._check_batches("fit", samples.count, samples.count)
            order = np.arange(samples.count, dtype=np.intp)
            yield samples, y, weights, order, samples.count


def pair(where, argument, value):
    """(x, y) or (x, y, sample_weight)."""
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        raise TypeError(
            f"{where}: {argument} must be (x, y) or (x, y, sample_weight), "
            f"got {len(value)} of them" if isinstance(value, (tuple, list)) else
            f"{where}: {argument} must be (x, y) or (x, y, sample_weight), "
            f"got {type(value).__name__}"
        )
    return value


def sliceable(where, x, y, weights):
    """Arrays of what is not a list, an array or Spikes, so that a part can be taken."""
    kept = (list, tuple, np.ndarray, data.Spikes)
    parts = [
        value if isinstance(value, kept) or (value is None and name == "sample_weight")
        else checks.numeric(where, name, value)
        for name, value in (("x", x), ("y", y), ("sample_weight", weights))
    ]
    for name, part in zip(("x", "y", "sample_weight"), parts):
        if not isinstance(part, (list, tuple, type(None))) and np.ndim(part) == 0:
            raise ValueError(f"{where}: {name} must have an axis of samples, got a number")
    return tuple(parts)


def counted(model):
    """The layers whose output is added up."""
    if not model._compiled:
        return []
    wanted = [m.layer for m in model._metrics if isinstance(m, metrics.SpikeCount)]
    return [layer for layer in model.layers if layer in wanted]
