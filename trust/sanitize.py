"""The Python tests under AddressSanitizer and UndefinedBehaviorSanitizer."""

import collections
import importlib.util
import os
import re

from . import sanitizers, skips
from .tools import build, instruction_sets, prove_that_it_looks

FLAGS = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined"
# C++'s library too: its exceptions have to be found by the sanitizer before NumPy brings it.
RUNTIMES = ("asan", "ubsan", "stdc++")
# What Python itself leaves behind at its end is not looked at; trust/leaks.py looks for leaks.
# Sizes without room are NULL for tests of what Python says then.
OPTIONS = ("detect_leaks=0:detect_stack_use_after_return=1:halt_on_error=1:print_stacktrace=1:"
           "allocator_may_return_null=1")

# What cannot run there, and why.
LEFT_OUT = {
    "tests/test_files.py::test_hostile_files_take_less_than_100_MB":
        "limits the address space, of which the sanitizer takes terabytes",
    "tests/test_kernels_in_c.py":
        "has programs with mistakes report them, which would count here; `kernels` runs the others",
}
# What is skipped there, and why that is all right.
SKIPPED = {
    **skips.KNOWN,
    "another library stands in front of malloc": "`allocations` has them fail without sanitizers",
    "the environment chooses the instruction set": "each has a run of its own here",
}
# The files whose tests are about the kernels; the others run on one instruction set.
KERNELS = ("activations", "average", "dropout", "golden", "layers", "loss", "masks", "matmul",
           "models", "network", "optimizer", "rate", "regularizers", "sequences", "snu", "spikes",
           "twin")
QUICK = ("golden", "average")
MODELS, QUICK_MODELS = 400, 20          # of trust/random_models.py

# A buffer that is one number too small, for its gap to be found; a sum that leaves its type, and
# of which nothing else can be noticed.
RIGHT = "layer->V = take(memory, used, B * T * m, sizeof(real));"
PLANTED = {
    "use-after-poison": ("network/layout.c", RIGHT, RIGHT.replace("* m", "* m - 1")),
    "signed integer overflow": ("network/layout.c", RIGHT,
                                RIGHT.replace("* m", "* m + (2147483647 + (int)B) / (1L << 32)")),
}


def check(quick=False):
    lib = build("asan", FLAGS)
    prove_that_it_looks(
        lambda mistake: random_models(sanitizers.planted(lib, FLAGS, *mistake), 10, ["baseline"]),
        PLANTED)
    *others, best = instruction_sets()
    tests = files(QUICK) if quick else ["tests", "notebooks", "neuroai_c"]
    counts, skipped = {}, collections.Counter()
    for isa in (best, *others):
        counts[isa], more = suite(lib, tests, isa)
        skipped += more
        tests = files(QUICK if quick else KERNELS)
    models = random_models(lib, QUICK_MODELS if quick else MODELS, [best, *others])
    counted = ", ".join(f"{count:,} on {isa}" for isa, count in counts.items())
    return (f"tests: {counted} ({len(LEFT_OUT)} left out, {skips.told(skipped)}); {models}: "
            "0 reports")


def files(names):
    return [f"tests/test_{name}.py" for name in names]


def suite(lib, tests, isa):
    """The number of tests that have passed, and the counts of those that are skipped."""
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    arguments += [f"--deselect={test}" for test in LEFT_OUT]
    if importlib.util.find_spec("xdist"):
        arguments += ["-n", str(os.cpu_count())]
    printed = python(lib, arguments, isa)
    passed = re.findall(r"^(?:.* )?(\d+) passed\b.* in [\d.]+s", printed, re.MULTILINE)
    return int(passed[-1]), skips.counted(printed, SKIPPED)


def random_models(lib, count, isas):
    """Models that no test has thought of, on each instruction set their share."""
    share, calls = count // len(isas), 0
    for i, isa in enumerate(isas):
        said = python(lib, ["-m", "trust.random_models", str(i * share), str(share)], isa)
        calls += int(re.search(r"(\d+) calls", said)[1])
    return f"{share * len(isas):,} random models, {calls:,} calls"


def python(lib, arguments, isa):
    return sanitizers.python(lib, RUNTIMES, OPTIONS, arguments, PYTHONMALLOC="malloc",
                             NEUROAI_C_ISA=isa)
