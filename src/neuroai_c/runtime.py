"""Threads, and what the installation is made of."""

import os
import platform
import sys

import numpy as np

from . import _core, checks
from .version import __version__

_VARIABLE = "NEUROAI_C_NUM_THREADS"
_DEFAULT_MOST = 8

# What csrc/runtime/team.h allows.
MOST_THREADS = 64


def set_num_threads(n):
    """Lets `fit`, `evaluate` and `predict` use n threads; results do not depend on n.

    Args:
        n: 1 to 64.  At the start: NEUROAI_C_NUM_THREADS, or the cores that this process may
            use, at most 8.

    Raises:
        TypeError, ValueError: n is no such number.

    Example:
        >>> before = get_num_threads()
        >>> set_num_threads(2)
        >>> get_num_threads()
        2
        >>> set_num_threads(before)
    """
    _core.set_num_threads(checks.integer("set_num_threads", "n", n, 1, MOST_THREADS))


def get_num_threads():
    """The threads that `fit`, `evaluate` and `predict` may use."""
    return _core.get_num_threads()


def _threads_at_start():
    if text := os.environ.get(_VARIABLE):
        if not text.isdecimal() or not 1 <= int(text) <= MOST_THREADS:
            raise ValueError(
                f"the environment variable {_VARIABLE} must be from 1 to {MOST_THREADS}, "
                f"got {checks.shown(text)}"
            )
        return int(text)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, _DEFAULT_MOST))


def show_versions(file=None):
    """Prints the versions, the build and the threads: what a report of a problem needs.

    Args:
        file: where to, anything with a method `write`.  Default: standard output.

    Raises:
        TypeError: a file without.

    Example:
        >>> show_versions()
        neuroai_c    ...
        threads      ...
    """
    if file is not None and not callable(getattr(file, "write", None)):
        raise TypeError(
            f"show_versions: file must have a method write, got {type(file).__name__}"
        )
    lines = {
        "neuroai_c": __version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "NumPy": np.__version__,
        "compiler": _core.COMPILER,
        "instructions": _core.ISA,
        "platform": platform.platform(),
        "threads": get_num_threads(),
    }
    for name, value in lines.items():
        print(f"{name:<12} {value}", file=file)


set_num_threads(_threads_at_start())
