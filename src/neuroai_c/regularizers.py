"""What is added to the loss to keep a layer's output small, by name or as objects."""

from . import checks
from .serialization import _known
from .shown import Shown


class Regularizer(Shown):
    """Adds a penalty on a layer's output to the loss.

    Example:
        >>> isinstance(get("l1"), Regularizer)
        True
    """


class L1(Regularizer):
    """l1 times the sum of |y| over the steps and units of a sample; the mean over samples.

    loss += l1 sum_t sum_m |y_tm|, whose gradient by y is l1 sign(y).  Of spikes the sum is
    their number, so that l1 is what a spike costs; its gradient is l1 where there is none too,
    as y can only grow there.

    Args:
        l1: 0 or more.  Default 0.01.

    Raises:
        TypeError, ValueError: not such a number.

    Example:
        >>> L1(1e-5)
        L1(l1=1e-05)
    """

    _checks = {"l1": (checks.number, 0)}

    def __init__(self, l1=0.01):
        self.l1 = l1


_BY_NAME = {"l1": L1}


def get(identifier, where="regularizers.get", argument="identifier"):
    """The regularizer of a name with its default, the regularizer itself, or None.

    Args:
        identifier: "l1", a regularizer or None.
        where, argument: the function and the argument that an error names.

    Raises:
        ValueError: an unknown name.
        TypeError: none of these.

    Example:
        >>> get("l1")
        L1(l1=0.01)
    """
    if identifier is None or isinstance(identifier, L1):
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier]()
    raise TypeError(
        f"{where}: {argument} must be a regularizer of neuroai_c, one of its names "
        f"({', '.join(_BY_NAME)}) or None, got {checks.shown(identifier)}"
    )


_known("regularizer", get, L1)
