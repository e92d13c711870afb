"""Arguments checked and converted before anything is computed or changed.

Every error names the function, the argument, what was wanted and what came.
"""

import math
import numbers
import os
import re
import sys
import warnings
from pathlib import Path

import numpy as np


def short(text):
    """A text of a message without the megabytes that a file or a user can have put into it."""
    return text if len(text) <= 1000 else f"{text[:1000]}..."


def shown(value):
    """The repr, of a length that can be read; of what has none the type.

    An integer has none that has more digits than Python writes, nor has what holds such a one.
    """
    try:
        return short(repr(value))
    except Exception:
        return f"<{type(value).__name__} without a repr>"


def one_of(where, argument, value, allowed):
    """`value`, if it is among `allowed`; ValueError that lists them otherwise."""
    if not any(isinstance(value, type(name)) and value == name for name in allowed):
        names = ", ".join(repr(name) for name in allowed)
        raise ValueError(f"{where}: {argument} must be one of {names}, got {shown(value)}")
    return value


def text(where, argument, value):
    """`value`, a string."""
    if not isinstance(value, str):
        raise TypeError(f"{where}: {argument} must be a string, got {shown(value)}")
    return value


def got_by(get):
    """A check by the `get` of a module."""
    return lambda where, argument, value: get(value, where, argument)


def boolean(where, argument, value):
    """`value` as a bool: True, False, 1 or 0."""
    if isinstance(value, (bool, np.bool_)) or (type(value) is int and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{where}: {argument} must be True or False, got {shown(value)}")


def fraction(where, argument, value):
    """`value` as a float from 0 to below 1."""
    value = number(where, argument, value, 0)
    if value >= 1:
        raise ValueError(f"{where}: {argument} must be less than 1, got {value}")
    return value


def integer(where, argument, value, least=None, most=None):
    """`value` as an int from `least` to `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{where}: {argument} must be an integer, got {shown(value)}")
    value = int(value)
    if (least is not None and value < least) or (most is not None and value > most):
        # The largest number that C has for a count is no bound that a user has to know.
        open_ended = most is None or most == sys.maxsize and value < least
        bounds = f"{least} or more" if open_ended else f"from {least} to {most}"
        raise ValueError(f"{where}: {argument} must be {bounds}, got {shown(value)}")
    return value


def number(where, argument, value, least=-math.inf, most=math.inf):
    """`value` as a finite float from `least` to `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{where}: {argument} must be a number, got {shown(value)}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not (math.isfinite(value) and least <= value <= most):
        bounds = "finite"
        if least > -math.inf:
            bounds += f" and {least:g} or more"
        if most < math.inf:
            bounds += f" and {most:g} or less"
        raise ValueError(f"{where}: {argument} must be {bounds}, got {value}")
    return value


def path(where, argument, value):
    """`value` as a Path, with a leading ~ expanded."""
    return Path(file_name(where, argument, value))


def file_name(where, argument, value):
    """`value`, a str or path-like, as a str that can be a file's, with a leading ~ expanded."""
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name, str):
        raise TypeError(
            f"{where}: {argument} must be a str or a path-like object, got {type(value).__name__}"
        )
    if "\0" in name:
        raise ValueError(f"{where}: {argument} must have no zero byte, got {shown(name)}")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{where}: {argument} must be of characters that a file's name can have, "
            f"got {shown(name)}"
        ) from error
    return os.path.expanduser(name)


def positive(where, argument, value):
    """`value` as a finite float greater than 0."""
    value = number(where, argument, value)
    if value <= 0:
        raise ValueError(f"{where}: {argument} must be greater than 0, got {value}")
    return value


def numeric(where, argument, value):
    """`value` as an array of bool, integers or floats, in whatever layout it has."""
    if _has_masked(value):
        raise TypeError(f"{where}: {argument} must not be a masked array: its mask would be lost")
    try:
        array = _as_array(value)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{where}: {argument} cannot be made an array: {error}") from error
    if value is None:
        raise TypeError(f"{where}: {argument} must be numbers, got None")
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{where}: {argument} must hold real numbers of at most 64 bits, got {array.dtype}"
        )
    # NumPy's own errors do not say which array it is; an axis of no length hides no other.
    if math.prod(size or 1 for size in array.shape) > sys.maxsize // 2:
        raise ValueError(
            f"{where}: {argument} must be of a shape that memory could hold, got {array.shape}"
        )
    return array


# NumPy before 1.24 makes rows of different lengths an array of objects, and only warns.
_WARNS = np.lib.NumpyVersion(np.__version__) < "1.24.0"


def _as_array(value):
    if not (_WARNS and isinstance(value, (list, tuple))):
        return np.asarray(value)
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.VisibleDeprecationWarning)
        try:
            return np.asarray(value)
        except np.VisibleDeprecationWarning as warning:
            raise ValueError(f"rows of different lengths: {warning}") from None


def _has_masked(value):
    """Whether it is a masked array, or a list in which there is one, however deep."""
    lists, seen = [[value]], set()
    while lists:
        parts = lists.pop()
        kinds = {*map(type, parts)}
        if any(issubclass(kind, np.ma.MaskedArray) for kind in kinds):
            return True
        if any(issubclass(kind, (list, tuple)) for kind in kinds):
            new = [part for part in parts
                   if isinstance(part, (list, tuple)) and id(part) not in seen]
            seen.update(map(id, new))
            lists += new
    return False


def dtype(where, argument, value):
    """`value`, a name, a type or an np.dtype, as the np.dtype that it is of."""
    if not isinstance(value, (str, type, np.dtype)):
        raise TypeError(f"{where}: {argument} must be a dtype or its name, got {shown(value)}")
    try:
        if isinstance(value, str) and not re.fullmatch(r"[<>=|]?[\w?]+", value):
            raise TypeError("not the name of one dtype")
        return np.dtype(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{where}: {argument} must be a dtype or its name, got {shown(value)}: {error}"
        ) from None


def real(where, argument, value, dtype):
    """`value` as an aligned, C-contiguous array of `dtype`; a copy only where needed."""
    array = numeric(where, argument, value)
    if array.dtype == dtype and array.flags.carray:
        return array
    try:
        with np.errstate(all="ignore"):
            return np.require(array, dtype=dtype, requirements=["C", "A"])
    except ValueError as error:         # of a shape with more bytes than there are addresses
        raise ValueError(f"{where}: {argument} cannot be made {dtype}: {error}") from error


def in_place(where, argument, value, dtype):
    """`value`, which has to be an array that C can write to."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{where}: {argument} must be an array, got {type(value).__name__}")
    if value.dtype != dtype:
        raise TypeError(f"{where}: {argument} must be {np.dtype(dtype)}, got {value.dtype}")
    if not (value.flags.c_contiguous and value.flags.aligned and value.flags.writeable):
        raise ValueError(f"{where}: {argument} must be C-contiguous and writeable")
    return value


def precision(where, argument, value):
    """The dtype of an array that decides between float32 and float64."""
    dtype = numeric(where, argument, value).dtype
    for known in (np.dtype(np.float32), np.dtype(np.float64)):
        if dtype.newbyteorder("=") == known:
            return known
    raise TypeError(f"{where}: {argument} must be float32 or float64, got {dtype}")


def finite(where, argument, array, converted=False):
    """ValueError if a number of `array`, `converted` to its dtype maybe, is NaN or infinite."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        argument = f"{argument} in {array.dtype}" if converted else argument
        raise ValueError(f"{where}: {argument} must be finite, got NaN or infinity")
