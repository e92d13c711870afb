"""Arrays laid out as the kernels like them, and changed together."""

import collections
import itertools
import operator

import math

import numpy as np

_LINE = 64  # bytes of a cache line


def aligned_zeros(shape, dtype):
    """Zeros, C-contiguous, that begin on a cache line."""
    dtype = np.dtype(dtype)
    size = math.prod(shape)
    flat = np.zeros(size + _LINE // dtype.itemsize, dtype)
    start = -flat.ctypes.data % _LINE // dtype.itemsize
    return flat[start : start + size].reshape(shape)


def aligned_rows(rows, columns, dtype):
    """Zeros (rows, columns or more): every row fills whole cache lines.

    Never a multiple of 32 of them: rows 2 KiB apart compete for the same lines of a cache.
    """
    line = _LINE // np.dtype(dtype).itemsize
    lines = -(-columns // line)
    if lines and lines % 32 == 0:
        lines += 1
    return aligned_zeros((rows, lines * line), dtype)


def copy_all(arrays, values):
    """Copies values into arrays of their shapes, all or, if Ctrl-C comes first, none."""
    at_once(operator.setitem, arrays, itertools.repeat(...), values)


def at_once(function, *arguments):
    """Calls a function of C for each of the arguments.

    They are one call for Python, which has time for signals between calls only.
    """
    collections.deque(map(function, *arguments), maxlen=0)
