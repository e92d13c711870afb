"""What training makes small, by name or as objects."""

from . import checks
from .shown import Shown


class MeanSquaredError(Shown):
    """The mean of (y - target)^2 over outputs and samples.

    ops.mse_forward and ops.mse_backward compute it and its gradient on arrays.

    Example:
        >>> import neuroai_c as ai
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 4]), ai.layers.SNU(3)])
        >>> model.compile(loss=MeanSquaredError())
        >>> model.loss
        MeanSquaredError()
    """

    name = "mse"


_BY_NAME = {"mse": MeanSquaredError, "mean_squared_error": MeanSquaredError}


def get(identifier, where="losses.get", argument="identifier"):
    """The loss of a name, or the loss itself.

    Args:
        identifier: "mse", "mean_squared_error" or a loss.
        where, argument: the function and the argument that an error names.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a loss.

    Example:
        >>> get("mse")
        MeanSquaredError()
    """
    if isinstance(identifier, MeanSquaredError):
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier]()
    raise TypeError(
        f"{where}: {argument} must be a loss of neuroai_c or one of its names "
        f"({', '.join(_BY_NAME)}), got {identifier!r}"
    )
