"""The Python tests under AddressSanitizer and UndefinedBehaviorSanitizer."""

import importlib.util
import os
import re

from . import sanitizers
from .tools import build, instruction_sets

FLAGS = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined"
# C++'s library too: its exceptions have to be found by the sanitizer before NumPy brings it.
RUNTIMES = ("asan", "ubsan", "stdc++")
# What Python itself leaves behind at its end is not looked at; trust/leaks.py looks for leaks.
OPTIONS = "detect_leaks=0:detect_stack_use_after_return=1:halt_on_error=1:print_stacktrace=1"

# What cannot run there, and why.
LEFT_OUT = {
    "tests/test_files.py::test_hostile_files_take_less_than_100_MB":
        "limits the address space, of which the sanitizer takes terabytes",
}
# The files whose tests are about the kernels; the others run on one instruction set.
KERNELS = ("activations", "average", "dropout", "golden", "layers", "loss", "masks", "matmul",
           "models", "network", "optimizer", "rate", "regularizers", "sequences", "snu", "spikes",
           "twin")
QUICK = ("golden", "average")
MODELS, QUICK_MODELS = 400, 20          # of trust/random_models.py

# A buffer that is one number too small, for its gap to be found.
MISTAKE = ("network/layout.c", "layer->V = take(memory, used, B * T * m, sizeof(real));",
           "layer->V = take(memory, used, B * T * m - 1, sizeof(real));")


def check(quick=False):
    lib = build("asan", FLAGS)
    prove_that_it_looks(lib)
    *others, best = instruction_sets()
    tests = files(QUICK) if quick else ["tests", "notebooks", "neuroai_c"]
    counts = {best: suite(lib, tests, best)}
    for isa in others:
        counts[isa] = suite(lib, files(QUICK if quick else KERNELS), isa)
    models = random_models(lib, QUICK_MODELS if quick else MODELS, [best, *others])
    counted = ", ".join(f"{count:,} on {isa}" for isa, count in counts.items())
    return f"tests: {counted} ({len(LEFT_OUT)} left out); {models}: 0 reports"


def files(names):
    return [f"tests/test_{name}.py" for name in names]


def suite(lib, tests, isa):
    """The number of tests that have passed."""
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    arguments += [f"--deselect={test}" for test in LEFT_OUT]
    if importlib.util.find_spec("xdist"):
        arguments += ["-n", str(os.cpu_count())]
    return int(re.search(r"(\d+) passed", python(lib, arguments, isa))[1])


def random_models(lib, count, isas):
    """Models that no test has thought of, on each instruction set their share."""
    share, calls = count // len(isas), 0
    for i, isa in enumerate(isas):
        said = python(lib, ["-m", "trust.random_models", str(i * share), str(share)], isa)
        calls += int(re.search(r"(\d+) calls", said)[1])
    return f"{share * len(isas):,} random models, {calls:,} calls"


def prove_that_it_looks(lib):
    broken = sanitizers.planted(lib, FLAGS, *MISTAKE)
    try:
        python(broken, ["-m", "trust.random_models", "0", "10"], "baseline")
    except AssertionError as error:
        assert "use-after-poison" in str(error), error
    else:
        raise AssertionError("a buffer that is too small was not noticed")


def python(lib, arguments, isa):
    return sanitizers.python(lib, RUNTIMES, OPTIONS, arguments, PYTHONMALLOC="malloc",
                             NEUROAI_C_ISA=isa)
