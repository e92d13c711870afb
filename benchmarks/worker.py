"""A rival in a process and an interpreter of its own: `python -m benchmarks.worker NAME`.

Reads requests and writes answers, one line of JSON each:

    {"do": "prepare", "job": NAME, "data": FOLDER, "threads": N}    {"versions": {...}}
    {"do": "run", "samples": N}                                     {"seconds": S, "loss": L}
    {"do": "memory"}                                                {"bytes": PEAK}

An answer {"error": TEXT} says why there is none.
"""

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path


def main(name):
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    job = train = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                job, train, answer = _prepare(name, request)
            elif request["do"] == "run":
                answer = _run(job, train, request["samples"])
            else:
                answer = {"bytes": _peak_memory()}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


def _prepare(name, request):
    threads = request["threads"]
    # Before the libraries are there: most read these once.
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{variable}_NUM_THREADS"] = str(threads)
    os.environ["NEUROAI_C_NUM_THREADS"] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])

    from . import jobs

    job = next(job for job in jobs.JOBS if job.name == request["job"])
    rival = importlib.import_module(f"benchmarks.rivals.{name}")
    role = "sequence_trainer" if job.sequences else "trainer"
    if job.group == "encode":
        role = "encoder"
    if not hasattr(rival, role):
        raise NotImplementedError("has nothing of the kind")
    train = getattr(rival, role)(job, jobs.Data(request["data"]), threads)
    return job, train, {"versions": rival.versions()}


def _run(job, train, count):
    import numpy as np

    samples = np.arange(job.samples)
    order = (samples if job.sequences else np.random.default_rng(2).permutation(samples))[:count]
    start = time.perf_counter()
    loss = train(order)
    return {"seconds": time.perf_counter() - start, "loss": None if loss is None else float(loss)}


def _peak_memory():
    """Of this program: what getrusage says may be the peak of the process that started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise OSError("this system does not tell the peak memory of a process")


if __name__ == "__main__":
    main(sys.argv[1])
