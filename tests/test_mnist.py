"""datasets.mnist: the same arrays from every layout; every damage is an error that names it."""

import gzip
import re
import shutil
import zipfile
from hashlib import sha256
from itertools import combinations

import damaged
import numpy as np
import pytest
import traced
from damaged import NAMES, PACKAGE, copy_gz, gz, write_idx

import neuroai_c as ai

KEYS = ["x_train", "y_train", "x_test", "y_test"]
SUBFOLDERS = ["", "mnist", "raw", "MNIST/raw"]


def load(path=None):
    train, test = ai.datasets.mnist.load_data(path)
    return [*train, *test]


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
@pytest.mark.parametrize("case", damaged.IDX)
def test_length_and_header(tmp_path, idx, layout, case):
    change, message = damaged.IDX[case]
    file = write_idx(tmp_path, NAMES[0], change(idx[NAMES[0]]), layout)
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("case", damaged.GZIP)
def test_bad_gzip(tmp_path, case):
    change, message = damaged.GZIP[case]
    file = copy_gz(tmp_path) / f"{NAMES[0]}.gz"
    file.write_bytes(change(file.read_bytes()))
    assert peak_megabytes(tmp_path, rf"{NAMES[0]}\.gz: .*{message}") < 60


def peak_megabytes(path, message):
    with traced.memory() as sizes:
        with pytest.raises(ValueError, match=message):
            load(path)
        return sizes()[1] / 2**20


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


@pytest.mark.parametrize("case", damaged.NPZ)
def test_bad_npz(tmp_path, case):
    make, message = damaged.NPZ[case]
    (tmp_path / "mnist.npz").write_bytes(make())
    assert peak_megabytes(tmp_path, rf"mnist\.npz, x_train: .*{message}") < 60


def test_npz_with_a_wrong_crc(tmp_path, arrays):
    file = tmp_path / "mnist.npz"
    np.savez(file, **arrays)
    with open(file, "r+b") as stream:
        stream.seek(10**6)
        stream.write(b"damage")
    with pytest.raises(ValueError, match="x_train: wanted .* Bad CRC-32"):
        load(file)
