"""The LSTM that the page "Image recognition (MNIST)" compares its net with, on PyTorch.

PyTorch comes with the extra `lstm`: pip install 'neuroai_c[lstm]'.
"""

import contextlib
import importlib.util
import sys
import time
from itertools import pairwise

import numpy as np
from tqdm import tqdm

from .. import models, runtime

HOW_TO_GET_IT = "it needs PyTorch, pip install 'neuroai_c[lstm]'"

# Larger than a training step's: a sample's output does not depend on its batch.
_TEST_BATCH = 250


def available():
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


class LSTM:
    """Layers of LSTM cells in a row; the output is the mean over time of the last one's.

    It begins as in Keras: kernels drawn by glorot_uniform, recurrent kernels orthogonal, one
    bias a gate, 0, and 1 for the forget gates.  Loss: mse.  Optimizer: SGD.

    Args:
        sizes: inputs, then the units of each layer.
        learning_rate: of SGD.
        seed: of weights and shuffling.  Default 0.

    Raises:
        ImportError: PyTorch is missing.
    """

    def __init__(self, sizes, learning_rate, seed=0):
        torch = _torch()
        # PyTorch's global generator is the caller's: it goes on as if nothing had been drawn.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._layers = torch.nn.ModuleList(_layer(*pair) for pair in pairwise(sizes))
        trained = [p for p in self._layers.parameters() if p.requires_grad]
        self._optimizer = torch.optim.SGD(trained, learning_rate)
        self._rng = np.random.default_rng(seed)

    def fit(self, x, y, epochs, batch_size, verbose=1):
        """Trains; returns the History, with "loss" and "acc", as Sequential.fit does.

        Args:
            x: (samples, T, N) numbers or Spikes.
            y: (samples, classes) targets.
            epochs, batch_size: how many of them, and samples a step.
            verbose: 0 silent, 1 a progress bar an epoch, 2 a line an epoch.
        """
        history = models.History()
        history.history = {"loss": [], "acc": []}
        for epoch in range(epochs):
            start = time.perf_counter()
            order = self._rng.permutation(len(y))
            title = f"Epoch {epoch + 1}/{epochs}"
            values = self._run(x, y, order, batch_size, verbose, title, training=True)
            history.epoch.append(epoch)
            history.seconds.append(time.perf_counter() - start)
            for name, value in values.items():
                history.history[name].append(value)
        return history

    def evaluate(self, x, y, verbose=1, return_dict=False):
        """[loss, acc] of x and y, the means over samples, or a dict, as Sequential.evaluate."""
        values = self._run(x, y, np.arange(len(y)), _TEST_BATCH, verbose, "Test")
        return values if return_dict else list(values.values())

    def _run(self, x, y, order, batch_size, verbose, title, training=False):
        torch = _torch()
        loss = right = done = 0
        starts = tqdm(
            range(0, len(order), batch_size),
            desc=title,
            unit="batch",
            file=sys.stdout,
            dynamic_ncols=True,
            disable=verbose != 1,
            # A log is no place for a moving bar: there, a line every few seconds.
            mininterval=0.1 if sys.stdout.isatty() else 5,
        )
        with starts, _threads(torch), torch.set_grad_enabled(training):
            for start in starts:
                batch = order[start : start + batch_size]
                target = torch.from_numpy(y[batch])
                output = torch.from_numpy(np.asarray(x[batch], dtype=np.float32))
                for layer in self._layers:
                    output = layer(output)[0]
                output = output.mean(dim=1)
                error = torch.nn.functional.mse_loss(output, target)
                if training:
                    self._optimizer.zero_grad()
                    error.backward()
                    self._optimizer.step()
                # argmax of NumPy: ties go to the lowest index.
                classes = output.detach().numpy().argmax(axis=1)
                right += int((classes == y[batch].argmax(axis=1)).sum())
                loss += error.item() * len(batch)
                done += len(batch)
                text = f"loss: {loss / done:.4f} - acc: {right / done:.4f}"
                starts.set_postfix_str(text, refresh=False)
        if verbose == 2:
            print(f"{title} - {text}", flush=True)
        return {"loss": loss / done, "acc": right / done}


def _layer(inputs, units):
    torch = _torch()
    layer = torch.nn.LSTM(inputs, units, batch_first=True)
    with torch.no_grad():
        torch.nn.init.xavier_uniform_(layer.weight_ih_l0)
        torch.nn.init.orthogonal_(layer.weight_hh_l0)
        layer.bias_ih_l0.zero_()
        layer.bias_ih_l0[units : 2 * units] = 1  # input, forget, cell, output
        layer.bias_hh_l0.zero_()
    # PyTorch adds two biases; trained both, they would move twice as fast as one.
    layer.bias_hh_l0.requires_grad_(False)
    return layer


@contextlib.contextmanager
def _threads(torch):
    """As many threads as everything else has, for the time of a run."""
    before = torch.get_num_threads()
    torch.set_num_threads(runtime.get_num_threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _torch():
    # Only here: importing neuroai_c must stay quick and work without PyTorch.
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ImportError(f"LSTM: {HOW_TO_GET_IT}") from error
    return torch
