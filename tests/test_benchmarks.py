"""The benchmarks measure the same job: this library and the plain NumPy rival agree on it."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import neuroai_c as ai
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from benchmarks import environments, jobs, report  # noqa: E402
from benchmarks.rivals import neuroai_c, numpy_plain  # noqa: E402

SMALL = dict(samples=60, batch=15, steps=12, inputs=40, hidden=(20,), outputs=5, density=0.1)


@pytest.mark.parametrize("changes", [
    {}, {"inhibited": True}, {"hidden": (20, 15), "optimizer": "sgd", "rate": 0.5},
    {"recurrent": True, "hidden": (16, 16), "optimizer": "adam", "rate": 0.001},
], ids=["snn", "li", "mlp", "speech"])
def test_both_train_the_same_net(changes):
    job = replace(jobs.JOBS[0], **{**SMALL, **changes})
    numbers, most, labels = jobs.numbers(job, None)
    numbers[:, ::3] *= 4                        # so that there are hidden spikes
    spikes = ai.utils.transform_rate(numbers, job.steps, most)
    data = SimpleNamespace(numbers=numbers, most=most, x=np.asarray(spikes),
                           y=jobs.one_hot(labels, job.outputs))
    threads = ai.get_num_threads()
    ours, theirs = (rival.trainer(job, data, 2) for rival in (neuroai_c, numpy_plain))
    for batch in range(3):                      # RMSprop makes much of rounding: not many more
        order = np.arange(batch * job.batch, (batch + 1) * job.batch)
        np.testing.assert_allclose(ours(order), theirs(order), rtol=1e-4)
    ai.set_num_threads(threads)


def test_every_rival_is_there_and_every_job_has_a_name_of_its_own():
    for rival, (_, environment) in environments.RIVALS.items():
        assert (ROOT / "benchmarks" / "rivals" / f"{rival}.py").is_file()
        assert environment is None or environment in environments.ENVIRONMENTS
    names = [job.name for job in jobs.JOBS]
    assert len(set(names)) == len(names)


def test_tables_of_results():
    runs = [
        {"job": job, "threads": 2, "rival": rival, "samples": 60, "seconds": seconds,
         "beside": [1.0, 2.0, 4.0], "bytes": 2**20}
        for job in ("snn", "batch64")
        for rival, seconds in (("neuroai_c", [1.0, 2.0, 4.0]), ("numpy_plain", [3.0, 4.0, 20.0]))
    ]
    machine = {"processor": "a processor", "cores": 2, "instruction set": "avx2"}
    text = report.tables({"machine": machine, "runs": runs})
    assert "| NumPy | 3 (2-5) | 1 MB |" in text
    assert "| neuroai_c | 2 s | 1 MB |" in text
    assert "| batch 64 | 2 s | 3 (2-5) | 1.00 | 1 MB |" in text
