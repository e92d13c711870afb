"""Measures this library beside its rivals: `python -m benchmarks --help`."""

import argparse
import json
import os
import platform
from pathlib import Path

import neuroai_c as ai

from . import environments, jobs, measure, report


def main():
    options = _parser().parse_args()
    if options.install is not None:
        environments.install(options.install or list(environments.ENVIRONMENTS))
        return
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "results.json"
    if not options.report:
        _measure(options, path)
    results = json.loads(path.read_text())
    text = report.tables(results)
    (output / "results.md").write_text(text)
    report.plot(results, output / "benchmarks.png")
    print(text)
    for name in ("results.json", "results.md", "benchmarks.png"):
        print(f"wrote {output / name}")


def _measure(options, path):
    wanted = [job for job in jobs.JOBS if job.name in options.jobs]
    results = {"machine": _machine(), "rivals": {}, "runs": []}
    if options.add and path.exists():
        results = json.loads(path.read_text())
    for job in wanted:
        for threads in options.threads:
            runs, versions = measure.job(job, threads, options)
            again = {(run["job"], run["threads"], run["rival"]) for run in runs}
            results["rivals"].update(versions)
            results["runs"] = [
                run for run in results["runs"]
                if (run["job"], run["threads"], run["rival"]) not in again
            ] + runs
            path.write_text(json.dumps(results, indent=1) + "\n")


def _machine():
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    except OSError:
        pass
    isa = ai._core.ISA
    return {"processor": model, "cores": os.cpu_count(), "instruction set": isa,
            "python": platform.python_version()}


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures training and encoding beside rivals: in turn, repeated, each in a "
        "process and an environment of its own, and writes ratios, a table and a plot.",
    )
    names = [job.name for job in jobs.JOBS]
    parser.add_argument("--install", nargs="*", metavar="ENVIRONMENT",
                        choices=list(environments.ENVIRONMENTS),
                        help="make the rivals' environments (all, or those named), and no more")
    parser.add_argument("--jobs", type=_list(names), default=names, help=f"of {','.join(names)}")
    rivals = list(environments.RIVALS)
    parser.add_argument("--rivals", type=_list(rivals), default=rivals,
                        help=f"of {','.join(rivals)}; those not installed are skipped by name")
    parser.add_argument("--threads", type=_threads, default=[1, 2], help="default: 1,2")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; default: 5")
    parser.add_argument("--seconds", type=float, default=3.0,
                        help="a rival that is slower runs a part of the epoch; default: 3")
    parser.add_argument("--patience", type=float, default=300.0,
                        help="seconds until a rival must be ready, compiling included")
    parser.add_argument("--output", default="results/benchmarks", help="folder")
    parser.add_argument("--add", action="store_true", help="keep the runs that are there")
    parser.add_argument("--report", action="store_true", help="only the table and the plot, of "
                        "the results that are there")
    return parser


def _list(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"must be among {', '.join(known)}, got {name!r}")
        return names

    return parse


def _threads(text):
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
