"""Arrays and a document in one file of the safetensors format, written as a whole or not at all.

The format's own metadata has one entry,

    neuroai_c: VERSION KIND SHA256 DOCUMENT

the version of this layout, "model" or "weights", a checksum, and the document as JSON text.  The
format has no checksum: this one is the sha256 of the JSON text, without spaces, of [VERSION, KIND,
DOCUMENT, [[name, dtype, shape], ...]], followed by the arrays' bytes, the arrays in the order of
their names.  The library writes several entries in random order; one has the same bytes every time.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat

import numpy as np
import safetensors.numpy

from . import checks

_VERSION = 1
_KEY = "neuroai_c"

# Who writes and who reads a kind of file, for messages.
_WRITERS = {"model": "save", "weights": "save_weights"}
_READERS = {"model": "load_model", "weights": "load_weights"}

# The format's names of what may be in a file.  No bool: a byte of a file can be neither 0 nor 1.
_DTYPES = {
    **{f"F{bits}": np.dtype(f"<f{bits // 8}") for bits in (32, 64)},
    **{f"I{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}

# JSON text can take 25 times its length as objects, so that a hostile header takes 50 MB.
_MOST_HEADER = 1 << 21

# Python takes the square of the digits' number to read an integer; those of 128 bits have 39.
_MOST_DIGITS = 100


# ---- writing -------------------------------------------------------------------------


def write(path, arrays, document=None):
    """Writes arrays and a document to a file, in place of the old one if all goes well.

    The data go to a new file in the same folder, `.neuroai_c-*.tmp`, and are on the disk before
    that file takes the old one's place, with its permissions.  Whatever happens, the path holds
    the whole old file or the whole new one.  An error removes the new file; a process that is
    killed leaves it behind, to be deleted by whoever knows that nobody else is writing there.
    Equal content gives equal bytes.

    Args:
        path: str or path-like, with whatever suffix.  Of a symbolic link, the file it points to is
            replaced.
        arrays: {name: array}, float32, float64 or integers, in any layout.  Names are printable
            ASCII.
        document: a dict for json: strings, numbers (integers of up to 100 digits, NaN),
            True, False, None, lists and dicts with strings as keys; its text has at most 2 MiB.
            The order of keys is kept, tuples become lists.  Default None: the file holds
            weights only.

    Raises:
        TypeError, ValueError: something that the file cannot hold.
        OSError: the file cannot be written; of the class that says why, with the path.

    Example:
        >>> path = getfixture("tmp_path") / "two.safetensors"
        >>> write(path, {"bias": np.ones(2)}, {"units": 2})
        >>> read(path, "model")
        ({'bias': array([1., 1.])}, {'units': 2})
    """
    kind = "weights" if document is None else "model"
    where = _WRITERS[kind]
    path = checks.file_name(where, "path", path)
    # The library takes what lies in memory for the array in C order, whatever its strides are.
    arrays = {name: _as_stored(where, name, array) for name, array in arrays.items()}
    text = _as_text(where, document)
    _check_header(where, len(text))
    entry = f"{_VERSION} {kind} {_checksum(kind, text, arrays)} {text}"
    data = safetensors.numpy.save(arrays, {_KEY: entry})
    _check_header(where, _length(data))
    replace(path, data)


def _as_stored(where, name, array):
    """The array, little-endian and C-contiguous; a copy only where needed."""
    if not isinstance(name, str):
        raise TypeError(f"{where}: names of arrays must be strings, got {checks.shown(name)}")
    if not (name.isascii() and name.isprintable()) or name in ("", "__metadata__"):
        raise ValueError(
            f"{where}: names of arrays must be printable ASCII, "
            f"got {checks.shown(name)}"
        )
    array = checks.numeric(where, name, array)
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _DTYPES.values():
        raise TypeError(
            f"{where}: {name} must be float32, float64 or integers, got {array.dtype}"
        )
    return np.require(array, dtype, ["C"])


def _as_text(where, document):
    """The document as JSON text that can be read again."""
    if not isinstance(document, (dict, type(None))):
        raise TypeError(f"{where}: document must be a dict, got {type(document).__name__}")
    try:
        text = _to_text(document)
        _from_text(text)
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{where}: document cannot be written as JSON: {error}") from error
    return text


def _check_header(where, length):
    if length > _MOST_HEADER:
        raise ValueError(
            f"{where}: the document and the arrays' names and shapes must have at most "
            f"{_MOST_HEADER} bytes as text, got {length}"
        )


def replace(path, data):
    """Writes bytes to a file, in place of the old one; nothing changes if that fails.

    Raises:
        OSError: of the class that says why, with the path.

    Example:
        >>> path = getfixture("tmp_path") / "bytes"
        >>> replace(path, b"new")
        >>> path.read_bytes()
        b'new'
    """
    path = str(path)
    try:
        _replace(path, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), path) from error


def _replace(path, data):
    mode = None
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if mode is not None and not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    # A file could be replaced in spite of being read-only, which is not what that is for.
    if mode is not None and not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".neuroai_c-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder):
    """The file's new place is on the disk too, where the folder can be opened and synced."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):
            raise


# ---- reading -------------------------------------------------------------------------


def read(path, kind):
    """Reads a file that `write` has written: the same bits, or an error.

    The file is data and is trusted in nothing: it takes about its own size in memory twice,
    and 100 MB more at most if it is damaged.

    Args:
        path: str or path-like.
        kind: "model", of a file with a document, or "weights", of one without.

    Returns:
        `(arrays, document)`: arrays in the order of their names, writable, and the dict, or
        None with "weights".

    Raises:
        ValueError: another kind of file, or a damaged one; says which file and what is wrong.
        FileNotFoundError, OSError: the file cannot be read.

    Example:
        >>> path = getfixture("tmp_path") / "bias"
        >>> write(path, {"bias": np.float32([0.5, -0.0])})
        >>> read(path, "weights")
        ({'bias': array([ 0.5, -0. ], dtype=float32)}, None)
    """
    where = _READERS[checks.one_of("read", "kind", kind, tuple(_READERS))]
    path = checks.file_name(where, "path", path)
    # Opening a pipe would wait for somebody to write.
    if not stat.S_ISREG(os.stat(path).st_mode):
        found = "a folder" if os.path.isdir(path) else "something else"
        raise ValueError(f"{where}: {path}: wanted a file, got {found}")
    with open(path, "rb") as file:
        try:
            return _read(file, kind)
        except ValueError as error:
            raise ValueError(f"{where}: {path}: {error}") from error


def _read(file, kind):
    size = os.fstat(file.fileno()).st_size
    header = _read_header(file, size)
    text, checksum = _read_entry(header, kind)
    # Of a file of many gigabytes, all that is read before this is the header.
    data_size = size - file.tell()
    if _data_size(header) != data_size:
        raise ValueError(f"wanted {_data_size(header)} bytes of arrays, got {data_size}")
    file.seek(0)
    arrays = _unpack(file.read(size))
    if _checksum(kind, text, arrays) != checksum:
        raise ValueError("the file is damaged: its checksum is not that of its content")
    try:
        document = _from_text(text)
    except ValueError as error:
        raise ValueError(f"the file is damaged: its document: {error}") from error
    if not isinstance(document, dict if kind == "model" else type(None)):
        raise ValueError(f"wanted the document of a {kind} file, got {type(document).__name__}")
    for name, array in arrays.items():
        arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    return arrays, document


def _read_header(file, size):
    """The header of a safetensors file: how long it is, in 8 bytes, and a dict as JSON text."""
    start = file.read(8)
    if len(start) < 8 or _length(start) > size - 8:
        got = f"a header of {_length(start)} bytes in a file" if len(start) == 8 else "a file"
        raise ValueError(f"wanted a whole safetensors file, got {got} of {size} bytes")
    if _length(start) > _MOST_HEADER:
        raise ValueError(
            f"wanted a header of at most {_MOST_HEADER} bytes, got {_length(start)}"
        )
    try:
        header = _from_text(file.read(_length(start)).decode())
    except ValueError as error:
        raise ValueError(f"wanted the header of a safetensors file, got: {error}") from error
    if not isinstance(header, dict):
        raise ValueError(f"wanted a dict as header, got {type(header).__name__}")
    return header


def _read_entry(header, kind):
    """The document's text and the checksum, of a file of the right kind."""
    metadata = header.get("__metadata__")
    entry = metadata.get(_KEY) if isinstance(metadata, dict) else None
    if not isinstance(entry, str):
        raise ValueError("wanted a file that neuroai_c has written, got one of another program")
    version, _, rest = entry.partition(" ")
    if version != str(_VERSION):
        raise ValueError(
            f"wanted format {_VERSION}, got {version[:20]!r}: "
            "a newer neuroai_c may have written the file"
        )
    found, *rest = rest.split(" ", 2)
    if found not in _READERS or len(rest) != 2:
        raise ValueError(f"the file is damaged: its kind is {found[:20]!r}")
    if found != kind:
        raise ValueError(f"wanted a {kind} file, got a {found} file, for {_READERS[found]}")
    checksum, text = rest
    return text, checksum


def _data_size(header):
    """The bytes of arrays that a header promises; the library checks the rest of it."""
    try:
        return max([0, *(entry["data_offsets"][1] for name, entry in header.items()
                         if name != "__metadata__")])  # fmt: skip
    except (TypeError, KeyError, IndexError):
        raise ValueError("the file is damaged: its header tells of no arrays") from None


def _unpack(data):
    """The arrays of a whole file, little-endian, in the order of their names."""
    try:
        entries = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        raise ValueError(f"the file is damaged: {error}") from error
    arrays = {}
    for name, entry in sorted(entries.items()):
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"wanted float32, float64 or integers, got {entry['dtype']}")
        flat = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]])
        try:
            arrays[name] = flat.reshape(entry["shape"])
        except ValueError as error:         # more axes than NumPy has
            raise ValueError(f"the file is damaged: {name}: {error}") from error
    return arrays


# ---- what both need ------------------------------------------------------------------


def _length(data):
    """How long the header is that follows."""
    return int.from_bytes(data[:8], "little")


def _checksum(kind, text, arrays):
    """The sha256 that the top of this file describes; arrays as they are stored."""
    arrays = dict(sorted(arrays.items()))
    layout = [[name, array.dtype.name, array.shape] for name, array in arrays.items()]
    digest = hashlib.sha256(_to_text([_VERSION, kind, text, layout]).encode())
    for array in arrays.values():
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _to_text(document):
    """JSON text in ASCII, without spaces."""
    return json.dumps(document, separators=(",", ":"))


def _from_text(text):
    """What a JSON text says; ValueError for one that says it twice, too deep or too large."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_integer)
    except RecursionError:
        raise ValueError("JSON text is nested too deeply") from None


def _unique(pairs):
    items = dict(pairs)
    if len(items) != len(pairs):
        raise ValueError("a key of a JSON text is there twice")
    return items


def _integer(digits):
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"wanted integers of at most {_MOST_DIGITS} digits, got {len(digits)}")
    return int(digits)


# ---- generators ----------------------------------------------------------------------

# NumPy's default bit generators, today's and the one that is to follow it.
_BIT_GENERATORS = ("PCG64", "PCG64DXSM")


def rng_state(rng):
    """A generator's state as a dict for a document.

    Args:
        rng: np.random.Generator on PCG64, as `np.random.default_rng` makes it, or PCG64DXSM.

    Returns:
        {"bit_generator", "state", "inc", "has_uint32", "uinteger"}: a name and integers, the
        first two of them of 128 bits.

    Raises:
        TypeError: another generator.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> again = rng_from(rng_state(rng))
        >>> again.random() == rng.random()
        True
    """
    name = type(rng.bit_generator).__name__ if isinstance(rng, np.random.Generator) else None
    if name not in _BIT_GENERATORS:
        raise TypeError(
            f"rng_state: rng must be a Generator on {' or '.join(_BIT_GENERATORS)}, "
            f"got {checks.shown(rng)}"
        )
    state = rng.bit_generator.state
    return {"bit_generator": name, **state["state"],
            "has_uint32": state["has_uint32"], "uinteger": state["uinteger"]}  # fmt: skip


def rng_from(state):
    """A generator that goes on where `rng_state` found one, with the same numbers.

    Only what it spawns is different: the seed is not part of the state.

    Args:
        state: what `rng_state` gave.

    Raises:
        TypeError, ValueError: not a state; says what is wrong with it.

    Example:
        >>> state = rng_state(np.random.default_rng(0))
        >>> rng_from(state).random() == np.random.default_rng(0).random()
        True
    """
    where = "rng_from"
    most = {"state": 2**128 - 1, "inc": 2**128 - 1, "has_uint32": 1, "uinteger": 2**32 - 1}
    if not isinstance(state, dict):
        raise TypeError(f"{where}: state must be a dict, got {type(state).__name__}")
    if set(state) != {"bit_generator", *most}:
        raise ValueError(
            f"{where}: state must have the keys bit_generator, {', '.join(most)}, got {[*state]}"
        )
    name = checks.one_of(where, "bit_generator", state["bit_generator"], _BIT_GENERATORS)
    numbers = {key: checks.integer(where, key, state[key], 0, most[key]) for key in most}
    if numbers["inc"] % 2 == 0:
        raise ValueError(f"{where}: inc must be odd, got {numbers['inc']}")
    inner = {key: numbers.pop(key) for key in ("state", "inc")}
    bit_generator = getattr(np.random, name)(0)
    bit_generator.state = {"bit_generator": name, "state": inner, **numbers}
    return np.random.Generator(bit_generator)
