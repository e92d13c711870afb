"""Spiking neural networks trained on ordinary CPUs.

Spiking neural units, lateral inhibition and rate coding, with forward pass and
backpropagation through time in C, behind a small package that speaks Keras.
"""

try:
    from . import _core
except ImportError as error:
    from importlib.util import find_spec

    if find_spec("neuroai_c._core"):
        raise ImportError(
            f"neuroai_c's compiled part cannot be loaded from {__path__[0]}: {error}"
        ) from error
    raise ImportError(
        f"neuroai_c's compiled part is not in {__path__[0]}: a checkout's source folder has none "
        "before it is installed. Run `pip install .` in the checkout, and start Python anywhere "
        "but in its `src` folder."
    ) from None

from . import (
    activations,
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    plots,
    regularizers,
    utils,
)
from .history import History
from .models import Sequential
from .runtime import get_num_threads, set_num_threads, show_versions
from .saving import load_model
from .spikes import Spikes
from .version import __version__

__all__ = [
    "History",
    "Sequential",
    "Spikes",
    "__version__",
    "activations",
    "callbacks",
    "datasets",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "plots",
    "regularizers",
    "set_num_threads",
    "show_versions",
    "utils",
]
