"""What is measured beside the loss, by name or as objects.

A metric is the mean over samples of what C sums up: loss, rows of outputs whose
largest entry is the target's, and the output of counted layers.
"""

from . import checks
from .layers import SNU


class Accuracy:
    """The fraction of outputs whose argmax is the target's; ties go to the lowest index."""

    def __init__(self, name="acc"):
        self.name = name


class MeanSquaredError:
    """The mean squared error, beside whatever the loss is."""

    def __init__(self, name="mse"):
        self.name = name


class SpikeCount:
    """Spikes of a layer per sample: the sum over time and units, the mean over samples.

    Args:
        layer: the SNU of the model whose spikes are counted, those of all steps, whether it
            returns the sequence or not.
        name: under which the history has it.  Default "spikes".

    Example:
        >>> import neuroai_c as ai
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 4]), ai.layers.SNU(3)])
        >>> ai.metrics.SpikeCount(model.layers[0]).name
        'spikes'
    """

    def __init__(self, layer, name="spikes"):
        if not isinstance(layer, SNU):
            raise TypeError(f"SpikeCount: layer must be an SNU of the model, got {layer!r}")
        if not isinstance(name, str):
            raise TypeError(f"SpikeCount: name must be a string, got {name!r}")
        self.layer = layer
        self.name = name


_BY_NAME = {
    "acc": Accuracy,
    "accuracy": Accuracy,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
}


def get(identifier, where="metrics.get", argument="identifier"):
    """The metric of a name (which becomes its own), or the metric itself.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a metric.
    """
    if isinstance(identifier, (Accuracy, MeanSquaredError, SpikeCount)):
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier](name=identifier)
    raise TypeError(
        f"{where}: {argument} must be a metric of neuroai_c or one of its names "
        f"({', '.join(_BY_NAME)}), got {identifier!r}"
    )
