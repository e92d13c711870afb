"""Memory that runs out, and sizes that have no room: an error, and nothing half done.

trust/allocations.py has all allocations fail, one by one; here those of our C in a few calls.
"""

import csv
import os
import shutil
import sys

import numpy as np
import pytest
import traced
from numpy.lib.stride_tricks import as_strided

import neuroai_c as ai
from neuroai_c.history import History

REFUSED = (MemoryError, ValueError)
ONE, ROW = np.ones((1, 1)), np.ones(1)


@pytest.fixture(scope="module")
def allocations():
    if not sys.platform.startswith("linux") or not shutil.which("cc"):
        pytest.skip("needs glibc's malloc and a C compiler")
    if "LD_PRELOAD" in os.environ:
        pytest.skip("another library stands in front of malloc")
    return pytest.importorskip("trust.allocations", reason="needs the checkout")


@pytest.mark.parametrize("case", [
    "snu_backward, all options", "adam_step", "Spikes, some samples", "transform_rate",
    "fit", "train_on_batch, sequences", "predict, stateful",
])
def test_allocations_of_c_fail_one_by_one(allocations, case):
    result = allocations.attempt(case, inside=True)
    assert not result["faults"] and result["others"] == 0
    assert result["inside"] >= 1


def test_threads_that_cannot_be_had(allocations):
    assert not allocations.attempt("fit", threads=True)["faults"]


# ---- nothing half done -------------------------------------------------------------------


class Expensive(float):
    """A number that cannot be converted."""

    def __float__(self):
        raise MemoryError


def test_history_has_an_epoch_whole_or_not_at_all():
    history = History()
    history._append(0, {"loss": 1.0, "acc": 0.5}, 0.1)
    with pytest.raises(MemoryError):
        history._append(1, {"loss": 1.0, "acc": Expensive()}, 0.1)
    assert (history.epoch, history.seconds) == ([0], [0.1])
    assert history.history == {"loss": [1.0], "acc": [0.5]}
    with pytest.raises(MemoryError):
        history._complete({"loss": 1.0, "acc": 0.5, "lr": 0.1, "more": Expensive()})
    assert history.history == {"loss": [1.0], "acc": [0.5]}
    history._complete({"loss": 1.0, "acc": 0.5, "lr": 0.1})
    assert history.history == {"loss": [1.0], "acc": [0.5], "lr": [0.1]}


class Full:
    """A progress bar that fails when the batch is done."""

    shown = False

    def update(self, number):
        raise MemoryError


def test_steps_are_counted_with_the_weights(monkeypatch):
    soft = ai.layers.SNU(2, activation="sigmoid")
    model = ai.Sequential([ai.layers.InputLayer([None, 2]), soft], seed=0)
    model.compile("adam")
    x, y = np.ones((6, 3, 2)), np.zeros((6, 2))
    model.train_on_batch(x, y)

    before = model.get_weights()
    monkeypatch.setattr(ai.models.progress, "bar", lambda *_: Full())
    with pytest.raises(MemoryError):
        model.train_on_batch(x, y)
    assert model._steps_made == 2
    assert any((new != old).any() for new, old in zip(model.get_weights(), before))


def test_a_layer_half_built_has_no_weights(monkeypatch):
    layer = ai.layers.SNU(2)

    def set_one(self, name, value):
        if name == "_bias" and value is not None:
            raise MemoryError
        object.__setattr__(self, name, value)

    monkeypatch.setattr(ai.layers.SNU, "__setattr__", set_one)
    with pytest.raises(MemoryError):
        layer(np.ones((1, 2, 3)))
    assert layer.get_weights() == [] and layer.count_params() == 0
    monkeypatch.undo()
    assert layer(np.ones((1, 2, 4))).shape == (1, 2)


def test_a_call_ends_without_memory():
    """Nothing that was known of it dangles: Python makes room for more than one reference."""
    testcapi = pytest.importorskip("_testcapi")
    model = ai.Sequential([ai.layers.Dense(2) for _ in range(12)])      # more than it has at hand
    uses, holds = model._uses(), []
    assert all([use.take(holds, changes=True) for use in uses])
    trace = sys.gettrace()
    sys.settrace(None)                  # that of coverage needs memory
    testcapi.set_nomemory(0)
    try:
        holds.clear()
    finally:
        testcapi.remove_mem_hooks()
        sys.settrace(trace)
    assert [use._first() for use in uses] == [None] * 13


def test_a_log_has_whole_lines(monkeypatch, tmp_path):
    logger = ai.callbacks.CSVLogger(tmp_path / "log")
    logger.on_train_begin()

    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(csv.DictWriter, "writerow", fail)
    with pytest.raises(MemoryError):
        logger.on_epoch_end(0, {"loss": 0.5})
    assert (tmp_path / "log").read_text() == ""
    monkeypatch.undo()
    logger.on_epoch_end(1, {"loss": 0.25})
    assert (tmp_path / "log").read_text() == "epoch,loss\n1,0.25\n"


def test_load_model_says_that_memory_ran_out(monkeypatch, tmp_path):
    ai.Sequential([ai.layers.InputLayer([None, 2]), ai.layers.SNU(2)]).save(tmp_path / "model")

    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(ai.layers.SNU, "_build", fail)
    with pytest.raises(MemoryError):
        ai.load_model(tmp_path / "model")


# ---- memory is Python's ---------------------------------------------------------------------


def test_the_memory_of_a_network_is_traced():
    model = ai.Sequential([ai.layers.InputLayer([None, 1]), ai.layers.SNU(64)], seed=0)
    x = np.zeros((2, 2000, 1))
    with traced.memory() as sizes:
        model.predict(x, batch_size=2, verbose=0)
        held = sizes()[0]
        del model
        assert held - sizes()[0] > 2 * 2000 * 64 * 4


# ---- sizes that have no room ------------------------------------------------------------------


def spread(shape, dtype=np.float64):
    """An array of that shape that takes the memory of one number."""
    return as_strided(np.zeros(1, dtype), shape, (0,) * len(shape))


def endless(steps=2**62):
    """Spikes of no sample and many steps."""
    return ai.utils.transform_rate(np.ones((0, 1)), steps, 1)


def net():
    model = ai.Sequential([ai.layers.InputLayer([None, 1]),
                           ai.layers.SNU(100, return_sequences=True)], seed=0)
    model.compile()
    return model


@pytest.mark.parametrize("call", [
    lambda: ai.ops.matmul(spread((2**40, 2**19)), spread((2**19, 2**40))),
    lambda: ai.ops.snu_forward(spread((2**30, 2**20, 1)), ONE, ROW),
    lambda: ai.ops.snu_forward(np.empty((2**59, 0, 1)), ONE, ROW),
    lambda: ai.ops.snu_forward(np.empty((2**59, 0, 1)), np.ones((1, 100)), np.ones(100)),
    lambda: ai.ops.snu_forward(np.empty((0, 2**59, 1)), np.ones((1, 100)), np.ones(100)),
    lambda: ai.ops.snu_forward(endless(), np.ones((1, 2)), np.ones(2), np.ones((2, 2))),
    lambda: ai.ops.snu_backward(np.empty((0, 2**62, 1)), endless(), ONE, ROW,
                                y=np.empty((0, 2**59, 1)), V=np.empty((0, 2**59, 1))),
    lambda: ai.ops.average_forward(spread((2**30, 2**20, 2**9))),
    lambda: ai.ops.average_backward(ONE, 2**63 - 1),
    lambda: ai.ops.average_backward(ONE, 2**60),
    lambda: ai.ops.mse_forward(spread((2**40, 2**19)), spread((2**40, 2**19))),
    lambda: ai.ops.mse_backward(spread((2**40, 2**19)), spread((2**40, 2**19))),
    lambda: ai.ops.sgd_step(spread((2**59,)), spread((2**59,))),
    lambda: ai.utils.transform_rate(ONE, 2**63 - 1, 1),
    lambda: ai.utils.transform_rate(ONE, 2**57, 1),
    lambda: ai.utils.transform_rate(spread((2**30, 2**29)), 5, 1),
    lambda: ai.utils.transform_rate(np.ones((0, 2**33)), 5, 1),
    lambda: ai.utils.to_categorical([0], 2**62),
    lambda: ai.Spikes.from_dense(np.empty((2**62, 0, 1), np.uint8)),
    lambda: ai.Spikes.from_dense(np.empty((0, 0, 2**62), np.uint8)),
    lambda: ai.Spikes.from_dense(spread((2**30, 2**30, 4), np.uint8)),
    lambda: ai.Spikes.from_dense(spread((2**30, 2**29, 1))),
    lambda: ai.Spikes.from_dense(np.ones((1, 1, 1), np.uint8))[spread((2**59,), np.intp)],
    lambda: ai.layers.SNU(3)(spread((2**30, 2**29, 1))),
    lambda: ai.Sequential([ai.layers.InputLayer([None, 2**31 - 1]), ai.layers.SNU(2**31 - 1)]),
    lambda: ai.Sequential([ai.layers.InputLayer([None, 2**31 - 1]), ai.layers.Dense(2**31 - 1)]),
    lambda: net().predict(spread((2**30, 2**29, 1)), verbose=0),
    lambda: net().predict(np.empty((0, 2**59, 1)), verbose=0),
    lambda: net().predict(endless(), verbose=0),
    lambda: net().fit(spread((2**30, 2**20, 1)), spread((2**30, 2**20, 100)), verbose=0),
    lambda: net().train_on_batch(endless(), np.empty((0, 2**53, 100))),
])
def test_too_large_is_refused(call):
    with pytest.raises(REFUSED):
        call()


@pytest.mark.parametrize("batch", [2**20, 2**15])
def test_a_network_without_room_is_refused_and_goes_on(batch):
    """2^50 numbers, more than py_network.c multiplies, and 2^45, for which there is no memory."""
    model = ai.Sequential([ai.layers.InputLayer([None, 1]), ai.layers.SNU(2**16)], seed=0)
    x = np.ones((1, 2, 1), np.float32)
    right = model.predict(x, verbose=0)
    with pytest.raises(MemoryError):
        ai._core.f32.network_run(
            model._network, np.ones((1, 2**14, 1), np.float32), None, None, None, None, None,
            np.zeros(batch, np.intp), 0, batch, None, None, np.zeros(1), (0, False), False, False,
            0, np.zeros(3), 1.0,
        )
    assert np.array_equal(model.predict(x, verbose=0), right)
