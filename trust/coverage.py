"""Lines of the C and of the Python that the tests run: at least 95 % of each."""

import collections
import concurrent.futures
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from . import tools

LEAST = 0.95
FOLDER = tools.WORK / "coverage"
# What depends on the width of vectors, and lines that one instruction set alone has, are in a few
# kernels; all else runs with the best that there is.
OTHER_ISAS = {"baseline": ("matmul", "spikes", "network"), "avx2": ("matmul", "spikes", "network")}
# Ctrl-C at every place comes in the middle of coverage's own Python too, and leaves its lock taken;
# a child that is forked while another thread has that lock waits for ever.  Of these tests the
# lines of C are counted only.
UNTRACED = ("interrupt", "processes")
SECONDS = 1800                          # a file takes a tenth
QUICK = ("matmul", "spikes", "network", "utils")
SETTINGS = f"""[run]
source_pkgs = neuroai_c
data_file = {FOLDER}/python
parallel = true
patch = subprocess
"""


def check(quick=False):
    """Runs the tests on a build that counts; with `quick` a few, and no share is asked for."""
    package = tools.build("coverage", "-O0 -g0 -w -DINLINE=static --coverage")
    for old in itertools.chain(FOLDER.glob("python*"), FOLDER.rglob("*.gcda")):
        old.unlink()
    settings = FOLDER / "settings"
    settings.write_text(SETTINGS)
    every = sorted((tools.ROOT / "tests").glob("test_*.py"), key=lambda path: -path.stat().st_size)
    runs = [(path, {}) for path in every if not quick or path.stem.removeprefix("test_") in QUICK]
    if not quick:
        runs += [("neuroai_c", {})]
        runs += [(f"tests/test_{noun}.py", {"NEUROAI_C_ISA": isa})
                 for isa, nouns in OTHER_ISAS.items() if isa in tools.instruction_sets()
                 for noun in nouns]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda run: _test(package, settings, *run), runs))

    shares = {"C": _report("C", _lines_of_c()), "Python": _report("Python", _lines_of_python(settings))}
    low = [language for language, share in shares.items() if share < LEAST]
    assert quick or not low, f"less than {LEAST:.0%} of the lines of {' and '.join(low)}"
    return ", ".join(f"{share:.1%} of the lines of {language}" for language, share in shares.items())


def _test(package, settings, what, env):
    """A process each: their counts are added when they end."""
    traced = ["-m", "coverage", "run", f"--rcfile={settings}"]
    if Path(what).stem.removeprefix("test_") in UNTRACED:
        traced = []
    tools.run([sys.executable, *traced, "-m", "pytest", "-q", "--no-header", "-rN",
               "-p", "no:cacheprovider", what],
              env={"PYTHONPATH": str(package), **env}, timeout=SECONDS)


def _lines_of_c():
    """{file: {line: whether it ran}}, of all variants together."""
    found = collections.defaultdict(dict)
    reports = subprocess.run(
        [tools.program("gcov"), "--json-format", "--stdout", *map(str, FOLDER.rglob("*.gcda"))],
        check=True, capture_output=True, cwd=tools.ROOT).stdout
    for report in reports.splitlines():
        for source in json.loads(report)["files"]:
            path = Path(os.path.normpath(tools.ROOT / source["file"]))
            if path.is_relative_to(tools.ROOT / "csrc"):
                lines = found[str(path.relative_to(tools.ROOT))]
                for line in source["lines"]:
                    number = line["line_number"]
                    lines[number] = lines.get(number, False) or line["count"] > 0
    return found


def _lines_of_python(settings):
    tools.run([sys.executable, "-m", "coverage", "combine", "-q", f"--rcfile={settings}"])
    # Errors are of packages that tests have made and thrown away.
    tools.run([sys.executable, "-m", "coverage", "json", "-q", "--ignore-errors",
               f"--rcfile={settings}", "-o", FOLDER / "python.json"])
    report = json.loads((FOLDER / "python.json").read_text())
    found = {}
    for name, lines in report["files"].items():
        package = Path(os.path.abspath(name)).parts
        name = "/".join(package[package.index("neuroai_c"):])
        found[name] = {**dict.fromkeys(lines["executed_lines"], True),
                       **dict.fromkeys(lines["missing_lines"], False)}
    return found


def _report(language, files):
    """Prints what share of each file ran and which lines did not; returns that of all."""
    lines = ran = 0
    for name, of in sorted(files.items()):
        missed = sorted(line for line, did in of.items() if not did)
        lines, ran = lines + len(of), ran + len(of) - len(missed)
        if missed:
            print(f"{1 - len(missed) / len(of):7.1%} {name}: {_ranges(missed)}")
    print(f"{ran / lines:7.1%} of {lines} lines of {language} in {len(files)} files", flush=True)
    return ran / lines


def _ranges(numbers):
    """1, 2, 3, 7 as "1-3 7"."""
    text = []
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        group = [number for _, number in group]
        text.append(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}")
    return " ".join(text)
