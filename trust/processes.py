"""Forks, threads and the ends of interpreters, many times, each child with a time limit."""

import collections
import concurrent.futures
import copy
import io
import multiprocessing
import os
import pickle
import random
import sys
import tempfile
import threading
import time

import numpy as np

from .tools import ROOT, Missing

sys.path.insert(0, str(ROOT / "tests"))

import children
import neuroai_c as ai
from children import small_data, small_model, trained

IN_USE = "in use by another thread"
LIMIT = 300                             # seconds, of a child that has to do with all others


def check(quick=False):
    """About eight minutes on two cores."""
    results = [
        _forks(20 if quick else 500),
        _kinds(1 if quick else 20),
        _own_models(2 if quick else 40),
        _one_model(5 if quick else 120),
        _endings(2 if quick else 20),
    ]
    print(f"  {', '.join(results)}", flush=True)
    try:
        import torch
    except ImportError:
        raise Missing(f"{', '.join(results)}; DataLoaders need torch") from None
    return ", ".join([*results, _loaders(torch, 1 if quick else 3)])


# ---- processes -------------------------------------------------------------------------


def _forks(count):
    """Forks while the pool is in use and a bar is drawn: children train to the same bits."""
    x, y = small_data()
    wanted = [trained(ai, seed) for seed in range(4)]
    models, ended, refused = [small_model(ai) for _ in range(3)], threading.Event(), 0

    def train(model, verbose):
        while not ended.is_set():
            model.fit(x, y, epochs=20, batch_size=8, verbose=verbose)

    def child(seed, depth):
        sys.stdout = io.StringIO()
        if depth:
            return children.forked(child, seed, depth - 1, seconds=LIMIT)
        refused = 0
        for model in models:
            try:
                model.predict(x, verbose=0)
                model.fit(x, y, verbose=0)
            except RuntimeError as error:
                assert IN_USE in str(error), error
                refused += 1
        assert trained(ai, seed, 1 + seed, verbose=1) == wanted[seed], "other bits"
        return str(refused)

    shown, sys.stdout = sys.stdout, io.StringIO()
    threads = [threading.Thread(target=train, args=(model, i == 0))
               for i, model in enumerate(models)]
    try:
        for thread in threads:
            thread.start()
        for i in range(count):
            refused += int(children.forked(child, i % 4, i % 10 == 0, seconds=2 * LIMIT))
            time.sleep(random.random() / 500)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        sys.stdout = shown
    return f"{count} forks while threads train ({refused} models in use refused there)"


def _kinds(rounds):
    wanted = [trained(ai, seed) for seed in range(4)]
    methods = multiprocessing.get_all_start_methods()
    for method in methods:
        for _ in range(rounds):
            context = multiprocessing.get_context(method)
            with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
                results = [pool.submit(children.trained_here, seed) for seed in range(4)]
                assert [result.result(LIMIT) for result in results] == wanted, method
    return f"{rounds * len(methods)} pools of {', '.join(methods)}"


def _loaders(torch, rounds):
    dataset = children.Encoded()
    wanted = children.batch(dataset[i] for i in range(5))
    for method in ("fork", "spawn"):
        loader = torch.utils.data.DataLoader(
            dataset, batch_size=5, num_workers=2, collate_fn=children.batch, timeout=LIMIT,
            multiprocessing_context=method,
        )
        for _ in range(rounds):
            for spikes, y in loader:
                assert np.array_equal(np.asarray(spikes), np.asarray(wanted[0])), method
                assert np.array_equal(y, wanted[1]), method
            small_model(ai).fit(loader, verbose=0)
    return f"{4 * rounds} passes of DataLoaders with workers"


# ---- threads ---------------------------------------------------------------------------


def _own_models(rounds):
    """Models in threads of their own, while the number of threads changes."""
    wanted, runs = [trained(ai, seed) for seed in range(6)], 0
    for _ in range(rounds):
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            jobs = [(seed, pool.submit(trained, ai, seed, random.randint(1, 4)))
                    for seed in range(6) for _ in range(5)]
            while not all(job.done() for _, job in jobs):
                ai.set_num_threads(random.randint(1, 4))
                time.sleep(0.001)
        for seed, job in jobs:
            assert job.result() == wanted[seed], "other bits"
        runs += len(jobs)
    ai.set_num_threads(2)
    return f"{runs} models in 6 threads"


UNITS = 150


def _one_model(seconds):
    """Threads on one model, whose weights are all one number: what is read has to be, too.

    It trains with a rate of 0; all that changes the weights sets them to another number.
    """
    x, y = np.ones((64, 3, UNITS), np.float32), np.zeros((64, 3, UNITS), np.float32)
    model = ai.Sequential(
        [ai.layers.InputLayer([None, UNITS]), ai.layers.Dense(UNITS), ai.layers.Dense(UNITS)],
        seed=0,
    )
    model.compile(ai.optimizers.SGD(0.0))
    second = ai.Sequential([ai.layers.InputLayer([None, UNITS]), model.layers[0]], seed=0)
    second.compile(ai.optimizers.SGD(0.0))
    shapes = [weight.shape for weight in model.get_weights()]
    folder = tempfile.TemporaryDirectory()

    def path():
        return os.path.join(folder.name, f"{threading.get_ident()}")

    def setting():
        k = random.randint(1, 8) / 8
        model.set_weights([np.full(shape, k) for shape in shapes])

    def whole(weights):
        values = {value for weight in weights for value in np.unique(weight).tolist()}
        assert len(values) == 1, f"weights of {sorted(values)} at a time"

    def saving():
        model.save(path())
        whole(ai.load_model(path()).get_weights())

    def loading():
        model.save_weights(path() + ".weights")
        model.load_weights(path() + ".weights")

    def calling():
        k = set(np.unique(model.layers[0](x[:4])).tolist())
        assert len(k) == 1 and k.pop() / (UNITS + 1) * 8 % 1 == 0, "outputs of mixed weights"

    def predicting():
        outputs = np.unique(model.predict(x, verbose=0))
        assert len(outputs) == 1, "outputs of mixed weights"

    calls = {
        "set_weights": setting, "save": saving, "load_weights": loading, "layer()": calling,
        "predict": predicting,
        "get_weights": lambda: whole(model.get_weights()),
        "deepcopy": lambda: whole(copy.deepcopy(model).get_weights()),
        "pickle": lambda: whole(pickle.loads(pickle.dumps(model)).get_weights()),
        "layer.get_weights": lambda: whole(model.layers[1].get_weights()),
        "fit": lambda: model.fit(x, y, batch_size=16, verbose=0),
        "fit of a shared layer": lambda: second.fit(x, y, batch_size=16, verbose=0),
        "evaluate": lambda: model.evaluate(x, y, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(x, y),
        "compile": lambda: model.compile(ai.optimizers.SGD(0.0)),
        "optimizer": lambda: setattr(model, "optimizer", ai.optimizers.SGD(0.0)),
        "reset_states": lambda: model.reset_states(),
        "set_num_threads": lambda: ai.set_num_threads(random.randint(1, 4)),
    }
    names = list(calls)
    setting()
    end, failures = time.monotonic() + seconds, []
    done, refused = [collections.Counter() for _ in range(6)], [0] * 6

    def work(i):
        try:
            while time.monotonic() < end and not failures:
                name = random.choice(names)
                try:
                    calls[name]()
                    done[i][name] += 1
                except RuntimeError as error:
                    if IN_USE not in str(error):
                        raise
                    refused[i] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + LIMIT)
        assert not thread.is_alive(), "a thread on one model did not end"
    ai.set_num_threads(2)
    folder.cleanup()
    if failures:
        raise AssertionError(f"6 threads on one model: {failures[0]!r}") from failures[0]
    right = sum(done, collections.Counter())
    never = [name for name in names if not right[name]]
    assert not never, f"6 threads on one model: always refused was {', '.join(never)}"
    rarest = min(names, key=right.get)
    return (f"6 threads on one model: {right.total():,} calls of {len(names)} kinds right (the "
            f"fewest: {right[rarest]:,} of {rarest}), {sum(refused):,} refused")


# ---- the end of an interpreter ---------------------------------------------------------


def _endings(count):
    """Daemon threads are in the midst of training when the interpreter ends."""
    code = f"""
import sys, threading, time
sys.path.insert(0, {str(ROOT / "tests")!r})
import neuroai_c as ai
from children import small_data, small_model
x, y = small_data(samples=400)
for seed in range(3):
    threading.Thread(target=small_model(ai, seed).fit, args=(x, y), daemon=True,
                     kwargs=dict(epochs=10**6, verbose=0)).start()
time.sleep(float(sys.argv[1]))
"""
    for i in range(count):
        children.python(code, 0.1 + i / count / 10, seconds=LIMIT)
    return f"{count} interpreters ended while threads trained"
