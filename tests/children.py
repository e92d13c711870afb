"""Processes with a time limit, so that one that waits for ever is a failure with a name."""

import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
import warnings

import numpy as np

SECONDS = 120                           # on a machine that is shared with others


def digest(model):
    """The model's weights, bit for bit."""
    return b"".join(weight.tobytes() for weight in model.get_weights()).hex()


def python(code, *arguments, seconds=SECONDS, **environment):
    """Runs code in a fresh interpreter, which has to end well; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True,
        env={**os.environ, **environment}, timeout=seconds,
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr}"
    return done.stdout


def forked(function, *arguments, seconds=SECONDS):
    """What function(*arguments), text, returns in a forked child."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)     # of forks that have threads
        child = os.fork()
    if child == 0:
        try:
            text = "ok " + function(*arguments)
        except BaseException:
            text = traceback.format_exc()
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    end = time.monotonic() + seconds
    try:
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                raise AssertionError(f"a forked child did not end in {seconds} seconds")
            time.sleep(0.001)
        with open(read, "rb", closefd=False) as file:
            text = file.read().decode()
    finally:
        os.close(read)
    assert text.startswith("ok "), text
    return text[3:]


def small_model(ai, seed=0, threads=2):
    """A model that is trained by several threads of the pool, not yet trained."""
    ai.set_num_threads(threads)
    model = ai.Sequential(seed=seed)
    model.add(ai.layers.InputLayer([None, 7]))
    model.add(ai.layers.SNU(9, recurrent=True, lateral_inhibition=True, return_sequences=True))
    model.add(ai.layers.SNU(4, return_sequences=True))
    model.add(ai.layers.GlobalAveragePooling1D())
    model.compile("adam", "mse", ["acc"])
    return model


def small_data(seed=0, samples=40):
    rng = np.random.default_rng(seed)
    return rng.random((samples, 6, 7), np.float32), rng.random((samples, 4), np.float32)


def trained(ai, seed=0, threads=2, verbose=0):
    """The weights that a small model of that seed is trained to."""
    model = small_model(ai, seed, threads)
    model.fit(*small_data(seed), epochs=2, batch_size=8, verbose=verbose)
    return digest(model)


# What processes of every kind run: they find this module where the tests are.


def trained_here(seed):
    import neuroai_c as ai

    return trained(ai, seed)


def trained_pickle(data):
    model, x, y = pickle.loads(data)
    model.fit(x, y, verbose=0)
    return pickle.dumps((model, model.predict(x, verbose=0)))


class Encoded:
    """A data set for torch's workers, which rate code a sample and run a layer on it."""

    def __len__(self):
        return 5

    def __getitem__(self, i):
        import neuroai_c as ai

        rng = np.random.default_rng(i)
        spikes = ai.utils.transform_rate(rng.random((1, 7)), 6, 3, seed=i)
        y, _ = ai.ops.snu_forward(spikes, rng.random((7, 4)), np.ones(4))
        return np.asarray(spikes)[0], y[0].mean(axis=0)


def batch(samples):
    import neuroai_c as ai

    x, y = zip(*samples)
    return ai.Spikes.from_dense(np.stack(x)), np.stack(y)
