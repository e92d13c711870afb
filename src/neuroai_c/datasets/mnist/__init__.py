"""MNIST, 70,000 handwritten digits, from the package's own files or from a folder of yours."""

import contextlib
import hashlib
import io
import math
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ... import checks

__all__ = ["load_data"]


class _Part(NamedTuple):
    """One of the four arrays: its IDX file, its key in mnist.npz, its shape, its checksum."""

    name: str
    key: str
    shape: tuple
    sha256: str  # of the uncompressed IDX file

    @property
    def header(self):
        """The IDX header of a uint8 array: 0x0800 + ndim, then the sizes, big-endian."""
        ndim = len(self.shape)
        return struct.pack(f">{1 + ndim}I", 0x0800 + ndim, *self.shape)


_PARTS = (
    _Part("train-images-idx3-ubyte", "x_train", (60000, 28, 28),
          "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    _Part("train-labels-idx1-ubyte", "y_train", (60000,),
          "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    _Part("t10k-images-idx3-ubyte", "x_test", (10000, 28, 28),
          "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    _Part("t10k-labels-idx1-ubyte", "y_test", (10000,),
          "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)  # fmt: skip
_SUBFOLDERS = ("", "mnist", "raw", "MNIST/raw")
_PACKAGE = Path(__file__).parent
_CHUNK = 1 << 20


def load_data(path=None):
    """Loads MNIST: 28 x 28 grey values 0..255 and the digits 0..9.

    The values are checked by sha256, so that every source gives the same arrays. Nothing is
    downloaded.

    Args:
        path: None, or a folder (str or path-like) with the four IDX files, plain or gzipped, or
            Keras's `mnist.npz`, in it or in its `mnist`, `raw` or `MNIST/raw`; or the path of
            an `mnist.npz` itself. With None: the folder named by the environment
            variable `NEUROAI_C_DATA`, if the whole of MNIST is in it (it may be there for other
            data); otherwise the copy that comes with the package.

    Returns:
        `(train_x, train_y), (test_x, test_y)`, uint8 arrays of the shapes (60000, 28, 28),
        (60000,), (10000, 28, 28), (10000,), C-contiguous and writable.

    Raises:
        TypeError: `path` is no path.
        FileNotFoundError: `path` holds no complete MNIST; says which file is missing, its
            sha256 and where it was looked for. The package's copy does not step in.
        ValueError: a file is damaged; says which one, what was wanted and what came.

    Source: Yann LeCun and Corinna Cortes, CC BY-SA 3.0 (`README.md` beside the files).

    Example:
        >>> import neuroai_c as ai
        >>> (train_x, train_y), (test_x, test_y) = ai.datasets.mnist.load_data()
        >>> train_x.shape, train_y[:5].tolist()
        ((60000, 28, 28), [5, 0, 4, 1, 9])
    """
    if path is not None:
        found = _find(checks.path("load_data", "path", path))
    else:
        found = None
        folder = os.environ.get("NEUROAI_C_DATA")
        if folder:
            with contextlib.suppress(FileNotFoundError):
                found = _find(checks.path("load_data", "NEUROAI_C_DATA", folder))
        if found is None:
            found = _find(_PACKAGE)

    if isinstance(found, Path):
        train_x, train_y, test_x, test_y = _read_npz(found)
    else:
        train_x, train_y, test_x, test_y = map(_read_idx, found, _PARTS)
    return (train_x, train_y), (test_x, test_y)


def _find(root):
    """The path of an mnist.npz, or those of the four IDX files in the order of _PARTS."""
    if root.is_file():
        return root
    folders = [root / sub for sub in _SUBFOLDERS] if root.is_dir() else [root]
    fewest = _PARTS
    for folder in folders:
        files = [_find_idx(folder, part) for part in _PARTS]
        if None not in files:
            return files
        if (folder / "mnist.npz").is_file():
            return folder / "mnist.npz"
        missing = [part for part, file in zip(_PARTS, files, strict=True) if file is None]
        fewest = min(fewest, missing, key=len)
    raise FileNotFoundError(
        "load_data: MNIST is not complete. Missing (sha256 of the uncompressed file):\n"
        + "".join(f"  {part.name} or {part.name}.gz ({part.sha256})\n" for part in fewest)
        + "Put the four files, or Keras's mnist.npz, into one of the folders looked in:\n"
        + "\n".join(f"  {folder}" for folder in folders)
    )


def _find_idx(folder, part):
    for file in (folder / part.name, folder / f"{part.name}.gz"):
        if file.is_file():
            return file
    return None


def _read_idx(file, part):
    where = f"load_data: {file}"
    wanted = len(part.header) + math.prod(part.shape)
    # One byte more shows that a file is too long; all of a gzip bomb would fill memory.
    if file.suffix == ".gz":
        data = _unzip(where, file, wanted + 1)
    else:
        with open(file, "rb") as stream:
            data = _read(stream, wanted + 1)
    _check_length(where, wanted, data)

    header = data[: len(part.header)].tobytes()
    if header != part.header:
        fields = f">{len(header) // 4}I"
        raise ValueError(
            f"{where}: wanted the IDX header (magic number, sizes) "
            f"{struct.unpack(fields, part.header)}, got {struct.unpack(fields, header)}"
        )
    array = data[len(header) :].reshape(part.shape)
    _check_sha256(where, part, array)
    return array


def _read(stream, most):
    """The next bytes, at most so many, as an array; read at once they take memory twice."""
    data, size = np.empty(most, np.uint8), 0
    while chunk := stream.read(min(_CHUNK, most - size)):
        data[size : size + len(chunk)] = np.frombuffer(chunk, np.uint8)
        size += len(chunk)
    return data[:size]


def _unzip(where, file, most):
    """The first bytes of a gzip file with one member, at most so many, as an array.

    Python's gzip takes minutes for many empty members, or for one with a long name.
    """
    data, size = np.empty(most, np.uint8), 0
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        with open(file, "rb") as stream:
            if os.fstat(stream.fileno()).st_size > most + _CHUNK:
                raise EOFError(f"more than {most + _CHUNK} bytes")
            while size < most and not inflate.eof:
                packed = inflate.unconsumed_tail or stream.read(_CHUNK)
                chunk = inflate.decompress(packed, min(_CHUNK, most - size))
                if not packed and not chunk:
                    raise EOFError("its beginning")
                data[size : size + len(chunk)] = np.frombuffer(chunk, np.uint8)
                size += len(chunk)
            if inflate.eof and (inflate.unused_data or stream.read(1)):
                raise EOFError("something behind it")
    except (EOFError, zlib.error) as error:
        raise ValueError(f"{where}: wanted a whole gzip file, got: {error}") from error
    return data[:size]


class _Bounded(io.FileIO):
    """A file of which no more than 1 MiB is read at once, whatever it says of itself."""

    def read(self, size=-1):
        data = super().read(size if 0 <= size <= _CHUNK else _CHUNK + 1)
        if len(data) > _CHUNK:
            raise ValueError(f"a part of more than {_CHUNK} bytes")
        return data


def _read_npz(file):
    arrays = []
    with _Bounded(file) as stream:
        for part in _PARTS:
            where = f"load_data: {file}, {part.key}"
            try:
                shape, is_fortran, dtype, data = _read_member(stream, part)
            # A damaged archive can raise nearly every exception of zipfile, zlib, tokenize, numpy.
            except Exception as error:
                got = f"{type(error).__name__}: {error}"        # which may show what it read
                raise ValueError(
                    f"{where}: wanted a uint8 array of shape {part.shape} as numpy.savez writes "
                    f"it, got {got[:200]}"
                ) from None
            if dtype != np.uint8 or shape != part.shape:
                got = f"{dtype} of shape {shape}"
                raise ValueError(f"{where}: wanted uint8 of shape {part.shape}, got {got[:200]}")
            _check_length(where, math.prod(shape), data)
            array = data.reshape(shape, order="F" if is_fortran else "C")
            arrays.append(np.ascontiguousarray(array))
            _check_sha256(where, part, arrays[-1])
    return arrays


def _read_member(stream, part):
    """Shape, order, dtype and at most one byte too many of one array of an npz.

    numpy.load would trust the header and allocate whatever size it states.
    """
    with zipfile.ZipFile(stream) as archive:
        info = archive.getinfo(f"{part.key}.npy")
        # Python bounds what it unpacks at a time for these two only; NumPy writes no others.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"compression method {info.compress_type}")
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)
            if version != (1, 0):
                raise ValueError(f"npy format {version}")
            header = np.lib.format.read_array_header_1_0(member)
            return *header, _read(member, math.prod(part.shape) + 1)


def _check_length(where, wanted, data):
    if len(data) != wanted:
        got = "more" if len(data) > wanted else f"{len(data)}"
        raise ValueError(f"{where}: wanted {wanted} bytes, uncompressed, got {got}")


def _check_sha256(where, part, array):
    digest = hashlib.sha256(part.header)
    digest.update(array)
    if digest.hexdigest() != part.sha256:
        raise ValueError(
            f"{where}: these are not MNIST's values: wanted sha256 {part.sha256} of the IDX "
            f"file, got {digest.hexdigest()}"
        )
