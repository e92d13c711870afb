"""The analyzers of gcc and clang, and the strictest warnings, over every C file."""

import os
import re
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy

from .tools import ROOT, WORK, Missing, program, prove_that_it_looks

# As setup.py compiles; the headers of Python and NumPy are not ours to judge.
FLAGS = (
    "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-pthread",
    "-DNPY_TARGET_VERSION=NPY_1_23_API_VERSION",
    "-isystem", sysconfig.get_path("include"), "-isystem", numpy.get_include(),
)
GCC = (
    "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wvla", "-Wundef", "-Wformat=2",
    "-Wformat-signedness", "-Wformat-overflow=2", "-Wformat-truncation=2",
    "-Wconversion", "-Wsign-conversion", "-Warith-conversion", "-Wdouble-promotion",
    "-Wcast-qual", "-Wcast-align=strict", "-Wpointer-arith", "-Wwrite-strings",
    "-Wnull-dereference", "-Warray-bounds=2", "-Wstringop-overflow=4", "-Wshift-overflow=2",
    "-Wstrict-overflow=2", "-Walloca", "-Walloc-zero", "-Winit-self", "-Wlogical-op",
    "-Wduplicated-cond", "-Wduplicated-branches", "-Wjump-misses-init", "-Wimplicit-fallthrough=5",
    "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wmissing-declarations",
    "-Wold-style-definition", "-Wredundant-decls", "-Wnested-externs", "-Wunused-macros",
    "-Wtrampolines", "-Wpacked", "-Wdate-time", "-Wdisabled-optimization",
)
# All that clang has, but for what is a matter of taste or not C.
CLANG = (
    "-Weverything",
    "-Wno-padded",                          # a struct's order is that of its meaning
    "-Wno-unsafe-buffer-usage",             # asks for C++ containers
    "-Wno-declaration-after-statement",     # C90
    "-Wno-disabled-macro-expansion",        # Py_None and the like
    "-Wno-float-equal",                     # where it stands equality is meant: 0, 1, a maximum
    "-Wno-switch-enum",                     # wants every name although there is a default
    "-Wno-bad-function-cast",               # (real)count(...) is not one
)
# What single files cannot do without.
OWNERS = "-Wno-cast-qual"                   # they fill and free what kernels may only read
ALSO = {
    "csrc/python/module.c": "-Wno-pedantic",        # Python's slots keep functions as void *
    "csrc/python/py_spikes.c": OWNERS,
    "csrc/variants/f64_baseline.c": OWNERS,
    "csrc/variants/f64_avx2.c": OWNERS,
    "csrc/variants/f64_avx512.c": OWNERS,
}
# Bugs in a program made to be found, and of one of them what each has to say.
SAID = {
    "warnings of gcc": "[-Wconversion]",
    "warnings of clang": "[-Wshorten-64-to-32]",
    "clang-tidy": "[clang-analyzer-unix.Malloc",
    "gcc -fanalyzer": "[-Wanalyzer-use-after-free]",
}
PLANTED = r"""
#include <stddef.h>
#include <stdlib.h>
int planted(int n, ptrdiff_t wide);
int planted(int n, ptrdiff_t wide)
{
    int *p = n > 3 ? malloc(sizeof *p) : NULL;
    const int narrow = wide;

    *p = narrow;
    free(p);
    return *p;
}
"""


def check(quick=False):
    found, done, missing = [], [], []
    files = units(quick)
    planted = WORK / "planted.c"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(PLANTED)
    for name, programs, arguments, flags in passes(quick):
        try:
            command = (program(*programs), *arguments)
        except Missing as error:
            missing.append(f"{name} {error}")
            print(f"  {missing[-1]}", flush=True)
            continue
        prove_that_it_looks(partial(forbid, command, flags), {SAID[name]: planted})
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outputs = list(pool.map(partial(judge, command, flags), files))
        found += [output for output in outputs if output]
        done.append(name)
        print(f"  {name}: {len(files)} files, {sum(map(bool, outputs))} with findings", flush=True)
    assert not found, "\n".join(found)
    outcome = f"{', '.join(done)} over {len(files)} files: 0 findings"
    outcome = "; ".join([outcome, *missing])
    if missing and not quick:
        raise Missing(outcome)
    return outcome


def units(quick):
    """What is compiled: the rest is included there.  Quick: one variant stands for all."""
    folders = ("kernels/spikes", "python/border", "python/module", "python/py_spikes",
               "python/py_team", "runtime/isa", "runtime/team")
    variants = sorted(f"variants/{path.stem}" for path in (ROOT / "csrc/variants").glob("*.c"))
    return [f"csrc/{unit}.c" for unit in (*folders, *(variants[:1] if quick else variants))]


def passes(quick):
    """(name, programs of which one will do, arguments, the compiler's flags).

    The analyzer of gcc takes a minute and 3 GB for a variant.
    """
    yield "warnings of gcc", ("gcc",), ("-O2", "-c", "-o", os.devnull), GCC
    yield "warnings of clang", ("clang-16", "clang"), ("-fsyntax-only",), CLANG
    yield ("clang-tidy", ("clang-tidy-16", "clang-tidy"),
           ("--quiet", f"--config-file={ROOT}/.clang-tidy"), None)
    if not quick:
        yield ("gcc -fanalyzer", ("gcc",), ("-O1", "-fanalyzer", "-c", "-o", os.devnull), ())


def judge(command, flags, file):
    """What is said of a file, or nothing."""
    if flags is None:                       # clang-tidy: the compiler's flags stand behind
        line = [*command, file, "--", *FLAGS]
    else:
        line = [*command, *FLAGS, *flags, *ALSO.get(str(file), "").split(), file]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True,
                          check=False)
    said = done.stdout + done.stderr
    return said if done.returncode or re.search(r"\b(warning|error):", said) else ""


def forbid(command, flags, file):
    said = judge(command, flags, file)
    assert not said, said
