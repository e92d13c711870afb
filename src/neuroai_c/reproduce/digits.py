"""MNIST as spike trains, and the training of a model on them: two of the pages do that."""

import time
from typing import NamedTuple

import numpy as np

from .. import datasets, runtime, utils
from ..spikes import Spikes
from ..version import __version__
from .common import say

STEPS = 20
MAX_SPIKES = 6
PIXELS = 28 * 28
CLASSES = 10


class Digits(NamedTuple):
    """Spikes (digits, STEPS, PIXELS) and one-hot rows (digits, CLASSES), and how long it took."""

    train_s: Spikes
    train_t: np.ndarray
    test_s: Spikes
    test_t: np.ndarray
    encode_seconds: float


def load(data, part, verbose):
    """The Digits.

    Args:
        data: a folder with MNIST.  None: as datasets.mnist.load_data has it.
        part: how many digits of (train, test), the first ones; None for all of them.
        verbose: 0 silent.
    """
    (train_x, train_y), (test_x, test_y) = datasets.mnist.load_data(data)
    if part is not None:
        train_x, train_y = train_x[: part[0]], train_y[: part[0]]
        test_x, test_y = test_x[: part[1]], test_y[: part[1]]

    say(verbose, f"Encoding {len(train_x) + len(test_x):,} digits as spikes ...", end=" ")
    start = time.perf_counter()
    train_s, test_s = (
        utils.transform_rate(x.reshape(len(x), -1) / 255.0, STEPS, MAX_SPIKES)
        for x in (train_x, test_x)
    )
    seconds = time.perf_counter() - start
    say(verbose, f"{seconds:.1f} s")
    train_t, test_t = (utils.to_categorical(y, CLASSES) for y in (train_y, test_y))
    return Digits(train_s, train_t, test_s, test_t, seconds)


def train(model, digits, *, epochs, batch_size, verbose):
    """Trains and tests a model; returns its part of results.json."""
    history = model.fit(
        digits.train_s, digits.train_t, epochs=epochs, batch_size=batch_size, verbose=verbose
    )
    test = model.evaluate(digits.test_s, digits.test_t, verbose=verbose, return_dict=True)
    return {
        "test_accuracy": test.pop("acc"),
        **{f"test_{name}": value for name, value in test.items()},
        "epoch_seconds": history.seconds,
        "history": history.history,
    }


def results(trained, digits, **config):
    """What results.json holds: `trained` are the models' parts by name, `config` the settings."""
    shared = {
        "train_digits": len(digits.train_t),
        "test_digits": len(digits.test_t),
        "threads": runtime.get_num_threads(),
        "steps": STEPS,
        "max_spikes": MAX_SPIKES,
    }
    return {
        "models": trained,
        "encode_seconds": digits.encode_seconds,
        "config": {**config, **shared},
        "version": __version__,
    }
