"""What training makes small, by name or as objects.

With y a model's output and t its target, the loss of a sample is the mean over its
unmasked steps, and that of a batch the mean over samples, of each sample's loss times its
weight.  (Where steps are masked, Keras takes the mean over all steps of the batch: there
long sequences weigh more.)
"""

from . import checks
from .serialization import _known
from .shown import Shown


class Loss(Shown):
    """What training makes small.

    Attributes:
        name: its name.

    Example:
        >>> isinstance(get("mse"), Loss)
        True
    """

    name = None

    # The number that C gives the loss.
    _kind = None

    def _spec(self):
        """(kind, from_logits) as C takes them."""
        return (self._kind, getattr(self, "from_logits", False))


class MeanSquaredError(Loss):
    """The mean of (y - t)^2 over outputs.

    ops.mse_forward and ops.mse_backward compute it and its gradient on arrays.

    Example:
        >>> import neuroai_c as ai
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 4]), ai.layers.SNU(3)])
        >>> model.compile(loss=MeanSquaredError())
        >>> model.loss
        MeanSquaredError()
    """

    name = "mse"
    _kind = 0


class _Crossentropy(Loss):
    _checks = {"from_logits": (checks.boolean,)}

    def __init__(self, from_logits=False):
        self.from_logits = from_logits


class BinaryCrossentropy(_Crossentropy):
    """The mean of -t log y - (1 - t) log(1 - y) over outputs, each a yes or no of its own.

    Probabilities y are clipped to [1e-7, 1 - 1e-7] first.  From logits z, where
    y = sigmoid(z), it is max(z, 0) - z t + log(1 + exp(-|z|)), which no z overflows.

    Args:
        from_logits: whether the model's outputs are logits.  Default False: probabilities.

    Example:
        >>> BinaryCrossentropy(from_logits=True)
        BinaryCrossentropy(from_logits=True)
    """

    name = "binary_crossentropy"
    _kind = 1


class CategoricalCrossentropy(_Crossentropy):
    """The sum of -t log y over the classes, which are the outputs.

    Probabilities y are divided by their sum, then clipped to [1e-7, 1 - 1e-7].  From logits z,
    where y = softmax(z), it is sum_k t_k (log sum_j exp(z_j) - z_k), with the largest z taken
    out of the exponents.

    Args:
        from_logits: whether the model's outputs are logits.  Default False: probabilities.

    Example:
        >>> CategoricalCrossentropy()
        CategoricalCrossentropy(from_logits=False)
    """

    name = "categorical_crossentropy"
    _kind = 2


class SparseCategoricalCrossentropy(_Crossentropy):
    """CategoricalCrossentropy of integer labels: -log y_k, where k is the label.

    Probabilities y are clipped to [1e-7, 1 - 1e-7], then divided by their sum: of outputs that are
    all silent each class is as likely.  Targets have the shape of the outputs without the axis of
    the classes.

    Args:
        from_logits: whether the model's outputs are logits.  Default False: probabilities.

    Example:
        >>> SparseCategoricalCrossentropy(from_logits=True)
        SparseCategoricalCrossentropy(from_logits=True)
    """

    name = "sparse_categorical_crossentropy"
    _kind = 3


_BY_NAME = {
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(identifier, where="losses.get", argument="identifier"):
    """The loss of a name with its defaults, or the loss itself.

    Args:
        identifier: "mse", "mean_squared_error", "binary_crossentropy",
            "categorical_crossentropy", "sparse_categorical_crossentropy" or a loss.
        where, argument: the function and the argument that an error names.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a loss.

    Example:
        >>> get("mse")
        MeanSquaredError()
    """
    if isinstance(identifier, Loss) and identifier._kind is not None:
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier]()
    raise TypeError(
        f"{where}: {argument} must be a loss of neuroai_c or one of its names "
        f"({', '.join(_BY_NAME)}), got {checks.shown(identifier)}"
    )


_known("loss", get, *_BY_NAME.values())
