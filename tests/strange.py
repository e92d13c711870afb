"""Strange values, drawn from a small grammar: arrays in any layout and type, and what is none.

All choices are numbers that `below(n)`, a function, picks from 0 to n - 1, so that hypothesis, a
seeded generator and a `Tape` can each do the picking; 0 is the plainest choice.
"""

import contextlib
import datetime
import decimal
import fractions
import io
import math
import warnings
from pathlib import Path

import neuroai_c as ai
import numpy as np
from neuroai_c import layers, optimizers

LONG = 10**5000                 # Python does not write so many digits
HUGE = (2**40, 2**62, 2**31, 2**63 - 1)
SIZES = (2, 1, 3, 5, 8, 17, 40, 70)


class Tape:
    """Picks as `below` does, and picks the same again after `rewind`."""

    def __init__(self, below):
        self._below, self.picked, self._at = below, [], 0

    def __call__(self, n):
        if self._at == len(self.picked):
            self.picked.append(self._below(n))
        self._at += 1
        return self.picked[self._at - 1]

    def rewind(self):
        self._at = 0


class Draw:
    """Draws the parts of one call.

    Attributes:
        arrays: all that were made, whose bytes are to stay.
        changed: the ids of those that the call is to change.
        huge: whether a MemoryError is a right answer.
    """

    def __init__(self, below, folder):
        self.below, self.folder = below, folder
        self.arrays, self.changed = [], set()
        self.huge = False
        # Most arguments of most calls are right, or nothing would be computed.
        self._odd = self.one((0, 0, 10, 30))

    def one(self, options):
        return options[self.below(len(options))]

    def rarely(self, n):
        """Once in n times."""
        return self.below(n) == n - 1

    def odd(self):
        """Whether this argument is to be a strange one."""
        return self._odd > 0 and self.below(100) >= 100 - self._odd

    def rng(self):
        return np.random.default_rng(self.below(2**32))

    def sizes(self, count):
        return [self.one(SIZES) for _ in range(count)]

    # ---- values ------------------------------------------------------------------------

    def anything(self):
        """No argument of any function, mostly."""
        return self.one(THINGS)(self)

    def given(self, *options):
        """One of the right values of an argument, or anything."""
        return self.anything() if self.odd() else self.one(options)

    def flag(self):
        return self.given(False, True)

    def number(self, *options):
        """A right number, or a strange one."""
        if not self.odd():
            return self.one(options)
        if self.rarely(3):
            return self.anything()
        self.huge = True
        return self.one(NUMBERS)

    def array(self, *shape, dtype=None, kind="real", plain=False):
        """An array of that shape in whatever layout and type, or a strange one.

        `dtype` is float32 or float64 where only these are right; `kind` is "real", "ones" (of 0
        and 1), "bool" or "classes"; `plain`: C may write to it.
        """
        if self.odd():
            what = self.below(4)
            if what == 0:
                return self.anything()
            if what == 1:
                return self._vast(shape, dtype or np.float64)
            if what == 2:
                shape = self._other(shape)
            else:
                dtype = None
        if self.arrays and not plain and kind == "real" and self.rarely(12):
            shared = self._shared(shape)
            if shared is not None:
                return shared
        array = self._numbers(shape, kind)
        if kind == "bool":
            array = array != 0
        elif dtype is not None:
            with np.errstate(all="ignore"):
                array = array.astype(dtype)
        elif kind == "ones":
            array = array.astype(self.one((np.uint8, np.float64, bool, np.int64, np.float32)))
        elif kind == "classes":
            array = array.astype(self.one((np.int64, np.uint8, np.float32, np.int32)))
        else:
            with np.errstate(all="ignore"):
                array = array.astype(self.one(DTYPES) if self.rarely(3) else np.float64)
        array = np.asarray(array)
        if plain:
            return self._kept(array)
        return self.one(LAYOUTS if self.rarely(2) else LAYOUTS[:1])(self, array)

    def _kept(self, array):
        self.arrays.append(array)
        return array

    def _numbers(self, shape, kind):
        rng = self.rng()
        if kind == "classes":
            return rng.integers(0, 2, shape).astype(float)
        if kind in ("ones", "bool"):
            return (rng.random(shape) < self.one((0.3, 0.0, 1.0, 0.02))).astype(float)
        values = rng.standard_normal(shape)
        how = self.below(8)
        if how == 1:
            values = (values > 0.5).astype(float)
        elif how == 2:
            values = np.round(values * 4)
        elif how == 3:
            values *= self.one((0.0, 5e-324, 1e-40, 1e38, 1e300))
        elif how == 4 and self.odd():
            spots = rng.random(shape) < 0.1
            values[spots] = self.one((np.nan, np.inf, -np.inf, -0.0, 1.7e308, 3.4e38))
        return values

    def _other(self, shape):
        """Nearly that shape: an axis more, less, longer, empty, or turned."""
        shape, how = list(shape), self.below(5)
        if how == 0 or not shape:
            return (*shape, self.one((1, 2)))
        axis = self.below(len(shape))
        if how == 1:
            del shape[axis]
        elif how == 2:
            shape[axis] += 1
        elif how == 3:
            shape[axis] = 0
        else:
            shape.reverse()
        return tuple(shape)

    def _vast(self, shape, dtype):
        """A number that claims to be an array of any size, or one of many empty rows."""
        self.huge = True
        shape = list(shape) or [1]
        shape[self.below(len(shape))] = self.one(HUGE)
        if self.rarely(2):
            shape[self.below(len(shape))] = 0
        one = np.zeros((), self.one((dtype, np.uint8, bool)))
        with contextlib.suppress(ValueError):       # more than an array can be
            return np.broadcast_to(one, shape)
        return np.broadcast_to(one, (2**40,) + (1,) * (len(shape) - 1))

    def _shared(self, shape):
        """A part of an array that another argument has."""
        other = np.asarray(self.one(self.arrays))
        count = math.prod(shape)
        if other.size < count or not other.flags.c_contiguous or other.dtype.kind not in "f":
            return None
        return other.reshape(-1)[other.size - count:].reshape(shape)


# ---- things ----------------------------------------------------------------------------

class Foreign:
    """What has an array, in the way of another library."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array if dtype is None else self._array.astype(dtype)

    def __len__(self):
        return len(self._array)


class Interface:
    """An array by its address."""

    def __init__(self, array):
        self._array = array
        self.__array_interface__ = array.__array_interface__


class Moody:
    """Another array each time."""

    def __init__(self, arrays):
        self._arrays = list(arrays)

    def __array__(self, dtype=None, copy=None):
        self._arrays.append(self._arrays.pop(0))
        return self._arrays[0]


class Liar:
    """No array, in spite of what it says."""

    def __array__(self, dtype=None, copy=None):
        return "no array"


class Heavy(np.ndarray):
    """A subclass."""


def _recursive():
    items = []
    items.append(items)
    return items


THINGS = (
    lambda draw: None,
    lambda draw: 0,
    lambda draw: -1,
    lambda draw: 2.5,
    lambda draw: math.nan,
    lambda draw: math.inf,
    lambda draw: True,
    lambda draw: "abc",
    lambda draw: "",
    lambda draw: b"abc",
    lambda draw: [],
    lambda draw: (),
    lambda draw: {},
    lambda draw: {1, 2},
    lambda draw: {"x": np.ones(3)},
    lambda draw: 1j,
    lambda draw: 10**30,
    lambda draw: decimal.Decimal("0.5"),
    lambda draw: fractions.Fraction(1, 3),
    lambda draw: fractions.Fraction(10**400, 3),
    lambda draw: np.float16(0.5),
    lambda draw: np.longdouble("1e4000"),
    lambda draw: np.int8(2),
    lambda draw: np.uint64(2**64 - 1),
    lambda draw: np.str_("tanh"),
    lambda draw: np.bool_(True),
    lambda draw: np.datetime64("2000-01-01"),
    lambda draw: datetime.date(2000, 1, 1),
    lambda draw: object(),
    lambda draw: len,
    lambda draw: type,
    lambda draw: np,
    lambda draw: slice(None),
    lambda draw: ...,
    lambda draw: [[1.0], [1.0, 2.0]],
    lambda draw: ["a", "b"],
    lambda draw: [None, None],
    lambda draw: [10**400],
    lambda draw: LONG,
    lambda draw: [LONG, [LONG]],
    lambda draw: {"x": -LONG},
    lambda draw: _recursive(),
    lambda draw: range(4),
    lambda draw: range(2**70),
    lambda draw: (i for i in range(3)),
    lambda draw: io.BytesIO(b"abc"),
    lambda draw: Path("abc"),
    lambda draw: Path("\ud800"),
    lambda draw: "\ud800",
    lambda draw: np.array(0.5),
    lambda draw: np.array(["a", "b"]),
    lambda draw: np.array([1, None], object),
    lambda draw: np.zeros((2, 3, 2), "M8[s]"),
    lambda draw: np.zeros((2, 3, 2), complex),
    lambda draw: np.zeros((2, 3, 2), np.longdouble),
    lambda draw: np.zeros((2, 3), [("a", "f4"), ("b", "i8")]),
    lambda draw: np.zeros((2, 3, 2), "V4"),
    lambda draw: np.ones((1,) * 32),
    lambda draw: np.ma.masked_array(np.ones((2, 3, 2)), mask=True),
    lambda draw: memoryview(b"abcdef").cast("B", (2, 3)),
    lambda draw: Liar(),
    lambda draw: Moody([np.ones((2, 3, 2)), np.ones(5), np.ones((2, 3, 3))]),
    lambda draw: Foreign(np.array(["a"])),
    lambda draw: ai.Spikes.from_dense(np.ones((2, 3, 2), np.uint8)),
    lambda draw: ai.Spikes.from_dense(np.ones((2, 3), np.uint8)),
    lambda draw: ai.Spikes.from_dense(np.zeros((0, 3, 2), np.uint8)),
    lambda draw: ai.Sequential(seed=0),
    lambda draw: layers.SNU(2, name="alone"),
    lambda draw: optimizers.SGD(),
    lambda draw: ai.losses.get("mse"),
    lambda draw: ai.activations.tanh,
    lambda draw: ai.callbacks.Callback(),
)

NUMBERS = (
    -1, 0, 1, 2, 0.5, -0.5, 1e-320, 1e38, 1e39, 1e300, -1e300, math.nan, math.inf, -math.inf,
    2**12, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, LONG, -(2**63),
    np.int64(2**62), np.uint64(2**63), np.float32(1e38), np.float64(1e308), True,
)  # fmt: skip

DTYPES = (
    np.float32, np.float64, np.float16, bool, np.int8, np.uint8, np.int16, np.uint16, np.int32,
    np.uint32, np.int64, np.uint64, ">f4", ">f8", ">i2",
)  # fmt: skip


def _unaligned(draw, array):
    buffer = np.frombuffer(bytearray(1) + array.tobytes(), np.uint8)
    draw._kept(buffer)
    return np.ndarray(array.shape, array.dtype, buffer, 1)


def _read_only(draw, array):
    draw._kept(array)
    view = array.view()
    view.flags.writeable = False
    return view


def _backwards(draw, array):
    axes = tuple(range(array.ndim))
    return np.flip(draw._kept(np.flip(array, axes).copy()), axes)


def _every_other(draw, array):
    if not array.ndim:
        return draw._kept(array)
    return draw._kept(np.repeat(array, 2, axis=-1))[..., ::2]


def _view(draw, array):
    """As bytes would be in a file: a memoryview has no other byte order."""
    draw._kept(array)
    return memoryview(array) if array.dtype.isnative and array.ndim and array.size else array


def _matrix(draw, array):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return draw._kept(np.asmatrix(array) if array.ndim == 2 else array)


LAYOUTS = (
    lambda draw, array: draw._kept(array),
    lambda draw, array: draw._kept(np.asfortranarray(array)),
    lambda draw, array: draw._kept(array.astype(array.dtype.newbyteorder(">"))),
    _backwards,
    _every_other,
    _unaligned,
    _read_only,
    _view,
    _matrix,
    lambda draw, array: array.tolist(),
    lambda draw, array: list(draw._kept(array)) if array.ndim else array,
    lambda draw, array: draw._kept(array).view(Heavy),
    lambda draw, array: Foreign(draw._kept(array)),
    lambda draw, array: Interface(draw._kept(array)),
    lambda draw, array: np.ma.masked_array(draw._kept(array)),
    lambda draw, array: draw._kept(np.broadcast_to(array[:1], array.shape).copy())
    if array.ndim else array,
    lambda draw, array: np.broadcast_to(draw._kept(array[:1].copy()), array.shape)
    if array.ndim else array,
)
