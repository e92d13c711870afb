"""One job, every rival: in turn, while the others are stopped."""

import json
import os
import select
import signal
import subprocess
from pathlib import Path

import numpy as np

import neuroai_c as ai

from . import environments, jobs

_ROOT = Path(__file__).parent.parent
_WARM_UP = 20  # batches, twice: some libraries compile at the first call, or at the second


class Failed(Exception):
    """A rival has no answer; says why."""


class Worker:
    """A rival's process.  It runs only while it is asked something: whoever waits is stopped,
    so that threads that wait busily take nothing from the others."""

    def __init__(self, rival, python, patience):
        self._patience = patience
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", rival], cwd=_ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ask(self, **request):
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], self._patience)[0]:
                raise Failed(f"no answer within {self._patience:.0f} s")
            line = self._process.stdout.readline()
        except OSError as error:
            raise Failed(f"the process ended: {error}") from None
        self._signal(signal.SIGSTOP)
        if not line:
            raise Failed("the process ended")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def end(self):
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number):
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass


def job(job, threads, options):
    """Runs of the job: a list of dicts, and the versions of the rivals."""
    print(f"\n{job.title}, {threads} thread{'s' if threads > 1 else ''}", flush=True)
    data = environments.FOLDER / "data" / job.encoding
    try:
        _prepare(job, data)
    except FileNotFoundError as error:
        print(f"  {job.name}: skipped, {error}", flush=True)
        return [], {}
    workers, runs, versions = {}, {}, {}
    try:
        for rival in options.rivals:
            python = environments.python_of(rival)
            if python is None:
                print(f"  {rival}: not installed, skipped", flush=True)
                continue
            worker = Worker(rival, python, options.patience)
            try:
                answer = worker.ask(do="prepare", job=job.name, data=str(data), threads=threads)
                versions[rival] = answer["versions"]
                samples = _samples(worker, job, options.seconds)
            except Failed as failed:
                print(f"  {rival}: skipped, {failed}", flush=True)
                worker.end()
                continue
            workers[rival] = worker
            runs[rival] = {"job": job.name, "threads": threads, "rival": rival,
                           "samples": samples, "seconds": []}
        for _ in range(options.repeats):
            for rival in list(workers):
                run = runs[rival]
                try:
                    answer = workers[rival].ask(do="run", samples=run["samples"])
                except Failed as failed:
                    print(f"  {rival}: left out, {failed}", flush=True)
                    workers.pop(rival).end()
                    del runs[rival]
                    continue
                run["seconds"].append(answer["seconds"] * job.samples / run["samples"])
        for rival, worker in workers.items():
            runs[rival]["bytes"] = worker.ask(do="memory")["bytes"]
            seconds = runs[rival]["seconds"]
            print(f"  {rival}: {np.median(seconds):.3f} s ({min(seconds):.3f}-{max(seconds):.3f})",
                  flush=True)
    finally:
        for worker in workers.values():
            worker.end()
    for run in runs.values():
        # Of the same rounds: ratios are taken run by run.
        run["beside"] = runs["neuroai_c"]["seconds"] if "neuroai_c" in runs else []
    return list(runs.values()), versions


def _samples(worker, job, seconds):
    """How many samples a run has: all, or whole batches that take about so long.  Of sequences,
    whose lengths differ, all."""
    few = job.samples if job.sequences else min(_WARM_UP * job.batch, job.samples)
    loss = worker.ask(do="run", samples=few)["loss"]
    if job.first_loss and not job.first_loss[0] <= loss <= job.first_loss[1]:
        raise Failed("the loss of its first epoch is {}, not {}-{}".format(loss, *job.first_loss))
    rate = worker.ask(do="run", samples=few)["seconds"] / few
    if rate * job.samples <= 2 * seconds:
        worker.ask(do="run", samples=job.samples)
        return job.samples
    return min(job.samples, max(few, int(seconds / rate) // job.batch * job.batch))


def _prepare(job, folder):
    """Makes a job's data, once."""
    saved_last = "starts" if job.sequences else "most"
    if (folder / f"{saved_last}.npy").exists():
        return
    if job.sequences:
        x, starts = jobs.chorales(job)
        jobs.Data(folder).save(x=x, starts=starts)
        return
    mnist = ai.datasets.mnist.load_data()[0] if job.density is None else None
    numbers, most, labels = jobs.numbers(job, mnist)
    spikes = ai.utils.transform_rate(numbers, job.steps, most)
    jobs.Data(folder).save(
        numbers=numbers, x=np.asarray(spikes), y=jobs.one_hot(labels, job.outputs), most=most
    )
