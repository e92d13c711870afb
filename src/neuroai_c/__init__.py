"""Spiking neural networks trained on ordinary CPUs.

Spiking neural units, lateral inhibition and rate coding, with forward pass and
backpropagation through time in C, behind a small package that speaks Keras.
"""

try:
    from . import _core
except ImportError as error:
    raise ImportError(
        "neuroai_c's compiled part (neuroai_c._core) cannot be loaded from "
        f"{__path__[0]}: {error}. A checkout's source folder has none before it is "
        "installed: run `pip install .` in the checkout, and start Python anywhere but in "
        "its `src` folder."
    ) from error

from . import (
    activations,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    plots,
    utils,
)
from .models import History, Sequential
from .runtime import get_num_threads, set_num_threads, show_versions
from .spikes import Spikes
from .version import __version__

__all__ = [
    "History",
    "Sequential",
    "Spikes",
    "__version__",
    "activations",
    "datasets",
    "get_num_threads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "plots",
    "set_num_threads",
    "show_versions",
    "utils",
]
