"""The benchmarks measure the same job: this library and the plain NumPy rival agree on it."""

import json
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

from benchmarks import environments, jobs, measure, report, worker  # noqa: E402
from benchmarks.rivals import neuroai_c, numpy_plain  # noqa: E402

SMALL = dict(samples=60, batch=15, steps=12, inputs=40, hidden=(20,), outputs=5, density=0.1)

JSB = next(job for job in jobs.JOBS if job.name == "jsb")


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


@pytest.fixture
def made_chorales(tmp_path, monkeypatch):
    """A folder with a file of four chorales."""
    rng = np.random.default_rng(0)
    chorales = [
        [sorted(map(int, rng.choice(np.arange(21, 109), notes, replace=False)))
         for notes in rng.integers(5, size=steps)]
        for steps in (9, 4, 2, 6)
    ]
    (tmp_path / "jsb").mkdir()
    path = tmp_path / "jsb" / "jsb-chorales-quarter.json"
    path.write_text(json.dumps({"train": chorales, "valid": [], "test": []}))
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path))
    return chorales


def test_chorales_are_rows_of_notes(made_chorales):
    x, starts = jobs.chorales(JSB)
    assert x.dtype == np.uint8 and starts.tolist() == [0, 9, 13, 15, 21]
    notes = [[int(note) + 21 for note in np.flatnonzero(row)] for row in x]
    assert notes == [step for chorale in made_chorales for step in chorale]


def test_a_job_without_its_data_is_skipped_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NEUROAI_C_DATA", str(tmp_path))
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    assert measure.job(JSB, 1, SimpleNamespace(rivals=["numpy_plain"])) == ([], {})
    assert "jsb: skipped, jsb-chorales-quarter.json is not" in capsys.readouterr().out


def test_sequences_are_learned_whole_and_in_their_order():
    orders = []
    answer = worker._run(replace(JSB, samples=5), lambda order: orders.append(order) or 0.5, 3)
    assert orders[0].tolist() == [0, 1, 2] and answer["loss"] == 0.5
    asked = []

    def ask(**request):
        asked.append(request["samples"])
        return {"seconds": 1000.0, "loss": 0.143}

    assert measure._samples(SimpleNamespace(ask=ask), JSB, 3.0) == JSB.samples
    assert set(asked) == {JSB.samples}


def test_a_rival_that_trains_another_net_is_refused():
    other = SimpleNamespace(ask=lambda **request: {"seconds": 1.0, "loss": 0.2})
    with pytest.raises(measure.Failed, match="first epoch is 0.2, not 0.1426-0.1445"):
        measure._samples(other, JSB, 3.0)


def sequence_trainer(rival, *arguments):
    if rival is neuroai_c and not hasattr(ai.layers, "Dense"):
        pytest.skip("layers.Dense is not there")
    return rival.sequence_trainer(*arguments)


def test_both_train_the_same_sequences(made_chorales):
    x, starts = jobs.chorales(JSB)
    x[:, ::3] = 1                               # so that there are hidden spikes
    data = SimpleNamespace(x=x, starts=starts)
    threads = ai.get_num_threads()
    ours, theirs = (sequence_trainer(rival, JSB, data, 2) for rival in (neuroai_c, numpy_plain))
    for sequence in (0, 1, 2, 3, 0):
        order = np.array([sequence])
        np.testing.assert_allclose(ours(order), theirs(order), rtol=1e-4)
    ai.set_num_threads(threads)


@pytest.mark.parametrize("rival", [neuroai_c, numpy_plain], ids=["neuroai_c", "numpy_plain"])
def test_chorales_have_the_recorded_losses(rival, monkeypatch):
    try:
        x, starts = jobs.chorales(JSB)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with np.load(ROOT / "tests" / "golden" / "jsb.npz", allow_pickle=False) as golden:
        initial = [[golden[f"initial/{prefix}{name}"] for name in ("kernel", "bias")]
                   for prefix in ("", "dense_")]
        trained = [golden[f"f64/after_10/{prefix}{name}"] for prefix in ("", "dense_")
                   for name in ("kernel", "bias")]
        losses = golden["f64/loss"]
    monkeypatch.setattr(jobs, "weights", lambda job: initial)
    threads = ai.get_num_threads()
    train = sequence_trainer(rival, JSB, SimpleNamespace(x=x, starts=starts), 2)
    got = [train(np.array([number])) for number in range(len(losses))]
    np.testing.assert_allclose(got, losses, rtol=1e-5)
    if rival is numpy_plain:                    # changes the arrays that it starts from
        for array, wanted in zip(sum(initial, []), trained):
            np.testing.assert_allclose(array, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
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
