"""What is measured beside the loss, by name or as objects.

A metric is the mean over samples of what C sums up: loss, rows of outputs whose
largest entry is the target's, and the output of counted layers.
"""

from . import checks
from .layers import SNU
from .serialization import _known
from .shown import Shown


class Metric(Shown):
    """What is measured beside the loss; its name stays.

    Args:
        name: under which the history has it.

    Raises:
        TypeError: the name is not a string.

    Example:
        >>> isinstance(get("acc"), Metric)
        True
    """

    _fixed = ("name", "layer")
    _checks = {"name": (checks.text,)}

    def __init__(self, name):
        self.name = name


class Accuracy(Metric):
    """The fraction of outputs whose argmax is the target's; ties go to the lowest index.

    Args:
        name: under which the history has it.  Default "acc".

    Raises:
        TypeError: the name is not a string.

    Example:
        >>> Accuracy()
        Accuracy(name='acc')
    """

    def __init__(self, name="acc"):
        super().__init__(name)


class MeanSquaredError(Metric):
    """The mean of (y - target)^2 over outputs and samples, beside whatever the loss is.

    Args:
        name: under which the history has it.  Default "mse".

    Raises:
        TypeError: the name is not a string.

    Example:
        >>> MeanSquaredError(name="error")
        MeanSquaredError(name='error')
    """

    def __init__(self, name="mse"):
        super().__init__(name)


def _snu(where, argument, layer):
    if not isinstance(layer, SNU):
        raise TypeError(
            f"{where}: {argument} must be an SNU of the model, got {checks.shown(layer)}"
        )
    return layer


class SpikeCount(Metric):
    """Spikes of a layer per sample: the sum over time and units, the mean over samples.

    Args:
        layer: the SNU of the model whose spikes are counted, those of all steps, whether it
            returns the sequence or not.
        name: under which the history has it.  Default "spikes".

    Raises:
        TypeError: not an SNU; the name is not a string.

    Example:
        >>> import neuroai_c as ai
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 4]), ai.layers.SNU(3)])
        >>> SpikeCount(model.layers[0])
        SpikeCount(layer=<SNU snu>, name='spikes')
    """

    _checks = {**Metric._checks, "layer": (_snu,)}

    def __init__(self, layer, name="spikes"):
        super().__init__(name)
        self.layer = layer

    def get_config(self):
        """As of any metric; the layer is its name, and from_config takes the layer itself.

        Example:
            >>> SpikeCount(SNU(3, name="hidden")).get_config()
            {'layer': 'hidden', 'name': 'spikes'}
        """
        return {"layer": self.layer.name, "name": self.name}


_BY_NAME = {
    "acc": Accuracy,
    "accuracy": Accuracy,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
}


def get(identifier, where="metrics.get", argument="identifier"):
    """The metric of a name (which becomes its own), or the metric itself.

    Args:
        identifier: "acc", "accuracy", "mse", "mean_squared_error" or a metric.
        where, argument: the function and the argument that an error names.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a metric.

    Example:
        >>> get("accuracy")
        Accuracy(name='accuracy')
    """
    if isinstance(identifier, (Accuracy, MeanSquaredError, SpikeCount)):
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier](name=identifier)
    raise TypeError(
        f"{where}: {argument} must be a metric of neuroai_c or one of its names "
        f"({', '.join(_BY_NAME)}), got {checks.shown(identifier)}"
    )


_known("metric", get, Accuracy, MeanSquaredError, SpikeCount)
