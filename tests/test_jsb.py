"""datasets.JSB: the same arrays from every place; what is missing or damaged is named."""

import doctest
import functools
import hashlib
import http.server
import inspect
import json
import sys
import threading
import types
from pathlib import Path

import damaged
import neuroai_c as ai
import numpy as np
import pytest
from chorales import DATA, MISSING, NAME
from neuroai_c.datasets import jsb

SHA256 = "2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91"
TINY = json.dumps({
    "train": [[[21, 108], [], [60]], [[64]]],
    "valid": [[[22], [22]]],
    "test": [[[107, 23]], [[]], [[50]]],
}).encode()

needs_data = pytest.mark.skipif(DATA is None, reason=MISSING)


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch):
    """No folder and no download but those that a test names."""
    monkeypatch.delenv("NEUROAI_C_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)


@pytest.fixture
def tiny(monkeypatch):
    """TINY counts as the data."""
    monkeypatch.setattr(jsb, "_SHA256", hashlib.sha256(TINY).hexdigest())


def write(file, data=TINY):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def assert_is_tiny(parts):
    for part, chorales in zip(parts, json.loads(TINY).values(), strict=True):
        assert isinstance(part, list)
        for roll, steps in zip(part, chorales, strict=True):
            assert (roll.shape, roll.dtype) == ((len(steps), 88), np.uint8)
            wanted = [[int(21 + i in notes) for i in range(88)] for notes in steps]
            assert roll.tolist() == wanted


# ---- the data --------------------------------------------------------------


@needs_data
def test_the_data():
    parts = ai.datasets.JSB(DATA)
    assert isinstance(parts, tuple)
    assert [len(part) for part in parts] == [229, 76, 77]
    assert parts[0][0].shape == (129, 88)
    rolls = [roll for part in parts for roll in part]
    for roll in rolls:
        assert roll.dtype == np.uint8 and roll.ndim == 2 and roll.shape[1] == 88 and len(roll) > 1
        assert roll.flags.c_contiguous and roll.flags.writeable
        assert set(np.unique(roll)) == {0, 1}
    chorales = json.loads(DATA.read_text())
    steps = [notes for key in ("train", "valid", "test") for chorale in chorales[key] for notes in chorale]
    for row, notes in zip(np.concatenate(rolls), steps, strict=True):
        assert (np.flatnonzero(row) + 21).tolist() == sorted(set(notes))


@needs_data
def test_the_example():
    """Where the data are, what the docstring shows and does not run is run."""
    text = inspect.getdoc(ai.datasets.JSB)
    assert text.count("# doctest: +SKIP") == 2
    text = text.replace("# doctest: +SKIP", "").replace("JSB()", "JSB(DATA)")
    names = {"JSB": ai.datasets.JSB, "DATA": DATA}
    example = doctest.DocTestParser().get_doctest(text, names, "JSB", None, 0)
    assert doctest.DocTestRunner().run(example) == (0, 2)


# ---- where it is looked for ------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("place, path", [
    (NAME, ""), (f"jsb/{NAME}", ""), (f"jsb/{NAME}", "jsb"), (NAME, NAME), ("other.name", "other.name"),
])
def test_path(tmp_path, tiny, kind, place, path):
    write(tmp_path / place)
    assert_is_tiny(ai.datasets.JSB(kind(tmp_path / path)))


def test_home_is_expanded(tmp_path, monkeypatch, tiny):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "data" / NAME)
    assert_is_tiny(ai.datasets.JSB("~/data"))


@pytest.mark.parametrize("place", [NAME, f"jsb/{NAME}"])
def test_environment(tmp_path, monkeypatch, tiny, place):
    write(tmp_path / place)
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path))
    assert_is_tiny(ai.datasets.JSB())


def test_path_wins_over_the_environment(tmp_path, monkeypatch, tiny):
    write(tmp_path / NAME)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="empty"):
        ai.datasets.JSB(tmp_path / "empty")


def test_a_folder_for_both_data_sets(tmp_path, monkeypatch, tiny):
    """NEUROAI_C_DATA with JSB alone leaves MNIST to the package, and MNIST alone JSB to the download."""
    write(tmp_path / "jsb" / NAME)
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path))
    assert len(ai.datasets.mnist.load_data()[1][1]) == 10000
    assert_is_tiny(ai.datasets.JSB())
    monkeypatch.setenv("NEUROAI_C_DATA", str(Path(ai.datasets.mnist.__file__).parent))
    assert len(ai.datasets.mnist.load_data()[1][1]) == 10000
    with pytest.raises(FileNotFoundError, match="pooch"):
        ai.datasets.JSB()


# ---- missing and damaged ---------------------------------------------------


@pytest.mark.parametrize("path", [3, b"folder", ["folder"], 1.5, False])
def test_path_of_a_wrong_type(path):
    with pytest.raises(TypeError, match="JSB: path must be a str or a path-like object, got"):
        ai.datasets.JSB(path)


@pytest.mark.parametrize("path", ["", "nothing", f"nothing/{NAME}"])
def test_nothing_at_the_path(tmp_path, path):
    with pytest.raises(FileNotFoundError) as caught:
        ai.datasets.JSB(tmp_path / path)
    message = str(caught.value)
    assert NAME in message and SHA256 in message
    file = tmp_path / path if path.endswith(NAME) else tmp_path / path / NAME
    assert f"  {file}" in message.splitlines()


def test_a_folder_with_the_name_of_the_file_is_no_file(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(FileNotFoundError, match=SHA256):
        ai.datasets.JSB(tmp_path)


@pytest.mark.parametrize("case", damaged.JSB)
def test_damaged(tmp_path, case):
    write(tmp_path / NAME, damaged.JSB[case])
    with pytest.raises(ValueError, match=f"JSB: .*{NAME}: wanted"):
        ai.datasets.JSB(tmp_path)


def test_a_terabyte(tmp_path):
    with open(write(tmp_path / NAME), "r+b") as file:
        file.truncate(10**12)
    with pytest.raises(ValueError, match="got more than 1048576 bytes"):
        ai.datasets.JSB(tmp_path)


@pytest.mark.parametrize("state", ["unset", "empty", "absent"])
def test_missing_without_pooch(tmp_path, monkeypatch, state):
    if state != "unset":
        monkeypatch.setenv("NEUROAI_C_DATA", "" if state == "empty" else str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError) as caught:
        ai.datasets.JSB()
    message = str(caught.value)
    assert NAME in message and SHA256 in message and "pip install 'neuroai_c[data]'" in message
    assert "https://" in message
    assert (str(tmp_path / "absent" / NAME) if state == "absent" else "NEUROAI_C_DATA") in message


@pytest.mark.parametrize("data", [b"", TINY, b"\x80 no text", b"<html>"])
@pytest.mark.parametrize("by", ["path", "file", "environment"])
def test_another_file(tmp_path, monkeypatch, data, by):
    file = write(tmp_path / NAME, data)
    if by == "environment":
        monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path))
    with pytest.raises(ValueError) as caught:
        ai.datasets.JSB({"path": tmp_path, "file": file, "environment": None}[by])
    message = str(caught.value)
    assert str(file) in message
    assert f"wanted {NAME} of sha256 {SHA256}, got {hashlib.sha256(data).hexdigest()}" in message


@needs_data
def test_one_bit_changed(tmp_path):
    data = bytearray(DATA.read_bytes())
    data[-10] ^= 1
    write(tmp_path / NAME, data)
    with pytest.raises(ValueError, match=hashlib.sha256(data).hexdigest()):
        ai.datasets.JSB(tmp_path)


# ---- download --------------------------------------------------------------


def fake_pooch(monkeypatch, cache, retrieve):
    pooch = types.SimpleNamespace(os_cache=lambda project: cache / project, retrieve=retrieve)
    monkeypatch.setitem(sys.modules, "pooch", pooch)


def test_download(tmp_path, monkeypatch, tiny):
    calls = []

    def retrieve(url, known_hash, fname, path):
        calls.append((url, known_hash, fname, path))
        return str(write(path / fname))

    fake_pooch(monkeypatch, tmp_path, retrieve)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path / "empty"))
    assert_is_tiny(ai.datasets.JSB())
    url, known_hash, fname, path = calls.pop()
    assert url.startswith("https://") and url.endswith(f"/czhuang/JSB-Chorales-dataset/master/{NAME}")
    assert known_hash == f"sha256:{hashlib.sha256(TINY).hexdigest()}"
    assert (fname, path) == (NAME, tmp_path / "neuroai_c")
    # What is in a folder is not downloaded.
    assert_is_tiny(ai.datasets.JSB(path))
    monkeypatch.setenv("NEUROAI_C_DATA", str(path))
    assert_is_tiny(ai.datasets.JSB())
    assert not calls


def test_the_checksum_that_is_downloaded(tmp_path, monkeypatch):
    hashes = []
    fake_pooch(monkeypatch, tmp_path, lambda url, known_hash, fname, path: hashes.append(known_hash))
    with pytest.raises(TypeError):  # this one returns no path
        ai.datasets.JSB()
    assert hashes == [f"sha256:{SHA256}"]


@pytest.mark.parametrize("error", [ConnectionError("no route"), PermissionError("read-only"), OSError("full")])
def test_failed_download(tmp_path, monkeypatch, error):
    def retrieve(*arguments, **options):
        raise type(error)(*error.args)

    fake_pooch(monkeypatch, tmp_path, retrieve)
    with pytest.raises(FileNotFoundError) as caught:
        ai.datasets.JSB()
    message = str(caught.value)
    assert NAME in message and SHA256 in message and f"downloading it failed: {error}" in message
    assert "NEUROAI_C_DATA" in message and str(tmp_path / "neuroai_c" / NAME) in message


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The real pooch, with a server on this machine and a cache of the test's own."""
    monkeypatch.delitem(sys.modules, "pooch")
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "www").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Handler, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setattr(jsb, "_URL", f"http://127.0.0.1:{server.server_port}/{NAME}")
        yield tmp_path
        server.shutdown()
        thread.join()


def test_download_by_pooch(server, tiny):
    with pytest.raises(FileNotFoundError, match="404"):
        ai.datasets.JSB()
    write(server / "www" / NAME, b"the page of a hotel's network")
    with pytest.raises(ValueError, match=f"{NAME}.*{jsb._SHA256}"):
        ai.datasets.JSB()
    file = write(server / "www" / NAME)
    assert_is_tiny(ai.datasets.JSB())
    assert [path.name for path in (server / "cache" / "neuroai_c").iterdir()] == [NAME]
    file.unlink()
    assert_is_tiny(ai.datasets.JSB())  # from the cache
    write(server / "cache" / "neuroai_c" / NAME, b"damaged")
    write(file)
    assert_is_tiny(ai.datasets.JSB())  # a damaged copy in the cache is replaced
