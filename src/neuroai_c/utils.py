"""What surrounds a network: encoding into spikes, labels into one-hot rows, sound files."""

import io
import wave

import numpy as np

from . import _core, checks, files, ops
from .spikes import Spikes


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
    arguments, features = ops._to_encode("transform_rate", data2D, N_ts, max_is_present_for, seed)
    return Spikes._from_events(_core.f64.rate_encode(*arguments), features)


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
    # A copy, which nobody changes between its check and its use; where there is no room for it,
    # there is none for the rows.
    y = np.array(checks.numeric("to_categorical", "y", y), order="C")
    if y.dtype.kind == "f":
        with np.errstate(all="ignore"):
            whole = (np.abs(y) < 2**53) & (y == np.floor(y))
        if not whole.all():
            raise TypeError("to_categorical: y must hold integers, got other numbers")
        y = y.astype(np.int64)
    dtype = checks.dtype("to_categorical", "dtype", dtype)
    if dtype.kind not in "buif":
        raise TypeError(f"to_categorical: dtype must be one of numbers, got {dtype}")
    if num_classes is None:
        if y.size == 0:
            raise ValueError("to_categorical: an empty y needs num_classes")
        num_classes = int(y.max()) + 1 if int(y.max()) >= 0 else 1
    most = np.iinfo(np.intp).max
    num_classes = checks.integer("to_categorical", "num_classes", num_classes, 1, most)
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < num_classes:
        raise ValueError(
            f"to_categorical: y must be from 0 to {num_classes - 1}, "
            f"got {int(y.min())} to {int(y.max())}"
        )
    try:
        rows = np.zeros((*y.shape, num_classes), dtype)
    except ValueError as error:
        raise ValueError(f"to_categorical: num_classes: {error}") from None
    np.put_along_axis(rows, y[..., None].astype(np.intp), 1, axis=-1)
    return rows


def write_wav(path, signal, rate):
    """Writes a signal as a sound file: WAV, mono, 16-bit PCM.

    A sample x becomes round(32767 x).  A file that is there is replaced when the new one is whole:
    an error leaves it as it was.

    Args:
        path: of the file, str or path-like.
        signal: (samples,) real numbers from -1 to 1.
        rate: samples a second.

    Raises:
        TypeError: an argument that is no such thing.
        ValueError: a signal of other than one axis, or with NaN or a number beyond -1 or 1;
            a rate below 1; more than the format's 4 GB.
        OSError: the file cannot be written.

    Example:
        >>> path = getfixture("tmp_path") / "a.wav"
        >>> t = np.arange(8000) / 8000
        >>> write_wav(path, 0.5 * np.sin(2 * np.pi * 440 * t), 8000)
        >>> path.stat().st_size
        16044
    """
    path = checks.path("write_wav", "path", path)
    signal = checks.numeric("write_wav", "signal", signal)
    if signal.ndim != 1:
        raise ValueError(f"write_wav: signal must have one axis, got shape {signal.shape}")
    # The header has 32 bits for the bytes of all and for those of a second.
    if 36 + 2 * len(signal) >= 2**32:
        raise ValueError(f"write_wav: signal must fit into 4 GB, got {len(signal)} samples")
    rate = checks.integer("write_wav", "rate", rate, 1, 2**31 - 1)
    checks.finite("write_wav", "signal", signal)
    if signal.size and not -1 <= signal.min() <= signal.max() <= 1:
        raise ValueError(
            f"write_wav: signal must be from -1 to 1, got {signal.min()} to {signal.max()}"
        )
    samples = np.rint(np.multiply(signal, 32767, dtype=np.float64)).astype(np.int16)

    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(samples.itemsize)
        file.setframerate(rate)
        file.writeframes(samples)
    files.replace(path, stream.getvalue())
