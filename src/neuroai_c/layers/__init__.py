"""Layers: words and weights; what they compute is in C."""

from .. import checks
from ..serialization import _known
from .base import InputLayer, Layer
from .dense import Dense
from .shaping import Dropout, GlobalAveragePooling1D, Masking
from .snu import SNU

__all__ = ["SNU", "Dense", "Dropout", "GlobalAveragePooling1D", "InputLayer", "Layer", "Masking"]


def get(identifier, where="layers.get", argument="identifier"):
    """The layer itself: layers have no names to be got by.

    Args:
        identifier: a layer.
        where, argument: the function and the argument that an error names.

    Raises:
        TypeError: not a layer.

    Example:
        >>> get(Dense(2))
        <Dense>
    """
    if not isinstance(identifier, Layer):
        raise TypeError(
            f"{where}: {argument} must be a layer of neuroai_c, "
            f"got {checks.shown(identifier)}"
        )
    return identifier


# All there are: none can be made elsewhere.
KINDS = (SNU, Dense, Dropout, GlobalAveragePooling1D, InputLayer, Masking)

_known("layer", get, SNU, Dense, Dropout, GlobalAveragePooling1D, InputLayer, Masking)
