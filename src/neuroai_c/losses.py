"""What training makes small, by name or as objects."""

from . import checks


class MeanSquaredError:
    """The mean of (y - target)^2 over outputs and samples.

    Example:
        >>> from neuroai_c import ops
        >>> import numpy as np
        >>> ops.mse_forward(np.array([[0.0, 1.0]]), np.array([[0.0, 0.0]]))
        0.5
    """

    name = "mse"


_BY_NAME = {"mse": MeanSquaredError, "mean_squared_error": MeanSquaredError}


def get(identifier, where="losses.get", argument="identifier"):
    """The loss of a name, or the loss itself.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a loss.
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
