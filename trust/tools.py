"""What the checks share: where things are, other programs, builds with other flags."""

import contextlib
import ctypes
import functools
import gc
import os
import re
import resource
import shutil
import subprocess
import sys
import tracemalloc
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".trust"                  # builds and corpora; not part of the repository


class Missing(Exception):
    """A program or a package that a check needs is not on this machine."""


def program(*names):
    """The path of the first of these programs that there is."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise Missing(f"needs {' or '.join(names)}")


@functools.cache
def instruction_sets():
    """Those of this machine, from the least on, by the library's own word for it."""
    binary = WORK / "kernels" / "isas"
    binary.parent.mkdir(parents=True, exist_ok=True)
    run([program("gcc"), "-std=c11", "-Werror", ROOT / "trust/c/isas.c",
         ROOT / "csrc/runtime/isa.c", "-o", binary])
    return subprocess.run([binary], check=True, capture_output=True, text=True).stdout.split()


def traced():
    """Bytes that tracemalloc knows, when nothing is held that need not be."""
    sys._clear_type_cache()             # it holds names, a new one for every address
    re.purge()                          # and these patterns and addresses with a path in them
    urllib.parse.clear_cache()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def resident():
    """Bytes that the process has in memory, after what is free was given back."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):      # another C library
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def run(command, *, env=None, **options):
    """The finished process of a command that has to succeed; `env` adds to the environment."""
    print("+", *command, flush=True)
    return subprocess.run(
        list(map(str, command)), check=True, cwd=options.pop("cwd", ROOT),
        env={**os.environ, **(env or {})}, **options,
    )


def prove_that_it_looks(look, planted):
    """`look` has to fail at each of the mistakes, and to say what the mistake is.

    `planted` maps what is said of a mistake to what `look` is given.
    """
    for said, mistake in planted.items():
        try:
            look(mistake)
        except AssertionError as error:
            assert said in str(error), f"{said!r} should be said, not: {error}"
        else:
            raise AssertionError(f"{said!r} should be said of a planted mistake: nothing was")


def build(name, flags, *, compiler="gcc"):
    """Builds the package with `flags` behind its own; returns the folder for PYTHONPATH.

    Goes through setup.py, as an installation does.  The folder is the check's own, and what is
    there is built anew only where the C is newer.
    """
    folder = WORK / name
    run(
        [sys.executable, "setup.py", "--quiet", "build",
         "--build-temp", folder / "objects", "--build-lib", folder / "lib"],
        env={"CC": cached(program(compiler)), "NEUROAI_C_CFLAGS": flags},
    )
    return folder / "lib"


def cached(compiler):
    """The compiler behind ccache, where there is one."""
    cache = shutil.which("ccache")
    return f"{cache} {compiler}" if cache else compiler
