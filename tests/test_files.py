"""Files of arrays and a document: the same bits back, never half a file, no damage unseen."""

import contextlib
import errno
import json
import os
import random
import resource
import stat
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from damaged import HOSTILE, entry_of, joined, mutated, split, split_or_none
from neuroai_c import files

ARRAYS = {"snu/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "snu/bias": np.zeros(3), "steps": np.array(7)}
DOCUMENT = {"units": 3, "rng": 2**127 + 1, "loss": [0.1, 5e-324], "name": 'ä "\\\n'}


def assert_same_bits(actual, desired):
    """NaN payloads and the sign of zero too."""
    assert (actual.dtype, actual.shape) == (desired.dtype, desired.shape)
    assert actual.tobytes() == desired.tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def written(path):
    """A model's file."""
    files.write(path, ARRAYS, DOCUMENT)
    return path


def is_there(path, arrays, document):
    """Whether the file holds this and its folder nothing besides."""
    found, text = files.read(path, "weights" if document is None else "model")
    for name in arrays:
        assert_same_bits(found[name], arrays[name])
    assert list(found) == sorted(arrays) and text == document
    return os.listdir(path.parent) == [path.name]


# ---- back and forth --------------------------------------------------------


def bits(dtype, *patterns):
    return np.array(patterns, f"u{np.dtype(dtype).itemsize}").view(dtype)


CASES = {
    "NaN payloads": bits("f8", 0x7FF8000000000001, 0xFFF0000000000123, 0x7FF4DEADBEEF0000),
    "NaN payloads of float32": bits("f4", 0x7FC00001, 0xFF800123, 0x7FA0BEEF),
    "zeros": np.array([0.0, -0.0]),
    "subnormal": np.array([5e-324, -2.2e-308, 1e-310]),
    "subnormal of float32": bits("f4", 1, 0x80000001, 0x007FFFFF),
    "infinite": np.float32([np.inf, -np.inf]),
    "no axis": np.array(-0.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "empty inside": np.zeros((2, 0, 3)),
    "Fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "transposed": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
    "strided": np.arange(24.0).reshape(4, 6)[::2, 1::3],
    "backwards": np.arange(5, dtype=np.int32)[::-1],
    "broadcast": np.broadcast_to(np.float32([1, 2]), (3, 2)),
    "big-endian": np.arange(5, dtype=">f8"),
    "big-endian and Fortran": np.arange(6, dtype=">f4").reshape(2, 3, order="F"),
    "unaligned": np.zeros(33, np.uint8)[1:].view(np.float64),
    "read-only": np.frombuffer(b"12345678", np.float32),
    **{name: np.array([0, 1, np.iinfo(name).max, np.iinfo(name).min], name)
       for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}


@pytest.mark.parametrize("case", CASES)
def test_arrays_keep_their_bits(path, case):
    array = CASES[case]
    files.write(path, {"beside": np.ones(3, np.uint8), "array": array})
    found, document = files.read(path, "weights")
    native = array.astype(array.dtype.newbyteorder("="))
    assert_same_bits(found["array"], native)
    assert found["array"].dtype == native.dtype and found["array"].shape == array.shape
    assert found["array"].flags.carray and found["array"].dtype.isnative
    assert document is None


@pytest.mark.parametrize("document", [
    {}, {"a": {"b": [1, [2.5, {"c": None}], True, "x"]}}, {"state": 2**128 - 1, "less": -(2**64)},
    {"z": 1, "a": 2}, {"ä": "€ 𝄞 \x00\x1f \ud800 \\u0041"}, {"third": 1 / 3, "least": 5e-324, "-0": -0.0},
    {"loss": [float("inf"), -float("inf")]}, {"float": np.float64(0.1)},
], ids=str)  # fmt: skip
def test_document(path, document):
    files.write(path, {}, document)
    arrays, found = files.read(path, "model")
    assert arrays == {} and found == document
    assert json.dumps(found) == json.dumps(document)       # the order of keys too, and -0.0


def test_document_with_nan(path):
    files.write(path, {}, {"loss": [float("nan")]})
    assert np.isnan(files.read(path, "model")[1]["loss"])


def test_names_of_arrays(path):
    names = ["z", "a/b", "a.b", "0", 'with "quotes" \\', " ", "__metadata", "x" * 1000]
    arrays = {name: np.array(i) for i, name in enumerate(names)}
    files.write(path, arrays)
    assert is_there(path, arrays, None)


@pytest.mark.parametrize("as_path", [str, Path, lambda path: os.path.relpath(path)])
def test_paths(path, as_path):
    files.write(as_path(path), ARRAYS, DOCUMENT)
    files.read(as_path(path), "model")
    assert is_there(path, ARRAYS, DOCUMENT)


@pytest.mark.parametrize("name", ["model", "model.h5", ".hidden", "ä 𝄞", "a\nb", "x" * 255])
def test_file_names(tmp_path, name):
    files.write(tmp_path / name, ARRAYS, DOCUMENT)
    assert is_there(tmp_path / name, ARRAYS, DOCUMENT)


def test_home(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    files.write(f"~/{path.name}", ARRAYS)
    assert is_there(path, ARRAYS, None)


def test_other_programs_can_read_it(written):
    found = safetensors.numpy.load_file(written)
    assert found.keys() == ARRAYS.keys()
    for name, array in found.items():
        assert_same_bits(array, ARRAYS[name])


def test_equal_content_gives_equal_bytes(tmp_path):
    every = set()
    for i in range(20):
        names = list(ARRAYS)
        random.Random(i).shuffle(names)
        layout = np.asfortranarray if i % 2 else np.ascontiguousarray
        arrays = {name: layout(ARRAYS[name]).reshape(ARRAYS[name].shape) for name in names}
        files.write(tmp_path / f"{i}", arrays, DOCUMENT)
        every.add((tmp_path / f"{i}").read_bytes())
    assert len(every) == 1
    again = tmp_path / "again"
    files.write(again, *files.read(tmp_path / "0", "model"))
    assert {again.read_bytes()} == every


# A file of the first format: later ones have to read it too.
FIRST = (
    b"\xb0\0\0\0\0\0\0\0"
    b'{"__metadata__":{"neuroai_c":"1 model '
    b"86118bc13b5d1a0a564ca3fd18ef1f6bd8882ff508707d4e570d6e8a95a4d0a9"
    b' {\\"units\\":2}"},"bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} '
    b"\0\0\0\x3f\0\0\0\x80"
)


def test_files_of_the_first_format(path):
    path.write_bytes(FIRST)
    files.write(path, *files.read(path, "model"))
    assert path.read_bytes() == FIRST
    assert is_there(path, {"bias": np.float32([0.5, -0.0])}, {"units": 2})


def test_checksum():
    text = b'[1,"model","{\\"units\\":2}",[["bias","float32",[2]]]]'
    assert sha256(text + FIRST[-8:]).hexdigest().encode() in FIRST


# ---- what cannot be written ------------------------------------------------


@pytest.mark.parametrize("error, arrays, document, message", [
    (TypeError, {"w": np.float16([1])}, None, "save_weights: w must be float32, float64 or integers, got float16"),
    (TypeError, {"w": np.array([True])}, {}, "save: w must be float32, float64 or integers, got bool"),
    (TypeError, {"w": np.array(["x"])}, {}, "w must"), (TypeError, {"w": np.array([None])}, {}, "w must"),
    (TypeError, {"w": np.complex64([1])}, {}, "w must"), (TypeError, {"w": np.longdouble(1)}, {}, "w must"),
    (TypeError, {"w": np.ma.masked_array([1.0], [True])}, {}, "w must not be a masked array"),
    (TypeError, {1: np.ones(2)}, {}, "names of arrays must be strings, got 1"),
    *((ValueError, {name: np.ones(2)}, {}, "names of arrays must be printable ASCII")
      for name in ("", "ä", "a\nb", "a\0", "__metadata__", "\ud800")),
    (TypeError, {}, [1], "save: document must be a dict, got list"),
    (TypeError, {}, {"a": np.ones(2)}, "save: document cannot be written as JSON: .*ndarray"),
    (TypeError, {}, {"a": np.float32(1)}, "document cannot"), (TypeError, {}, {"a": {1, 2}}, "document cannot"),
    (TypeError, {}, {(1, 2): 3}, "document cannot"), (ValueError, {}, {1: 2, "1": 3}, "a key .* twice"),
    (ValueError, {}, {"a": 10**100}, "at most 100 digits"), (ValueError, {}, {"a": 1 << 100_000}, "document cannot"),
    (ValueError, {}, {"a": "x" * (1 << 21)}, "must have at most 2097152 bytes as text, got"),
    (ValueError, {"x" * (1 << 21): np.ones(1)}, None, "must have at most 2097152 bytes as text, got"),
])  # fmt: skip
def test_what_cannot_be_written(path, error, arrays, document, message):
    with pytest.raises(error, match=message):
        files.write(path, arrays, document)
    assert os.listdir(path.parent) == []


def test_documents_without_end(path):
    circular = {}
    circular["a"] = circular
    deep = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for document in (circular, deep):
        with pytest.raises(ValueError, match="save: document cannot be written as JSON"):
            files.write(path, {}, document)
    while deep:                             # taken apart from outside: Python would recurse
        deep = deep["a"]


@pytest.mark.parametrize("path", [None, 3, b"model", ["model"]])
def test_no_path(path):
    for function, arguments in ((files.write, ({}, {})), (files.read, ("model",))):
        with pytest.raises(TypeError, match="(save|load_model): path must be a str or a path-like object, got"):
            function(path, *arguments)


def test_zero_byte_in_a_path(tmp_path):
    for function, arguments in ((files.write, ({}, {})), (files.read, ("model",))):
        with pytest.raises(ValueError, match=r"path must have no zero byte, got '.*a\\x00b'"):
            function(str(tmp_path / "a\0b"), *arguments)


# ---- errors of the file system ---------------------------------------------


@contextlib.contextmanager
def fails(error, path):
    with pytest.raises(error) as caught:
        yield
    assert type(caught.value) is error
    assert caught.value.filename == str(path) and str(path) in str(caught.value) and caught.value.errno


def test_folder_is_missing(tmp_path):
    with fails(FileNotFoundError, tmp_path / "a" / "b"):
        files.write(tmp_path / "a" / "b", {})
    with fails(FileNotFoundError, tmp_path / "b"):
        files.read(tmp_path / "b", "model")
    assert os.listdir(tmp_path) == []


def test_empty_path(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with pytest.raises(IsADirectoryError):
        files.write("", {})
    with pytest.raises(FileNotFoundError):
        files.read("", "model")


def test_folder_is_a_file(written):
    with fails(NotADirectoryError, written / "b"):
        files.write(written / "b", {})
    with fails(NotADirectoryError, written / "b"):
        files.read(written / "b", "model")
    assert is_there(written, ARRAYS, DOCUMENT)


def test_path_is_a_folder(tmp_path):
    with fails(IsADirectoryError, tmp_path):
        files.write(tmp_path, {})
    with pytest.raises(ValueError, match=f"load_model: {tmp_path}: wanted a file, got a folder"):
        files.read(tmp_path, "model")
    assert os.listdir(tmp_path) == []


def test_path_is_a_pipe(path):
    os.mkfifo(path)
    with fails(OSError, path):
        files.write(path, {})
    with pytest.raises(ValueError, match="wanted a file, got something else"):
        files.read(path, "model")
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_long_name(tmp_path):
    with fails(OSError, tmp_path / ("x" * 256)):
        files.write(tmp_path / ("x" * 256), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_is_read_only(written):
    written.parent.chmod(0o500)
    try:
        with fails(PermissionError, written):
            files.write(written, {})
    finally:
        written.parent.chmod(0o700)
    assert is_there(written, ARRAYS, DOCUMENT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_file_is_read_only(written):
    written.chmod(0o400)
    with fails(PermissionError, written):
        files.write(written, {})
    assert is_there(written, ARRAYS, DOCUMENT)


def test_file_is_read_only_for_whoever_is_asked(written, monkeypatch):
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    with fails(PermissionError, written):
        files.write(written, {})
    assert is_there(written, ARRAYS, DOCUMENT)


# ---- permissions and links -------------------------------------------------


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_of_any_other(path, umask, mode):
    before = os.umask(umask)
    try:
        files.write(path, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_keeps_its_permissions(written, mode):
    written.chmod(mode)
    files.write(written, {})
    assert stat.S_IMODE(written.stat().st_mode) == mode


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "links").mkdir()
    target, link = tmp_path / "data" / "model", tmp_path / "links" / "newest"
    link.symlink_to("../data/model")
    for arrays in ({}, ARRAYS):             # the first makes the file that the link points to
        files.write(link, arrays, DOCUMENT)
        assert link.is_symlink() and not target.is_symlink()
        assert is_there(target, arrays, DOCUMENT) and is_there(link, arrays, DOCUMENT)


def test_a_link_to_itself(path):
    path.symlink_to(path)
    with fails(OSError, path):
        files.write(path, {})
    with fails(OSError, path):
        files.read(path, "model")
    assert path.is_symlink()


# ---- the old file survives -------------------------------------------------


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Full:
    """A file on a disk that is full after half of what is written."""

    def __init__(self, *arguments):
        self.file = open(*arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        self.file.write(data[:len(data) // 2])
        self.file.flush()
        no_space()


@pytest.mark.parametrize("name, replacement", [("open", Full), ("open", no_space), ("os.replace", no_space),
                                               ("os.fsync", no_space), ("os.fchmod", no_space)])  # fmt: skip
def test_old_file_survives_an_error(written, monkeypatch, name, replacement):
    owner, name = (files.os, name[3:]) if name.startswith("os.") else (files, name)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, replacement, raising=False)
        with fails(OSError, written):
            files.write(written, {"other": np.ones(100)}, {})
    assert is_there(written, ARRAYS, DOCUMENT)


def test_old_file_survives_a_real_error(written):
    """The system writes the first part of the file and refuses the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with fails(OSError, written):
            files.write(written, {"other": np.ones(1000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert is_there(written, ARRAYS, DOCUMENT)


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_old_file_survives_an_interrupt(written, monkeypatch, name):
    def interrupt(*_):
        raise KeyboardInterrupt
    with monkeypatch.context() as patched:
        patched.setattr(files.os, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.write(written, {})
    assert is_there(written, ARRAYS, DOCUMENT)


def test_an_error_without_a_number(written, monkeypatch):
    def fail(*_):
        raise OSError("no such luck")
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", fail)
        with pytest.raises(OSError, match=f"no such luck: '{written}'"):
            files.write(written, {})
    assert is_there(written, ARRAYS, DOCUMENT)


def test_folders_that_cannot_be_synced(written, monkeypatch):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)
    for number in (errno.EINVAL, errno.EIO):
        with monkeypatch.context() as patched:
            patched.setattr(files.os, "fsync", fsync)
            with fails(OSError, written) if number == errno.EIO else contextlib.nullcontext():
                files.write(written, {"n": np.array(number)})
        assert is_there(written, {"n": np.array(number)}, None)


def test_everything_is_on_the_disk_before_the_new_file_takes_its_place(path, monkeypatch):
    happened = []

    def note(name):
        real = getattr(os, name)

        def noted(*arguments):
            if name == "fsync":
                kind = "folder" if stat.S_ISDIR(os.fstat(arguments[0]).st_mode) else "file"
                size = os.fstat(arguments[0]).st_size
                happened.append((kind, size if kind == "file" else None))
            else:
                happened.append((name, os.path.dirname(arguments[0]) == os.path.dirname(arguments[1])))
            return real(*arguments)
        monkeypatch.setattr(files.os, name, noted)
    note("fsync")
    note("replace")
    files.write(path, ARRAYS, DOCUMENT)
    assert happened == [("file", path.stat().st_size), ("replace", True), ("folder", None)]


# What a child process runs: every write stops where it says so until it reads a line.
CHILD = """
import os, sys
import numpy as np
from neuroai_c import files

path, place = sys.argv[1:]

def stop():
    print("here", flush=True)
    sys.stdin.readline()

class Stopping:
    def __init__(self, *arguments):
        self.file = open(*arguments)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()
    def __getattr__(self, name):
        return getattr(self.file, name)
    def write(self, data):
        self.file.write(data[:len(data) // 2])
        self.file.flush()
        stop()
        self.file.write(data[len(data) // 2:])

def stopping(real, before):
    def function(*arguments):
        if before:
            stop()
        result = real(*arguments)
        if not before:
            stop()
        return result
    return function

if place == "write":
    files.open = Stopping
elif place == "fsync":
    files.os.fsync = stopping(os.fsync, True)
elif place in ("before", "after"):
    files.os.replace = stopping(os.replace, place == "before")

n = 0
while True:
    n += 1
    files.write(path, {"n": np.full(200_000, n)}, {"n": n})
    if place == "anywhere":
        print(n, flush=True)
"""


def child(path, place):
    return subprocess.Popen([sys.executable, "-c", CHILD, path, place], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def end(process):
    process.kill()
    process.communicate()


def content(path):
    """The number that a child has written, once as the document and 200,000 times."""
    arrays, document = files.read(path, "model")
    assert arrays["n"].shape == (200_000,) and (arrays["n"] == document["n"]).all()
    return document["n"]


@pytest.mark.parametrize("place, whole", [("write", 0), ("fsync", 0), ("before", 0), ("after", 1)])
def test_a_killed_process_leaves_the_old_or_the_new_file(path, place, whole):
    files.write(path, {"n": np.zeros(200_000, int)}, {"n": 0})
    process = child(path, place)
    try:
        assert process.stdout.readline() == "here\n"
        assert content(path) == whole       # while the child is there
    finally:
        end(process)
    assert content(path) == whole
    files.write(path, {}, {})               # whatever the child has left behind
    assert files.read(path, "model") == ({}, {})


def test_a_process_killed_anywhere(path):
    process = child(path, "anywhere")
    try:
        for _ in range(4):
            last = int(process.stdout.readline())
            assert content(path) >= last
    finally:
        end(process)
    assert content(path) >= last


def test_two_processes_write_one_file(path):
    processes = [child(path, "anywhere") for _ in range(2)]
    try:
        for _ in range(4):
            for process in processes:
                process.stdout.readline()
            content(path)
    finally:
        for process in processes:
            end(process)
    content(path)


def test_many_threads_write_one_file(path):
    files.write(path, {"n": np.zeros(200_000, int)}, {"n": 0})
    errors = []

    def work(n):
        try:
            for _ in range(3):
                files.write(path, {"n": np.full(200_000, n)}, {"n": n})
                content(path)
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    content(path)
    assert os.listdir(path.parent) == [path.name]


# ---- damaged files ---------------------------------------------------------


def is_refused(path, kind="model"):
    with pytest.raises(ValueError) as caught:
        files.read(path, kind)
    assert type(caught.value) is ValueError and len(str(caught.value)) < 1000
    assert str(caught.value).startswith(f"load_model: {path}: ")
    return str(caught.value)


def test_every_bit_counts(written):
    data = written.read_bytes()
    # In place: to truncate and to write anew would wait for the disk each time.
    with open(written, "r+b", buffering=0) as file:
        for i, byte in enumerate(data):
            for bit in range(8):
                file.seek(i)
                file.write(bytes([byte ^ 1 << bit]))
                is_refused(written)
            file.seek(i)
            file.write(bytes([byte]))
    assert is_there(written, ARRAYS, DOCUMENT)


def test_every_length_counts(written):
    size = written.stat().st_size
    for longer in (size + 1, size + 8, size + 10**12):
        os.truncate(written, longer)
        is_refused(written)
    for shorter in reversed(range(size)):
        os.truncate(written, shorter)
        is_refused(written)


@pytest.mark.parametrize("seed", range(10))
def test_random_damage(written, seed):
    """30 of them each time."""
    data = written.read_bytes()
    rng = random.Random(seed)
    for i in range(30):
        damaged = mutated(data, rng)
        if split_or_none(damaged) == split(data):       # the same header with other spaces
            continue
        path = written.with_name(f"{i}")
        path.write_bytes(damaged)
        is_refused(path)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file(path, case):
    path.write_bytes(HOSTILE[case])
    is_refused(path)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell of its memory there")
def test_hostile_files_take_less_than_100_MB(tmp_path):
    for name, data in HOSTILE.items():
        (tmp_path / name).write_bytes(data)
    large = safetensors.numpy.save({"a": np.zeros(10)})
    for name, size in (("zeros of 1 TB", 10**12), ("another program's 1 TB", 10**12)):
        (tmp_path / name).write_bytes(large[:-80] if "program" in name else bytes(8))
        os.truncate(tmp_path / name, size)
    done = subprocess.run([sys.executable, "-c", """
import os, resource, sys
from neuroai_c import files
with open("/proc/self/statm") as numbers:
    pages = int(numbers.read().split()[0])
most = pages * resource.getpagesize() + 100_000_000
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for name in os.listdir():
    try:
        files.read(name, "model")
    except ValueError:
        continue
    sys.exit(f"{name} was read")
"""], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case, message", [
    ("nothing", "wanted a whole safetensors file, got a file of 0 bytes"),
    ("header of 1e18 bytes", "wanted a whole safetensors file, got a header of 1000000000000000000 bytes in a file"),
    ("header of 3 MB", "wanted a header of at most 2097152 bytes, got 3000008"),
    ("deep lists", "wanted the header of a safetensors file, got: JSON text is nested too deeply"),
    ("array twice", "a key of a JSON text is there twice"),
    ("of another program", "wanted a file that neuroai_c has written, got one of another program"),
    ("newer", "wanted format 1, got '2': a newer neuroai_c may have written the file"),
    ("wrong checksum", "the file is damaged: its checksum is not that of its content"),
    ("bool", "wanted float32, float64 or integers, got BOOL"),
    ("70 axes", "the file is damaged: a: "),
    ("document deep", "the file is damaged: its document: JSON text is nested too deeply"),
])  # fmt: skip
def test_what_is_wrong(path, case, message):
    path.write_bytes(HOSTILE[case])
    assert message in is_refused(path)


def test_kinds(path):
    files.write(path, ARRAYS)
    assert "wanted a model file, got a weights file, for load_weights" in is_refused(path)
    files.write(path, ARRAYS, {})
    with pytest.raises(ValueError, match=f"load_weights: {path}: wanted a weights file, got a model file, "
                                         "for load_model"):
        files.read(path, "weights")
    with pytest.raises(ValueError, match="read: kind must be one of 'model', 'weights', got 'h5'"):
        files.read(path, "h5")


def test_a_document_in_a_file_of_weights(path):
    path.write_bytes(joined(entry_of("{}", kind="weights"), b""))
    with pytest.raises(ValueError, match="wanted the document of a weights file, got dict"):
        files.read(path, "weights")


# ---- generators ------------------------------------------------------------


def drawn(rng):
    return [rng.permutation(10).tolist(), rng.random(3).tolist(), rng.integers(2**32, size=3, dtype=np.uint32).tolist()]


@pytest.mark.parametrize("bit_generator", [np.random.PCG64, np.random.PCG64DXSM])
@pytest.mark.parametrize("seed", [0, 1, 2**127])
def test_generators_go_on(path, bit_generator, seed):
    rng = np.random.Generator(bit_generator(seed))
    rng.integers(9, dtype=np.uint32)        # half of 64 bits is kept for the next
    assert rng.bit_generator.state["has_uint32"]
    files.write(path, {}, {"rng": files.rng_state(rng)})
    again = files.rng_from(files.read(path, "model")[1]["rng"])
    assert again.bit_generator.state == rng.bit_generator.state
    assert drawn(again) == drawn(rng)


def test_state_is_a_copy():
    rng = np.random.default_rng(0)
    state = files.rng_state(rng)
    before = dict(state)
    rng.random()
    files.rng_from(state).random()
    assert state == before


@pytest.mark.parametrize("rng", [np.random.Generator(np.random.MT19937(0)), np.random.Generator(np.random.Philox(0)),
                                 np.random.RandomState(0), np.random.PCG64(0), None, 0])  # fmt: skip
def test_other_generators(rng):
    with pytest.raises(TypeError, match="rng_state: rng must be a Generator on PCG64 or PCG64DXSM, got"):
        files.rng_state(rng)


@pytest.mark.parametrize("error, changes, message", [
    (ValueError, {"bit_generator": "MT19937"}, "bit_generator must be one of 'PCG64', 'PCG64DXSM', got 'MT19937'"),
    (ValueError, {"bit_generator": "seed"}, "bit_generator"), (ValueError, {"bit_generator": ["PCG64"]}, "bit_generator"),
    (ValueError, {"state": -1}, f"state must be from 0 to {2**128 - 1}, got -1"), (ValueError, {"state": 2**128}, "state"),
    (TypeError, {"state": 1.0}, "state must be an integer"), (TypeError, {"state": "1"}, "state must be an integer"),
    (TypeError, {"state": True}, "state must be an integer"), (ValueError, {"inc": 2**128 + 1}, "inc"),
    (ValueError, {"inc": 4}, "inc must be odd, got 4"), (ValueError, {"has_uint32": 2}, "has_uint32"),
    (ValueError, {"uinteger": 2**32}, "uinteger"), (ValueError, {"uinteger": -1}, "uinteger"),
    (ValueError, {"more": 1}, "state must have the keys bit_generator, state, inc, has_uint32, uinteger, got"),
])  # fmt: skip
def test_states_that_are_none(error, changes, message):
    state = {**files.rng_state(np.random.default_rng(0)), **changes}
    with pytest.raises(error, match=f"rng_from: {message}"):
        files.rng_from(state)


def test_states_with_parts_missing():
    for state in (None, [], "PCG64", 5):
        with pytest.raises(TypeError, match="rng_from: state must be a dict, got"):
            files.rng_from(state)
    whole = files.rng_state(np.random.default_rng(0))
    for key in whole:
        with pytest.raises(ValueError, match="rng_from: state must have the keys"):
            files.rng_from({name: value for name, value in whole.items() if name != key})
