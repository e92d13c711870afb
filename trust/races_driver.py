"""Trains in many threads, a program for ThreadSanitizer: python -m trust.races_driver MODELS."""

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import neuroai_c as ai
import numpy as np

from . import random_models

POOL = (2, 3, 4)                        # threads of the pool, changed from run to run
THREADS = 4                             # of Python


def models_one_by_one(count):
    """Returns the number of calls made, as the others do."""
    return sum(random_models.exercise(seed, POOL) for seed in range(count))


def models_of_their_own(count):
    """One of the threads has the pool, the others find it in use."""
    def work(rank):
        return sum(random_models.exercise(seed, POOL)
                   for seed in range(10**6 + rank, 10**6 + count, THREADS))

    return at_once(work)


def one_model(count):
    """Whoever finds the model in use is told so."""
    r = np.random.default_rng(0)
    model = ai.Sequential([ai.layers.InputLayer([None, 9]),
                           ai.layers.SNU(40, recurrent=True, return_sequences=True),
                           ai.layers.SNU(5, return_sequences=True)], seed=0)
    model.compile("rmsprop")
    x = [r.normal(size=(T, 9)) for T in (3, 9, 40, 7)]
    y = [np.zeros((len(sample), 5)) for sample in x]

    calls = [0] * THREADS

    def work(rank):
        refused = 0
        while calls[rank] < max(count // THREADS, 20):
            try:
                model.fit(x, y, batch_size=2, verbose=0)
                model.predict(x, batch_size=2, verbose=0)
                calls[rank] += 2
            except RuntimeError as error:
                if "in use by another thread" not in str(error):
                    raise
                refused += 1
        return refused

    refused = at_once(work)
    assert refused > 0, "the threads have not met"
    return sum(calls)


def kernels(count):
    """The ops, and rates as spikes, on arrays that all threads read."""
    r = np.random.default_rng(0)
    data, x = r.random((30, 50)), r.normal(size=(6, 20, 50)).astype("float32")
    kernel, bias = r.normal(size=(50, 33)).astype("float32"), np.ones(33, "float32")

    def work(rank):
        for seed in range(count):
            spikes = ai.utils.transform_rate(data, 20, 6, seed=seed)
            spikes[::2]
            np.asarray(spikes)
            ai.ops.matmul(x[0], kernel)
            y, V = ai.ops.snu_forward(x, kernel, bias, lateral_inhibition="sample")
            ai.ops.snu_backward(y, x, kernel, bias, y=y, V=V, lateral_inhibition="sample")
        return 6 * count

    return at_once(work)


def at_once(work):
    """The sum of work(rank) in all threads; what one of them raises is raised."""
    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(work, range(THREADS)))


def main():
    count = int(sys.argv[1])
    warnings.simplefilter("ignore")
    calls = [part(count) for part in (models_one_by_one, models_of_their_own, one_model, kernels)]
    print(f"{calls[0]:,} calls one by one, {calls[1]:,} on models of {THREADS} threads, "
          f"{calls[2]:,} on one model of {THREADS} threads, {calls[3]:,} of ops and spikes")


if __name__ == "__main__":
    main()
