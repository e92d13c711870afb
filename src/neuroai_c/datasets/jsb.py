"""JSB chorales, 382 of Bach's chorales in quarter notes, from a folder of yours or downloaded."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from .. import checks

_NAME = "jsb-chorales-quarter.json"
_SHA256 = "2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91"
_URL = f"https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/master/{_NAME}"
_MOST = 1 << 20  # bytes; the file has 407,200
_LOWEST = 21  # MIDI numbers of a piano's first and last key
_HIGHEST = 108


def JSB(path=None):
    """Loads the JSB chorales as piano rolls: which of 88 notes sound at each quarter note.

    The file is checked by sha256, so that every source gives the same arrays.

    Args:
        path: None, or a folder (str or path-like) with `jsb-chorales-quarter.json` in it or in
            its `jsb`, or the path of that file itself. With None: the folder named by the
            environment variable `NEUROAI_C_DATA`, if the file is there; otherwise the cache of
            pooch (extra `data`), which downloads the file the first time.

    Returns:
        `train, valid, test`: lists of 229, 76 and 77 uint8 arrays (T, 88) of 0 and 1, each of
        a length of its own. Column i is the MIDI note 21 + i.

    Raises:
        TypeError: `path` is no path.
        FileNotFoundError: the file is not there, and cannot be downloaded; says which file, its
            sha256 and where to put it. With a `path`, nothing else is tried.
        ValueError: the file is not the one with this sha256.

    Source: N. Boulanger-Lewandowski et al., ICML 2012; the file is a copy in quarter notes,
    github.com/czhuang/JSB-Chorales-dataset.

    Example:
        >>> train, valid, test = JSB()  # doctest: +SKIP
        >>> len(train), len(valid), len(test), train[0].shape  # doctest: +SKIP
        (229, 76, 77, (129, 88))
    """
    if path is not None:
        path = checks.path("JSB", "path", path)
        file = _find(path)
        if file is None:
            raise _missing(_places(path))
    else:
        folder = os.environ.get("NEUROAI_C_DATA")
        folder = checks.path("JSB", "NEUROAI_C_DATA", folder) if folder else None
        file = (folder and _find(folder)) or _download(folder)
    return _parse(file, _read(file))


def _find(root):
    """The file `root`, or the one in the folder `root`; None if it is not there."""
    return next((file for file in [root, *_places(root)] if file.is_file()), None)


def _places(root):
    return [root] if root.suffix == ".json" else [root / _NAME, root / "jsb" / _NAME]


def _download(folder):
    """The file in the cache, downloaded if it is not there yet, as it is not in `folder`."""
    places = _places(folder) if folder else ["a folder named by the variable NEUROAI_C_DATA"]
    try:
        import pooch
    except ModuleNotFoundError as error:
        why = "pooch, which downloads it, is not installed: pip install 'neuroai_c[data]'"
        raise _missing(places, why) from error
    cache = pooch.os_cache("neuroai_c")
    try:
        return Path(pooch.retrieve(_URL, f"sha256:{_SHA256}", fname=_NAME, path=cache))
    except OSError as error:  # requests' errors are among them
        raise _missing([*places, cache / _NAME], f"downloading it failed: {error}") from None


def _missing(places, why=None):
    return FileNotFoundError(
        f"JSB: {_NAME} (sha256 {_SHA256}) is missing.\n"
        + (f"{why}\nIts public copy: {_URL}\n" if why else "")
        + "Put it at one of the places looked at:\n"
        + "\n".join(f"  {place}" for place in places)
    )


def _read(file):
    with open(file, "rb") as stream:
        data = stream.read(_MOST + 1)       # no more, whatever lies there
    if len(data) > _MOST:
        raise ValueError(f"JSB: {file}: wanted {_NAME}, got more than {_MOST} bytes")
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != _SHA256:
        raise ValueError(f"JSB: {file}: wanted {_NAME} of sha256 {_SHA256}, got {sha256}")
    return data


def _parse(file, data):
    """(train, valid, test) from the file's bytes; ValueError for other than such chorales."""
    try:
        chorales = json.loads(data)
        train, valid, test = (
            [_piano_roll(steps) for steps in chorales[part]] for part in ("train", "valid", "test")
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"JSB: {file}: wanted chorales as lists of steps, these as lists of notes, in train, "
            f"valid and test, got {type(error).__name__}: {error}"
        ) from error
    return train, valid, test


def _piano_roll(steps):
    """(T, 88) from T lists of MIDI notes."""
    roll = np.zeros((len(steps), _HIGHEST - _LOWEST + 1), np.uint8)
    for t, notes in enumerate(steps):
        for note in notes:
            roll[t, checks.integer("JSB", "a note", note, _LOWEST, _HIGHEST) - _LOWEST] = 1
    return roll
