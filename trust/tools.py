"""What the checks share: where things are, other programs, builds with other flags."""

import os
import shutil
import subprocess
import sys
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


def has(isa):
    """Whether this processor has the instruction set of a variant."""
    return isa == "baseline" or f" {isa}" in Path("/proc/cpuinfo").read_text()


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
