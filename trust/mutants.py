"""Small wrong changes of the C, one at a time: the tests catch each (trust/mutations.py).

Each is made in a copy of the project, of which only the variants of one instruction set are
compiled, and tested until the first failure: by the tests of its own noun first.
"""

import collections
import concurrent.futures
import importlib.util
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from . import tools
from .mutations import MUTANTS, Mutant

# The tests that see a change of a file first, where they are not those of the file's own name.
NOUNS = {
    "activation.h": ("activations", "layers", "snu"),
    "average.c": ("average", "network", "masks"),
    "dense.c": ("layers", "network"),
    "input.c": ("spikes", "network", "snu"),
    "layers.c": ("layers", "dropout", "regularizers", "network"),
    "loss.c": ("loss", "network"),
    "outputs.c": ("fit", "network", "models"),
    "py_rate.c": ("rate",),
    "run.c": ("fit", "network", "models"),
    "snu.c": ("masks", "network", "snu"),
    "update.c": ("optimizer", "network", "models"),
    "vec.h": ("spikes", "network", "models"),
}
# Those that see most of the others; then all tests.
NEXT = ("network", "masks", "sequences", "snu", "fit", "models", "golden")
# The list of mutants does not hold for a mutant; the twin does without the C.
LEFT_OUT = ("mutants", "twin")

SECONDS_A_TEST = 120                    # the longest takes a tenth: more is an endless loop
FOLDER = tools.WORK / "mutants"
FLAGS = "-O1 -g0 -w -DINLINE=static"    # compiled in seconds
STUB = """#include "../python/border.h"

static PyMethodDef methods[] = {{NULL, NULL, 0, NULL}};

const Variant variant_%s = {"%.3s", methods};
"""


def check(quick=False):
    """Every mutant is caught but those that are equivalent, which pass all tests."""
    if not importlib.util.find_spec("pytest_timeout"):
        raise tools.Missing("needs pytest-timeout")
    mutants = [(file, mutant) for file, some in MUTANTS.items() for mutant in some]
    mutants = mutants[::len(mutants) // 5] if quick else mutants
    there = [(file, mutant) for file, mutant in mutants if mutant.isa in tools.instruction_sets()]
    unchanged = [(None, Mutant("", "", isa)) for isa in sorted({job[1].isa for job in there})]
    cores = len(os.sched_getaffinity(0))
    trees = queue.SimpleQueue()
    for k in range(cores):
        trees.put(_copy(FOLDER / str(k)))

    def test(job):
        tree = trees.get()
        try:
            return _test(tree, *job, quick)
        finally:
            trees.put(tree)

    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        outcomes = list(pool.map(test, [*unchanged, *there]))
    assert set(outcomes[:len(unchanged)]) == {"survived"}, "tests fail though nothing is changed"

    count = collections.Counter()
    wrong = []
    for (file, mutant), outcome in zip(there, outcomes[len(unchanged):]):
        count["equivalent" if mutant.equivalent else outcome] += 1
        if outcome == "broken" or (outcome == "survived") != bool(mutant.equivalent):
            wrong.append(f"{outcome}: {_told(file, mutant)}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(there)} mutants:", *wrong])
    return (f"{len(there)} mutants: {len(there) - count['equivalent']} caught by the tests "
            f"({count['crashed']} of them crash, {count['hung']} hang), {count['equivalent']} "
            f"equivalent, 0 others; {len(mutants) - len(there)} not for this processor")


def _copy(tree):
    """A copy of the project, with the C as it is in a folder of its own."""
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(tools.ROOT, tree, ignore=shutil.ignore_patterns(
        ".*", "__pycache__", "build", "results", "notebooks", "*.so", "*.egg-info"))
    shutil.copytree(tree / "csrc", tree / "unchanged")
    for noun in LEFT_OUT:
        (tree / "tests" / f"test_{noun}.py").unlink()
    return tree


def _told(file, mutant):
    old, new = " ".join(mutant.old.split()), " ".join(mutant.new.split())
    return f"{file} ({mutant.isa}): {old}  ->  {new}" if file else f"nothing changed ({mutant.isa})"


# ---- a mutant ------------------------------------------------------------------------------


def _test(tree, file, mutant, quick):
    """killed, crashed (the interpreter), hung, survived, or broken: it does not compile."""
    outcome, by = "broken", ""
    if _build(tree, file, mutant):
        for i, nouns in enumerate(_groups(file, mutant, quick)):
            outcome, by = _run(tree, mutant, nouns)
            # Again: another program may have kept it waiting, or tests of other things, which may
            # fail by chance, have failed.
            if outcome == "hung" or (outcome != "survived" and i > 0):
                outcome, by = _run(tree, mutant, nouns)
            if outcome != "survived":
                break
    print(f"{outcome:<8} {_told(file, mutant)}   {by}", flush=True)
    return outcome


def _build(tree, file, mutant):
    """Whether the copy compiles with this change."""
    shutil.rmtree(tree / "csrc")
    shutil.copytree(tree / "unchanged", tree / "csrc")
    for variant in (tree / "csrc" / "variants").glob("*_*.c"):
        if not variant.stem.endswith(f"_{mutant.isa}"):
            variant.write_text(STUB % (variant.stem, variant.stem))
    if file:
        path = tree / "csrc" / file
        text = path.read_text()
        assert text.count(mutant.old) == 1, f"not there once: {_told(file, mutant)}"
        path.write_text(text.replace(mutant.old, mutant.new))
    compiler = tools.cached(tools.program("gcc"))
    return subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build", "--force", "--build-lib", "build/lib",
         "--build-temp", "build/objects"], cwd=tree, capture_output=True,
        env={**os.environ, "CC": compiler, "NEUROAI_C_CFLAGS": FLAGS}).returncode == 0


def _groups(file, mutant, quick):
    """The nouns of the tests, in the order in which they run; each group is one run of pytest."""
    every = sorted(path.stem.removeprefix("test_") for path in (tools.ROOT / "tests").glob("test_*.py"))
    every = [noun for noun in every if noun not in LEFT_OUT]
    if not file:
        return [["network"] if quick else every]
    name = Path(file).name
    first = NOUNS.get(name) or (name.partition(".")[0],)
    if mutant.equivalent and quick:
        return [first]
    second = [noun for noun in NEXT if noun not in first]
    return [first, second, [noun for noun in every if noun not in {*first, *second}]]


def _run(tree, mutant, nouns):
    """What a run of pytest says, and which test said it."""
    pytest = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider",
         "--timeout", str(SECONDS_A_TEST), "--timeout-method", "thread",
         *[f"tests/test_{noun}.py" for noun in nouns]],
        cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True, env={
            **os.environ, "PYTHONPATH": str(tree / "build" / "lib"), "NEUROAI_C_ISA": mutant.isa,
            "PYTHONDONTWRITEBYTECODE": "1"})
    output, _ = pytest.communicate()
    try:
        os.killpg(pytest.pid, signal.SIGKILL)           # what a test has started and left behind
    except ProcessLookupError:
        pass
    if pytest.returncode == 0:
        return "survived", ""
    if pytest.returncode < 0:
        return "crashed", f"signal {-pytest.returncode}"
    if "+ Timeout +" in output:
        return "hung", ""
    failed = re.search(r"^(FAILED|ERROR) (\S+)", output, re.MULTILINE)
    assert failed, f"pytest ended with {pytest.returncode}:\n{output[-2000:]}"
    return "killed", failed[2]
