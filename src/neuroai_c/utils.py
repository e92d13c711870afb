"""What surrounds a network: encoding into spikes, labels into one-hot rows."""

import numpy as np

from . import checks, ops


def transform_rate(data2D, N_ts, max_is_present_for, seed=0):
    """Rate coding: each number becomes a train of spikes whose rate it is.

    At every time step in turn one draws u ~ U[0, 1) for every number, and there is a spike
    where data2D * max_is_present_for / N_ts > u (in float64).  The draws are those of
    NumPy's legacy generator with this seed, bit for bit; NumPy's global generator is not
    touched.

    Args:
        data2D: (examples, ...) numbers; 1 spikes `max_is_present_for` times in the mean.
        N_ts: time steps.
        max_is_present_for: spikes of a 1 in N_ts steps.
        seed: of the generator, 0 to 2^32 - 1.  Default 0.

    Returns:
        Spikes (examples, N_ts, ...).

    Raises:
        TypeError, ValueError: an argument that is no such thing.

    Source:
        neuroaikit.utils.transform_rate, github.com/IBM/neuroaikit.

    Example:
        >>> s = transform_rate(np.array([[0.0, 0.5, 1.0]]), 8, 4)
        >>> s.shape
        (1, 8, 3)
        >>> np.asarray(s).sum(axis=1).tolist()
        [[0, 1, 1]]
    """
    return ops._encode("transform_rate", data2D, N_ts, max_is_present_for, seed)


def to_categorical(y, num_classes=None, dtype="float32"):
    """Class numbers as one-hot rows.

    Args:
        y: (...) integers, 0 or more.
        num_classes: columns.  Default: the largest of y, plus 1.
        dtype: of the result.  Default float32.

    Returns:
        (..., num_classes) with a 1 in column y and 0 elsewhere.

    Raises:
        TypeError: y holds other than integers.
        ValueError: a class below 0 or not below num_classes; an empty y without num_classes.

    Example:
        >>> to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    y = checks.numeric("to_categorical", "y", y)
    if y.dtype.kind == "f":
        if not ((np.abs(y) < 2**53) & (y == np.floor(y))).all():
            raise TypeError("to_categorical: y must hold integers, got other numbers")
        y = y.astype(np.int64)
    try:
        dtype = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"to_categorical: dtype: {error}") from None
    if dtype.kind not in "buif":
        raise TypeError(f"to_categorical: dtype must be one of numbers, got {dtype}")
    if num_classes is None:
        if y.size == 0:
            raise ValueError("to_categorical: an empty y needs num_classes")
        num_classes = int(y.max()) + 1 if int(y.max()) >= 0 else 1
    num_classes = checks.integer("to_categorical", "num_classes", num_classes, 1)
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < num_classes:
        raise ValueError(
            f"to_categorical: y must be from 0 to {num_classes - 1}, "
            f"got {int(y.min())} to {int(y.max())}"
        )
    rows = np.zeros((*y.shape, num_classes), dtype)
    np.put_along_axis(rows, y[..., None].astype(np.intp), 1, axis=-1)
    return rows
