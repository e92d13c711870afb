"""Every test in a loop until the memory that Python traces is flat, and the process's until it is.

As a pytest plugin, `python -m pytest -p trust.leaks FILES`, it repeats each test, with fixtures
made anew, until no repetition in a row of some leaves more memory behind than the one before
them.  A test that does not get there fails, with the lines whose memory grew.
"""

import array
import collections
import concurrent.futures
import gc
import os
import re
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from _pytest.fixtures import FixtureDef
from _pytest.runner import runtestprotocol

from . import skips
from .tools import ROOT, resident, traced

QUIET = 3               # repetitions that must not grow
MOST = 30               # repetitions after which memory that still grows is a leak

# What is run once or not at all, and why.
LEFT_OUT = {
    "notebooks": "they run in kernels of their own",
    "tests/test_package.py": "looks at files, and starts Python anew",
    "tests/test_scripts.py": "starts Python anew",
    "tests/test_benchmarks.py": "starts Python anew",
    "tests/test_fuzz.py": "hypothesis keeps a little of every run; trust/fuzz.py looks itself",
}
QUICK = ("tests/test_optimizer.py", "tests/test_spikes.py", "tests/test_callbacks.py")


# ---- the plugin ---------------------------------------------------------------------------

_fixtures = []
_counts = {"tests": 0, "runs": 0, "skipped": 0}


def pytest_collection_finish(session):
    gc.collect()
    _fixtures.extend(thing for thing in gc.get_objects() if isinstance(thing, FixtureDef))
    gc.freeze()
    tracemalloc.start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    place = {"nodeid": item.nodeid, "location": item.location}
    item.ihook.pytest_runtest_logstart(**place)
    for report in _looped(item, nextitem):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(**place)
    return True


def pytest_terminal_summary(terminalreporter):
    counts = ", ".join(f"{number} {name}" for name, number in _counts.items())
    terminalreporter.write_line(f"leaks: {counts}")


def _looped(item, nextitem):
    """Runs a test until its memory is flat; the reports of the last time."""
    names = dict(item.dtest.globs) if hasattr(item, "dtest") else None
    sizes = array.array("q", bytes(8 * MOST))       # which does not grow
    times = 0
    known = {}

    def run():
        if times:                       # what a test has used up, it gets again
            getattr(item, "_initrequest", lambda: None)()
            item._report_sections.clear()           # what it has printed
            if names is not None:
                item.dtest.globs.update(names)
        _counts["runs"] += 1
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        assert tracemalloc.is_tracing(), f"{item.nodeid}: stops what measures its memory"
        if "matplotlib.pyplot" in sys.modules:      # it keeps pictures until they are closed
            sys.modules["matplotlib.pyplot"].close("all")
        return reports

    _counts["tests"] += 1
    while times < MOST:
        reports = None
        reports = run()
        if not all(report.passed for report in reports):
            _counts["skipped"] += any(report.skipped for report in reports)
            return reports
        # Those that outlive a test, tmp_path_factory say, are told of each that used them.
        for fixture in _fixtures:
            del fixture._finalizers[known.setdefault(fixture, len(fixture._finalizers)) :]
        sizes[times] = traced()
        times += 1
        if times > QUIET and max(sizes[times - QUIET : times]) <= sizes[times - QUIET - 1]:
            return reports
    before = tracemalloc.take_snapshot()
    for _ in range(QUIET):
        reports = run()
    traced()
    grown = tracemalloc.take_snapshot().compare_to(before, "lineno")
    lines = [str(line) for line in grown if line.size_diff > 0 and "tracemalloc" not in str(line)]
    reports[1].outcome = "failed"
    reports[1].longrepr = "\n".join([
        f"{item.nodeid}: memory is not flat after {MOST} repetitions: "
        + ", ".join(f"{size:,}" for size in sizes[-6:]) + " bytes; what grew:", *lines[:8],
    ])
    return reports


# ---- memory that Python does not trace -------------------------------------------------------

ROUNDS = 1000


def _rounds(number):
    """Models, training, prediction and spikes, made and dropped again."""
    import numpy as np

    import neuroai_c as ai

    rng = np.random.default_rng(0)
    pixels, y = rng.random((60, 50)), rng.random((60, 10))
    for i in range(number):
        ai.set_num_threads(1 + i % 4)
        spikes = ai.utils.transform_rate(pixels, 20, 6, seed=i)
        model = ai.Sequential([
            ai.layers.InputLayer([None, 50]),
            ai.layers.SNU(40 + i % 7, recurrent=i % 2 == 0, return_sequences=True),
            ai.layers.SNU(10, lateral_inhibition="sample"),
        ], seed=i)
        model.compile("adam")
        model.fit(spikes, y, batch_size=20, verbose=0)
        model.predict(spikes[::2], verbose=0)


def watch_resident(rounds):
    """Prints by how many bytes the process grows in that many rounds, after as many."""
    _rounds(rounds)
    before = resident()
    _rounds(rounds)
    print(resident() - before)


# ---- the check --------------------------------------------------------------------------------


def _command(*arguments):
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment,
                          capture_output=True, text=True)


def _loop(path):
    """The number of a file's tests that end flat, of their runs, and why others are skipped."""
    # Of a folder that all share, one that keeps nothing removes what others are at.
    with tempfile.TemporaryDirectory(prefix="leaks-") as folder:
        process = _command("-m", "pytest", "-p", "trust.leaks", "-p", "no:cacheprovider", "-q",
                           "-o", "tmp_path_retention_policy=none", "--basetemp", f"{folder}/tests",
                           str(path))
    found = re.search(r"^leaks: (\d+) tests, (\d+) runs, (\d+) skipped$", process.stdout, re.M)
    assert process.returncode == 0 and found, f"{path}\n{process.stdout}{process.stderr}"
    tests, runs, skipped = map(int, found.groups())
    why = skips.counted(process.stdout)
    assert why.total() == skipped, f"{path}: {skipped} skipped, told of {why}"
    return tests - skipped, runs, why


def _outcome(path):
    """What `_loop` has counted, or how it failed: one that fails hides no other."""
    try:
        return _loop(path)
    except AssertionError as error:
        return str(error)


PLANTED = """
kept, count = [], 0

def test_flat():
    bytes(1000)

def test_kept():
    kept.append(bytes(100))

def test_kept_now_and_then():
    global count
    count += 1
    if count % 3 == 0:
        kept.append(bytes(100))
"""


def _prove():
    """Tests that keep memory are found, and no other."""
    with tempfile.TemporaryDirectory(prefix="leaks-") as folder:
        path = Path(folder, "test_planted.py")
        path.write_text(PLANTED)
        found = re.findall(r"^FAILED .*::(\w+)", str(_outcome(path)), re.M)
    assert found == ["test_kept", "test_kept_now_and_then"], f"of what was planted: {found}"


def check(quick=False):
    _prove()
    if quick:
        paths = [ROOT / path for path in QUICK]
    else:
        paths = [path for path in sorted(ROOT.glob("tests/test_*.py"))
                 if str(path.relative_to(ROOT)) not in LEFT_OUT]
        paths.append("neuroai_c")       # its examples
    rounds = ROUNDS // 10 if quick else ROUNDS
    grown = int(_command("-c", f"from trust import leaks; leaks.watch_resident({rounds})").stdout)
    assert grown < MOST_GROWTH, f"the process grew by {grown:,} bytes in {rounds} rounds"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(_outcome, paths))
    failures = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert not failures, "\n".join(failures)
    tests, runs, skipped = zip(*outcomes)
    skipped = sum(skipped, collections.Counter())
    return (f"{sum(tests):,} tests in {sum(runs):,} runs end flat, {skips.told(skipped)}, all but "
            f"those of {', '.join(Path(path).stem for path in LEFT_OUT)}; "
            f"{rounds:,} models made, trained and dropped: {grown / 1024:+.0f} KiB")


# A leak of a kilobyte a round is seen, as is every block of a network; pages come and go.
MOST_GROWTH = 1 << 20
