"""Spikes, kept as events instead of zeros and ones."""

import math

import numpy as np

from . import _core, checks

# Samples whose dense form is checked and converted at a time: some megabytes.
_CHUNK_BYTES = 1 << 24


class Spikes:
    """Spikes of samples over time steps, in about a twentieth of the dense array's memory.

    Of each sample it keeps the inputs that spike and a bit mask of the steps when they
    do.  It does not change.  `utils.transform_rate` and `Spikes.from_dense` make it,
    `np.asarray` gives the dense uint8 array, slices and index arrays over samples give
    Spikes, one index the dense array of that sample.

    Attributes:
        shape: (samples, T, ...).
        dtype: uint8, of the dense array.
        ndim: axes of the dense array.
        nbytes: the memory that the events take.

    Example:
        >>> s = Spikes.from_dense(np.eye(4, dtype=np.uint8).reshape(2, 2, 4))
        >>> s.shape, len(s)
        ((2, 2, 4), 2)
        >>> s[1]
        array([[0, 0, 1, 0],
               [0, 0, 0, 1]], dtype=uint8)
        >>> s[:1].shape
        (1, 2, 4)
    """

    def __init__(self):
        raise TypeError("Spikes: make it with Spikes.from_dense or utils.transform_rate")

    @classmethod
    def _from_events(cls, events, features):
        """Wraps what _core made; `features` is the shape of a step."""
        spikes = object.__new__(cls)
        samples, steps, _, spikes.nbytes = _core.describe(events)
        spikes._shape = (samples, steps, *features)
        spikes._events = events
        return spikes

    @classmethod
    def from_dense(cls, a):
        """Spikes of a dense array.

        Args:
            a: (samples, T, ...) of 0 and 1, of bool, integers or floats.

        Returns:
            Spikes of the same shape.

        Raises:
            ValueError: another number than 0 and 1, less than two axes, no features.
            TypeError: not an array of numbers.

        Example:
            >>> Spikes.from_dense([[[0, 1], [1, 1]]])
            Spikes(shape=(1, 2, 2), nbytes=32)
        """
        a = checks.numeric("Spikes.from_dense", "a", a)
        if a.ndim < 2:
            raise ValueError(
                f"Spikes.from_dense: a must have the axes (samples, T, ...), got shape {a.shape}"
            )
        if a.dtype != np.uint8:
            a = _as_uint8(a)
        features = a.shape[2:]
        dense = np.require(a, requirements=["C", "A"]).reshape(*a.shape[:2], _size(features))
        return cls._from_events(_core.pack(dense), features)

    @property
    def shape(self):
        """(samples, T, ...).

        Example:
            >>> Spikes.from_dense([[[0, 1], [1, 1]]]).shape
            (1, 2, 2)
        """
        return self._shape

    @property
    def dtype(self):
        """uint8, the type of the dense array.

        Example:
            >>> Spikes.from_dense([[[0, 1], [1, 1]]]).dtype
            dtype('uint8')
        """
        return np.dtype(np.uint8)

    @property
    def ndim(self):
        """The number of axes of the dense array.

        Example:
            >>> Spikes.from_dense([[[0, 1], [1, 1]]]).ndim
            3
        """
        return len(self.shape)

    def __len__(self):
        """The number of samples.

        Example:
            >>> len(Spikes.from_dense([[[0, 1], [1, 1]]]))
            1
        """
        return self.shape[0]

    def __repr__(self):
        return f"Spikes(shape={self.shape}, nbytes={self.nbytes})"

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("Spikes: a dense array is always a copy")
        dense = _core.unpack(self._events, 0, len(self)).reshape(self.shape)
        return dense if dtype is None else dense.astype(dtype, copy=False)

    def __getitem__(self, key):
        """Some of the samples.

        Args:
            key: an integer, a slice, or an array of integers or of bool, over samples.

        Returns:
            Of an integer the dense array (T, ...) of that sample, else Spikes.

        Raises:
            IndexError: no such sample; an index over other axes.
            TypeError, ValueError: a slice of other than integers; a step of 0.

        Example:
            >>> s = Spikes.from_dense(np.eye(4, dtype=np.uint8).reshape(2, 2, 4))
            >>> s[-1].tolist()
            [[0, 0, 1, 0], [0, 0, 0, 1]]
            >>> s[[1, 0, 1]].shape
            (3, 2, 4)
        """
        try:
            index = np.arange(len(self), dtype=np.intp)[key]
        except (IndexError, OverflowError) as error:
            raise IndexError(f"Spikes: samples are chosen along the first axis: {error}") from None
        except (TypeError, ValueError) as error:
            raise type(error)(f"Spikes: key: {error}") from None
        if np.ndim(index) == 0:
            return _core.unpack(self._events, index, index + 1).reshape(self.shape[1:])
        if index.ndim > 1:
            raise IndexError(f"Spikes: an index must have one axis, got shape {index.shape}")
        events = _core.take(self._events, np.ascontiguousarray(index))
        return Spikes._from_events(events, self.shape[2:])

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __reduce__(self):
        return (Spikes.from_dense, (np.asarray(self),))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def _size(features):
    """The number of inputs of a step of that shape."""
    return math.prod(features)


def _as_uint8(a):
    """0 and 1 of any type as uint8; another number: ValueError."""
    dense = np.empty(a.shape, np.uint8)
    samples = max(1, _CHUNK_BYTES // max(1, a[:1].nbytes))
    # Of nothing there can be any number of samples.
    for start in range(0, len(a) if a.size else 0, samples):
        part = a[start : start + samples]
        ones = part == 1
        if not (ones | (part == 0)).all():
            raise ValueError("Spikes: a must hold 0 and 1 only, got other numbers")
        dense[start : start + samples] = ones
    return dense
