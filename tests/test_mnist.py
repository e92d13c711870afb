"""datasets.mnist: the same arrays from every layout; every damage is an error that names it."""

import gzip
import io
import re
import shutil
import struct
import tracemalloc
import zipfile
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import neuroai_c as ai

PACKAGE = Path(ai.datasets.mnist.__file__).parent
NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
KEYS = ["x_train", "y_train", "x_test", "y_test"]
SUBFOLDERS = ["", "mnist", "raw", "MNIST/raw"]


def load(path=None):
    train, test = ai.datasets.mnist.load_data(path)
    return [*train, *test]


def gz(name):
    return PACKAGE / f"{name}.gz"


def copy_gz(folder, leave_out=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        if name not in leave_out:
            shutil.copy(gz(name), folder)
    return folder


def write_idx(folder, name, data, layout):
    """One file, plain or gzipped, in a folder whose other files are whole."""
    copy_gz(folder, leave_out=[name])
    if layout == "plain":
        file = folder / name
        file.write_bytes(data)
    else:
        file = folder / f"{name}.gz"
        file.write_bytes(gzip.compress(data, compresslevel=0))
    return file


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("NEUROAI_C_DATA", raising=False)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path):
    """pytest keeps the folders of the last runs: gigabytes, with these files."""
    yield
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def idx():
    """The uncompressed IDX files by name, read without the code under test."""
    return {name: gzip.decompress(gz(name).read_bytes()) for name in NAMES}


@pytest.fixture(scope="module")
def arrays(idx):
    values = [np.frombuffer(idx[name], np.uint8) for name in NAMES]
    shapes = [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    return {
        key: flat[-np.prod(shape) :].reshape(shape)
        for key, flat, shape in zip(KEYS, values, shapes, strict=True)
    }


def assert_is_mnist(loaded, arrays):
    for array, wanted in zip(loaded, arrays.values(), strict=True):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous and array.flags.writeable
        np.testing.assert_array_equal(array, wanted)


# ---- whole data ----


def test_package_files(arrays):
    loaded = load()
    assert_is_mnist(loaded, arrays)
    train_counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test_counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(loaded[1]).tolist() == train_counts
    assert np.bincount(loaded[3]).tolist() == test_counts
    assert loaded[0].mean() == pytest.approx(33.318421)
    assert not any(np.shares_memory(a, b) for a, b in combinations(loaded, 2))


def test_readme_names_authors_licence_and_checksums(idx):
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    assert "LeCun" in text and "Cortes" in text and "CC BY-SA 3.0" in text
    table = dict(re.findall(r"`(\S+-ubyte)` .*`([0-9a-f]{64})`", text))
    assert table == {name: sha256(data).hexdigest() for name, data in idx.items()}


@pytest.mark.parametrize("sub", SUBFOLDERS)
def test_gzipped_in_every_subfolder(tmp_path, arrays, sub):
    copy_gz(tmp_path / sub)
    assert_is_mnist(load(str(tmp_path)), arrays)


def test_plain_files(tmp_path, idx, arrays):
    for name, data in idx.items():
        (tmp_path / name).write_bytes(data)
    assert_is_mnist(load(tmp_path), arrays)


def test_plain_and_gzipped_mixed(tmp_path, idx, arrays):
    write_idx(tmp_path, NAMES[0], idx[NAMES[0]], "plain")
    assert_is_mnist(load(tmp_path), arrays)


def test_npz_in_a_folder_and_by_its_path(tmp_path, arrays):
    file = tmp_path / "raw" / "mnist.npz"
    file.parent.mkdir()
    # Keras's file is compressed; NumPy's level is too slow for a test.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    assert_is_mnist(load(tmp_path), arrays)
    assert_is_mnist(load(file), arrays)


def test_npz_in_fortran_order(tmp_path, arrays):
    fortran = {**arrays, "x_test": np.asfortranarray(arrays["x_test"])}
    np.savez(tmp_path / "mnist.npz", **fortran)
    assert_is_mnist(load(tmp_path), arrays)


def test_a_complete_folder_wins_over_an_incomplete_one(tmp_path, arrays):
    (tmp_path / NAMES[0]).write_bytes(b"half a download")
    copy_gz(tmp_path / "MNIST" / "raw")
    assert_is_mnist(load(tmp_path), arrays)


# ---- NEUROAI_C_DATA ----


def test_environment_folder_is_read(tmp_path, monkeypatch):
    # Only a damaged copy shows which of two equal sources was read.
    copy_gz(tmp_path / "mnist", leave_out=NAMES[:1])
    (tmp_path / "mnist" / NAMES[0]).write_bytes(b"damaged")
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=NAMES[0]):
        load()


@pytest.mark.parametrize("state", ["empty", "absent", "incomplete", "unset"])
def test_environment_without_mnist_gives_the_packages_copy(tmp_path, monkeypatch, arrays, state):
    folder = tmp_path / "data"
    if state != "absent":
        copy_gz(folder, leave_out=NAMES[1:] if state == "incomplete" else NAMES)
    monkeypatch.setenv("NEUROAI_C_DATA", "" if state == "unset" else str(folder))
    assert_is_mnist(load(), arrays)


def test_path_wins_over_the_environment(tmp_path, monkeypatch):
    copy_gz(tmp_path / "good")
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path / "good"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "empty")


# ---- missing ----


@pytest.mark.parametrize("path", [3, b"folder", ["folder"], 1.5])
def test_path_of_a_wrong_type(path):
    with pytest.raises(TypeError, match="path must be a str or a path-like object, got"):
        load(path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sub", SUBFOLDERS)
def test_one_file_missing(tmp_path, idx, sub, name):
    copy_gz(tmp_path / sub, leave_out=[name])
    with pytest.raises(FileNotFoundError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert name in message and sha256(idx[name]).hexdigest() in message
    assert not any(other in message for other in NAMES if other != name)
    assert all(str(tmp_path / folder) in message for folder in SUBFOLDERS)


@pytest.mark.parametrize("path", ["nothing", "nothing/mnist.npz"])
def test_nothing_there(tmp_path, path):
    with pytest.raises(FileNotFoundError) as caught:
        load(tmp_path / path)
    assert all(name in str(caught.value) for name in NAMES)
    assert str(tmp_path / path) in str(caught.value)


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    copy_gz(tmp_path / "data", leave_out=NAMES[2:3])
    with pytest.raises(FileNotFoundError) as caught:
        load("~/data")
    assert NAMES[2] in str(caught.value) and NAMES[0] not in str(caught.value)


def test_a_folder_with_the_name_of_a_file_is_no_file(tmp_path):
    copy_gz(tmp_path, leave_out=NAMES[:1])
    (tmp_path / NAMES[0]).mkdir()
    with pytest.raises(FileNotFoundError, match=NAMES[0]):
        load(tmp_path)


@pytest.mark.parametrize("key", KEYS)
def test_npz_without_a_key(tmp_path, arrays, key):
    np.savez(tmp_path / "mnist.npz", **{k: a for k, a in arrays.items() if k != key})
    with pytest.raises(ValueError, match=rf"mnist\.npz, {key}: wanted .* no item named"):
        load(tmp_path)


# ---- damaged IDX files ----


@pytest.mark.parametrize("layout", ["plain", "gz"])
@pytest.mark.parametrize("name", NAMES)
def test_one_bit_changed(tmp_path, idx, name, layout):
    data = bytearray(idx[name])
    data[-1] ^= 1
    file = write_idx(tmp_path, name, data, layout)
    with pytest.raises(ValueError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert str(file) in message
    assert sha256(idx[name]).hexdigest() in message and sha256(data).hexdigest() in message


@pytest.mark.parametrize("layout", ["plain", "gz"])
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda data: data[:-1], "wanted 47040016 bytes, uncompressed, got 47040015"),
        (lambda data: data + b"\0", "wanted 47040016 bytes, uncompressed, got more"),
        (lambda data: b"", "wanted 47040016 bytes, uncompressed, got 0"),
        (
            lambda data: struct.pack(">4I", 0x0D03, 60000, 28, 28) + data[16:],
            r"\(2051, 60000, 28, 28\), got \(3331, 60000, 28, 28\)",
        ),
        (
            lambda data: struct.pack(">4I", 0x0803, 28, 28, 60000) + data[16:],
            r"got \(2051, 28, 28, 60000\)",
        ),
    ],
    ids=["short", "long", "empty", "type", "sizes"],
)
def test_length_and_header(tmp_path, idx, layout, change, message):
    file = write_idx(tmp_path, NAMES[0], change(idx[NAMES[0]]), layout)
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path)
    assert str(file) in str(caught.value)


def test_train_and_test_swapped(tmp_path, idx):
    write_idx(tmp_path, NAMES[0], idx[NAMES[2]], "gz")
    with pytest.raises(ValueError, match="wanted 47040016 bytes, uncompressed, got 7840016"):
        load(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_truncated_gzip(tmp_path, name):
    data = copy_gz(tmp_path).joinpath(f"{name}.gz").read_bytes()
    (tmp_path / f"{name}.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=rf"{name}\.gz: wanted a whole gzip file, got"):
        load(tmp_path)


@pytest.mark.parametrize("damage", ["no gzip", "block", "body", "checksum", "trailing"])
def test_bad_gzip(tmp_path, idx, damage):
    file = copy_gz(tmp_path) / f"{NAMES[0]}.gz"
    data = bytearray(file.read_bytes())
    if damage == "no gzip":
        data = idx[NAMES[0]]
    elif damage == "block":
        data = gzip.compress(b"")[:10] + b"\x07"  # a block of the type that deflate reserves
    elif damage == "body":
        data[5000:5100] = bytes(100)
    elif damage == "checksum":
        data[-8] ^= 1
    else:
        data += b"something else"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=rf"{NAMES[0]}\.gz: wanted a whole gzip file, got"):
        load(tmp_path)


def peak_megabytes(path, message):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            load(path)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_gzip_bomb(tmp_path):
    # 2 GB of zeros as 2,000 gzip members one after the other.
    file = copy_gz(tmp_path, leave_out=NAMES[:1]) / f"{NAMES[0]}.gz"
    file.write_bytes(gzip.compress(bytes(2**20)) * 2000)
    assert peak_megabytes(tmp_path, "got more") < 150


# ---- damaged mnist.npz ----


@pytest.mark.parametrize("key", KEYS)
def test_npz_one_bit_changed(tmp_path, arrays, key):
    changed = arrays[key].copy()
    changed.flat[-1] ^= 1
    np.savez(tmp_path / "mnist.npz", **{**arrays, key: changed})
    with pytest.raises(ValueError, match=rf"mnist\.npz, {key}: these are not MNIST's values"):
        load(tmp_path)


@pytest.mark.parametrize(
    "change, got",
    [
        (lambda x: x[:10].astype(np.int64), r"int64 of shape \(10, 28, 28\)"),
        (lambda x: x.view(np.int8), r"int8 of shape \(60000, 28, 28\)"),
        (lambda x: x.reshape(60000, 784), r"uint8 of shape \(60000, 784\)"),
        (lambda x: x[:-1], r"uint8 of shape \(59999, 28, 28\)"),
        (lambda x: np.uint8(3), r"uint8 of shape \(\)"),
    ],
)
def test_npz_dtype_and_shape(tmp_path, arrays, change, got):
    np.savez(tmp_path / "mnist.npz", x_train=change(arrays["x_train"]))
    wanted = r"mnist\.npz, x_train: wanted uint8 of shape \(60000, 28, 28\), got "
    with pytest.raises(ValueError, match=wanted + got):
        load(tmp_path)


class Unpickled:
    """Leaves a trace when it is unpickled."""

    happened = False

    def __reduce__(self):
        return setattr, (Unpickled, "happened", True)


def test_npz_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=np.array([Unpickled()], dtype=object))
    with pytest.raises(ValueError, match="x_train: wanted uint8 .* got object"):
        load(tmp_path)
    assert not Unpickled.happened


@pytest.mark.parametrize("data", [b"", b"PK\3\4 no archive", bytes(1000)])
def test_no_npz(tmp_path, data):
    (tmp_path / "mnist.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"mnist\.npz, x_train: wanted .* got BadZipFile"):
        load(tmp_path)


def write_member(file, data, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("x_train.npy", data)


def npy_header(shape, **changes):
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape, **changes}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"no npy", npy_header((60000, 28, 28))[:40], b"\x93NUMPY\x01\x00\x20\x00" + b"(" * 32],
)
def test_npz_with_a_bad_member(tmp_path, data):
    write_member(tmp_path / "mnist.npz", data)
    with pytest.raises(ValueError, match=r"mnist\.npz, x_train: wanted"):
        load(tmp_path)


def test_npz_cut_in_its_values(tmp_path):
    write_member(tmp_path / "mnist.npz", npy_header((60000, 28, 28)) + bytes(1000))
    with pytest.raises(ValueError, match="wanted 47040000 bytes, uncompressed, got 1000"):
        load(tmp_path)


def test_npz_with_a_wrong_crc(tmp_path, arrays):
    file = tmp_path / "mnist.npz"
    np.savez(file, **arrays)
    with open(file, "r+b") as stream:
        stream.seek(10**6)
        stream.write(b"damage")
    with pytest.raises(ValueError, match="x_train: wanted .* Bad CRC-32"):
        load(file)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_with_an_unbounded_compression(tmp_path, method):
    write_member(tmp_path / "mnist.npz", npy_header((60000, 28, 28)), method)
    with pytest.raises(ValueError, match=f"compression method {method}"):
        load(tmp_path)


def test_npz_bomb(tmp_path):
    header = npy_header((60000, 28, 28))
    file = tmp_path / "mnist.npz"
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x_train.npy", "w") as member,
    ):
        member.write(header)
        for _ in range(300):
            member.write(bytes(2**20))
    assert peak_megabytes(tmp_path, "got more") < 150


def test_npz_header_that_claims_terabytes(tmp_path):
    write_member(tmp_path / "mnist.npz", npy_header((10**9, 28, 28)))
    assert peak_megabytes(tmp_path, r"got uint8 of shape \(1000000000, 28, 28\)") < 10
