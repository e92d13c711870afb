"""The kernels without Python: C programs against their formulas, plain and under sanitizers."""

import ast
import concurrent.futures
import functools
import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from .tools import ROOT, WORK, instruction_sets, program, prove_that_it_looks

SOURCES = ROOT / "trust" / "c"
# One a file of csrc/kernels, of activation.h too (vec.h is what all of them are made of), and one
# of the network and its threads.
PROGRAMS = tuple(sorted(path.stem.removeprefix("test_") for path in SOURCES.glob("test_*.c")))
PRECISIONS = ("f32", "f64")
ONLY_F64 = ("rate",)                    # no part of a float32 variant

SLOW = ("snu", "network")               # they have a loop for each g and h, inlined
PLAIN = ("-O3",)
# Without the many copies that inlining makes of each loop they are built in a tenth of the time,
# and every line of the source is looked at all the same.
ONE_COPY = "-DINLINE=static"
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", ONE_COPY)
# Warnings are errors, but what clang says of loops that call libm: it cannot make vectors of them.
STRICT = ("-Werror", "-Wno-pass-failed")

# A program with room for a mistake that no compiler sees, and what the sanitizers have to find.
WITH_MISTAKE = """
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    volatile int *volatile p = malloc(4 * sizeof *p);

    (void)argv;
    if (!p)
        return 1;
    %s
    free((void *)p);
    return 0;
}
"""
OVERRUN = "p[argc + 3] = 1;"            # argc is 1
PLANTED = {
    "heap-buffer-overflow": OVERRUN,
    "signed integer overflow": "p[0] = 2147483647; p[0] = p[0] + argc;",
}


class Build(NamedTuple):
    name: str                           # of PROGRAMS
    precision: str
    isa: str
    compiler: str
    flags: tuple

    def path(self):
        kind = "sanitized" if self.flags == SANITIZED else "".join(self.flags)
        folder = WORK / "kernels" / f"{Path(self.compiler).name}_{kind}"
        return folder / f"{self.name}_{self.precision}_{self.isa}"

    def records(self):
        return self.path().with_suffix(".txt")


def check(quick=False):
    """All programs of all builds end well and have recorded the same numbers."""
    compilers = [program("gcc")]
    if not quick and (clang := shutil.which("clang") or shutil.which("clang-16")):
        compilers.append(clang)
    isas = instruction_sets()
    builds = [
        build
        for compiler, flags in itertools.product(compilers, (SANITIZED, PLAIN))
        for build in all_builds(compiler, flags, isas)
        # snu.c at -O3 is what takes long
        if not (quick and flags == PLAIN and (build.isa != isas[-1] or build.name in SLOW))
        and not (quick and flags == SANITIZED and build.isa not in (isas[0], isas[-1]))
    ]
    for compiler in compilers:
        prove_that_it_looks(functools.partial(run_planted, compiler), PLANTED)
    checks = sum(at_once(build_and_run, builds))
    numbers = compare_records(builds)
    return (
        f"{len(builds)} builds ({len(PROGRAMS)} programs x {' '.join(PRECISIONS)} x "
        f"{' '.join(isas)}, {' '.join(Path(compiler).name for compiler in compilers)}, "
        f"-O3 and ASan+UBSan), {checks:,} numbers right, 0 reports; "
        f"{numbers:,} numbers with the same bits in all builds"
    )


def all_builds(compiler, flags, isas, programs=PROGRAMS):
    return [
        Build(name, precision, isa, compiler, tuple(flags))
        for name, precision, isa in itertools.product(programs, PRECISIONS, isas)
        if precision == "f64" or name not in ONLY_F64
    ]


def project_flags():
    """CFLAGS of setup.py."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "CFLAGS":
            return ast.literal_eval(node.value)
    raise AssertionError("setup.py has no CFLAGS")


def compile_planted(compiler, flags, mistake):
    build = Build("planted", "f64", "baseline", compiler, tuple(flags))
    source = build.path().with_suffix(".c")
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(WITH_MISTAKE % mistake)
    return compile_program(build, source=source)


def run_planted(compiler, mistake):
    succeed([compile_planted(compiler, SANITIZED, mistake)])


def compile_program(build, command=(), link=("-lm", "-pthread"), source=None):
    """Builds it; `command` is the compiler with what has to stand before all else."""
    source = source or SOURCES / f"test_{build.name}.c"
    path = build.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [*(command or [build.compiler]), *project_flags(), *STRICT, *build.flags,
               *(["-DNEUROAI_FLOAT64"] if build.precision == "f64" else []),
               *([f"-DNEUROAI_{build.isa.upper()}"] if build.isa != "baseline" else [])]
    cache = [shutil.which("ccache")] if shutil.which("ccache") else []
    for line in (
        [*cache, *command, "-c", source, "-o", path.with_suffix(".o")],
        [*command, path.with_suffix(".o"), "-o", path, *link],
    ):
        succeed(line)
    return path


def succeed(command, seconds=1200):
    """What the command prints; AssertionError with all of it where it fails."""
    shown = " ".join(str(word) for word in command)
    try:
        done = subprocess.run([str(word) for word in command], check=False, capture_output=True,
                              text=True, cwd=ROOT, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{shown}\ntook more than {seconds} s") from None
    assert done.returncode == 0, f"{shown}\n{done.stdout}{done.stderr}"[:6000]
    return done.stdout


def build_and_run(build):
    """How many numbers it has compared."""
    return checks_of(succeed([compile_program(build), build.records()]))


def checks_of(printed):
    """From a program's last line: 'f32 avx2: 1234 checks'."""
    return int(printed.split()[-2])


def at_once(function, items):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))


def compare_records(builds):
    """How many numbers are the same, bit for bit, in every build of a program and precision."""
    numbers = 0
    first = {}
    for build in builds:
        lines = build.records().read_text().splitlines()
        other, wanted = first.setdefault((build.name, build.precision), (build, lines))
        for line, (ours, theirs) in enumerate(itertools.zip_longest(lines, wanted), 1):
            assert ours == theirs, (
                f"{build.records()}:{line} and {other.records()}:{line} differ:\n"
                f"{(ours or '')[:200]}\n{(theirs or '')[:200]}"
            )
        numbers += sum(line.count(" ") - 1 for line in lines) if build is other else 0
    return numbers
