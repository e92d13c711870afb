"""Runs the long checks behind docs/trust.md: `python -m trust --help`."""

import argparse
import datetime
import importlib
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from .tools import ROOT, Missing

# In the order in which `make trust` runs them.  Each is a module of this folder with a function
# `check(quick=False)` that returns what it has measured, in a few words, and raises otherwise.
CHECKS = (
    "kernels", "sanitize", "races", "analyze", "valgrind",
    "fuzz", "parsers", "leaks", "allocations",
    "files", "interrupt", "processes",
    "gradients", "coverage", "mutants",
    "versions", "distributions", "architectures",
)
REPORT = ROOT / "docs" / "trust.md"


def main():
    options = _parser().parse_args()
    # A shell lets what it starts in the background, and all that starts, be deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    failed = []
    unknown = [name for name in options.checks if name not in CHECKS]
    if unknown:
        sys.exit(f"no check {', '.join(unknown)}: choose from {', '.join(CHECKS)}")
    for name in options.checks or CHECKS:
        begun, commit = time.monotonic(), _commit()
        try:
            module = importlib.import_module(f"trust.{name}")
            print(f"== {name}: {module.__doc__.splitlines()[0]}", flush=True)
            outcome = module.check(quick=options.quick)
        except Exception as error:              # those behind it run all the same
            if isinstance(error, ModuleNotFoundError):
                error = Missing(f"needs {error.name}: pip install -e '.[trust]'")
            failed.append(name)
            not_run = isinstance(error, Missing)
            outcome = f"{'not run' if not_run else f'FAILED: {type(error).__name__}'}: {error}"
            if not isinstance(error, (Missing, AssertionError, subprocess.CalledProcessError)):
                traceback.print_exc()
        seconds = time.monotonic() - begun
        print(f"== {name}: {outcome} ({seconds:.0f} s)", flush=True)
        if options.record:
            _record(name, f"a quick run: {outcome}" if options.quick else outcome, seconds, commit)
    sys.exit(f"failed or not run: {', '.join(failed)}" if failed else 0)


def _record(name, outcome, seconds, commit):
    """Replaces the check's row in the table of docs/trust.md."""
    outcome = " ".join(outcome.split()).replace("|", "/").replace(f"{ROOT}/", "")
    outcome = outcome if len(outcome) < 1000 else f"{outcome[:1000]} ..."
    row = (f"| {name} | {outcome} | {datetime.date.today()} | {commit} | {_machine()} "
           f"| {seconds:.0f} s |")
    lines = REPORT.read_text().splitlines()
    rows = [i for i, line in enumerate(lines) if line.startswith(f"| {name} |")]
    if len(rows) != 1:
        raise SystemExit(f"{REPORT} must have one row for {name!r}, has {len(rows)}")
    lines[rows[0]] = row
    REPORT.write_text("\n".join(lines) + "\n")


def _commit():
    """That of the code, with a + where the code is not as it was then; - where there is none."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True,
                          text=True)
    if done.returncode:
        return "-"
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", ".", ":!docs"], cwd=ROOT)
    return done.stdout.strip() + ("+" if changed.returncode else "")


def _machine():
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m trust",
        description="Runs the long checks behind docs/trust.md, all or those named.",
    )
    parser.add_argument("checks", nargs="*", metavar="CHECK",
                        help=f"of {', '.join(CHECKS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a part of each, in seconds to minutes")
    parser.add_argument("--record", action="store_true",
                        help="write what came out into the table of docs/trust.md")
    return parser


if __name__ == "__main__":
    main()
