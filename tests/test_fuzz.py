"""Strange arguments for all that is public: only documented errors, and nothing changed by them."""

import contextlib
import importlib.util
import os
import random
import resource
import warnings
from pathlib import Path

import calls
import hypothesis
import neuroai_c as ai
import numpy as np
import public
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strange import LONG, Liar, Tape

# The cases do not depend on the day, nor on how fast the machine is.
SETTINGS = settings(
    derandomize=True, deadline=None, database=None, max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large,
                           HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with so little memory that a size which is not refused is noticed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)      # nobody pulls the plug
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), hard))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("kind", dict.fromkeys(calls.CASES), ids=lambda kind: kind.__name__)
@SETTINGS
@given(data=st.data())
def test_strange_calls(kind, data, folder):
    tape = Tape(lambda n: data.draw(st.integers(0, n - 1)))
    case = calls.case(tape, folder, kind)
    hypothesis.note(repr(case))
    result = calls.check(case)
    tape.rewind()
    assert calls.check(calls.case(tape, folder, kind)) == result, "not the same again"


@pytest.mark.parametrize("kind", dict.fromkeys(calls.CASES), ids=lambda kind: kind.__name__)
def test_arguments_that_change_meanwhile(kind, folder):
    """Results are then anything, but nothing is read or written that is not there."""
    for seed in range(5):
        case = calls.case(random.Random(seed).randrange, folder, kind)
        with calls.scribbling(case.draw.arrays, seed):
            calls.check(case, steady=False)


def test_every_public_name_is_called(folder):
    missing = {name for name in public.TO_CALL
               if ".plots." not in name or importlib.util.find_spec("matplotlib")}
    with public.watched(calls.__file__, __file__) as called:
        for seed in range(300):
            for kind in dict.fromkeys(calls.CASES):
                case = calls.case(random.Random(seed).randrange, folder, kind)
                called.clear()          # what made the arguments does not count
                with warnings.catch_warnings(), contextlib.suppress(Exception):
                    warnings.simplefilter("ignore")
                    case.function(**case.arguments)
                missing -= called
            if not missing:
                break
    assert sorted(missing) == []


# ---- what such calls have found ----------------------------------------------------------

layers, ops = ai.layers, ai.ops
VAST = np.broadcast_to(np.uint8(1), 2**40)


def _short(value):
    """The name of a parameter, which pytest would write out."""
    return value if isinstance(value, str) else type(value).__name__


def test_steps_without_a_spike_take_no_time():
    assert ops.rate_encode(np.zeros((2, 3)), 2**50, 1).shape == (2, 2**50, 3)


@pytest.mark.parametrize("shape", [(1, 0, 2**31), (0, 3, 2**31)])
def test_spikes_of_no_steps_take_no_memory(shape, folder):
    assert ai.Spikes.from_dense(np.zeros(shape, np.uint8)).shape == shape


def test_samples_without_steps_are_not_gone_through(folder):
    with pytest.raises(MemoryError):
        ai.Spikes.from_dense(np.zeros((2**60, 0, 1), bool))


@pytest.mark.parametrize(("y", "num_classes"), [
    ([1], 10**30), ([1], 2**62), ([1], LONG), (np.array([2**64 - 1], np.uint64), None),
], ids=["long", "too many bytes", "very long", "2^64"])  # fmt: skip
def test_classes_without_number(y, num_classes):
    with pytest.raises(ValueError, match="to_categorical: num_classes"):
        ai.utils.to_categorical(y, num_classes)


MODEL = ai.Sequential([layers.InputLayer([None, 2]), layers.SNU(1)])
MODEL.compile()


# Each with the argument that the message names.
@pytest.mark.parametrize("argument, call", {
    "layer": MODEL.add,
    "layers": ai.Sequential,
    "name": lambda value: ai.Sequential(name=value),
    "dtype": lambda value: ai.Sequential(dtype=value),
    "input_shape": MODEL.build,
    "optimizer": MODEL.compile,
    "loss": lambda value: MODEL.compile(loss=value),
    "metrics": lambda value: MODEL.compile(metrics=value),
    "print_fn": MODEL.summary,
    "config": ai.Sequential.from_config,
    "callbacks": lambda value: MODEL.predict(np.ones((1, 1, 2)), callbacks=value),
    "weights": MODEL.set_weights,
    "InputLayer: input_shape": layers.InputLayer,
    "Dense: name": lambda value: layers.Dense(1, name=value),
    "Dense: activation": lambda value: layers.Dense(1, value),
    "Dense: kernel_initializer": lambda value: layers.Dense(1, kernel_initializer=value),
    "lateral_inhibition": lambda value: layers.SNU(1, lateral_inhibition=value),
    "activity_regularizer": lambda value: layers.SNU(1, activity_regularizer=value),
    "SpikeCount: layer": ai.metrics.SpikeCount,
    "monitor": ai.callbacks.EarlyStopping,
    "separator": lambda value: ai.callbacks.CSVLogger("log", value),
    "schedule": ai.callbacks.LearningRateScheduler,
    "snu_forward: activation": lambda value: ops.snu_forward(
        np.ones((2, 2, 2)), np.ones((2, 2)), np.ones(2), activation=value),
}.items(), ids=_short)
@pytest.mark.parametrize("value", [LONG, [LONG]], ids=["alone", "in a list"])
def test_what_cannot_be_written_is_told_of(argument, call, value):
    with pytest.raises(calls.REFUSALS, match=rf"\b{argument}\b") as caught:
        call(value)
    assert len(str(caught.value)) < 2000


def test_a_repr_that_fails():
    class Odd:
        def __repr__(self):
            raise OSError

    with pytest.raises(TypeError, match="add: layer must be .*, got <Odd without a repr>"):
        MODEL.add(Odd())


def test_classes_of_one_number_that_is_repeated(folder):
    with pytest.raises(MemoryError):
        ai.utils.to_categorical(VAST)


def test_classes_of_half_precision():
    assert ai.utils.to_categorical(np.float16([0, 1])).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("shape", [(), 3, "ab", None, (-2, 3), (2.0, 3), (0,), (2**40, 2**40),
                                   type, (LONG,)], ids=_short)  # fmt: skip
@pytest.mark.parametrize("kind", ["GlorotUniform", "Ones"])
def test_no_shapes_of_weights(kind, shape):
    with pytest.raises(calls.REFUSALS, match=f"{kind}: shape"):
        getattr(ai.initializers, kind)()(shape, np.random.default_rng(0))


@pytest.mark.parametrize("rng", [None, 0, np.random])
def test_no_generators_of_weights(rng):
    with pytest.raises(TypeError, match="GlorotUniform: rng"):
        ai.initializers.GlorotUniform()((2, 3), rng)


def test_a_batch_of_more_samples_than_can_be_counted():
    with pytest.raises(TypeError, match="predict_on_batch: x"):
        ai.Sequential([layers.SNU(1)]).predict_on_batch(range(2**70))


@pytest.mark.parametrize("key", [np.uint64(2**63), 2**70, slice(None, 5, 1.5), slice(0, 1, 0)])
def test_no_keys_of_spikes(key):
    with pytest.raises((IndexError, *calls.REFUSALS), match="Spikes: "):
        ai.Spikes.from_dense([[0, 1]])[key]


@pytest.mark.parametrize(("name", "value"), [
    ("epochs", LONG), ("epochs", 2**63), ("initial_epoch", LONG), ("steps_per_epoch", LONG),
    ("batch_size", LONG), ("shuffle", LONG), ("verbose", LONG),
], ids=_short)  # fmt: skip
def test_long_integers(name, value):
    model = ai.Sequential([layers.SNU(1)])
    model.compile()
    with pytest.raises(calls.REFUSALS, match=f"fit: {name}"):
        model.fit(np.ones((2, 3, 1)), np.ones((2, 1)), **{"verbose": 0, name: value})
    assert model.history is None


@pytest.mark.parametrize("x", [np.inf, -1e300, np.float32(-3e38)])
@pytest.mark.parametrize("alpha", [3.0, 3e38])
def test_activations_compute_without_warnings(x, alpha):
    for activation in (ai.activations.LeakyRel(alpha), *map(ai.activations.get, calls.ACTIVATIONS)):
        activation(x)


def test_activations_of_nothing_at_all():
    with pytest.raises(ValueError, match="relu: x"):
        ai.activations.relu(np.broadcast_to(True, (0, 2**62)))


def test_a_decay_that_is_no_array():
    with pytest.raises(ValueError, match="SNU: decay"):
        layers.SNU(2, decay=Liar())


def test_batches_of_another_size_than_the_states():
    model = ai.Sequential([layers.SNU(1, stateful=True)], seed=0)
    model.compile()
    x, y = np.ones((3, 4, 2)), np.ones((3, 1))
    with pytest.raises(ValueError, match="fit: a batch of x must have the 3 samples"):
        model.fit([(x, y), (x[:2], y[:2])], verbose=0)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 1, 2)])
def test_axes_beside_a_mask(shape):
    with pytest.raises(ValueError, match="snu_forward: x must have the axes"):
        ops.snu_forward(np.ones(shape), np.ones((1, 1)), np.ones(1), mask=np.ones((2, 5), bool))


def test_a_gradient_that_is_no_number():
    x, W = np.ones((1, 2, 1)), np.ones((1, 2))
    y, V = ops.snu_forward(x, W, np.ones(2), activation="tanh")
    V[0, 0] = np.inf, -np.inf
    grads = ops.snu_backward(y, x, W, np.ones(2), y=y, V=V, reset_gradient=False)
    assert np.isnan(grads.decay)


def test_more_steps_than_there_are_addresses():
    with pytest.raises(MemoryError):
        ops.average_backward(np.ones((2, 3)), 2**62)
    with pytest.raises(ValueError, match="snu_forward: recurrent_kernel"):
        ops.snu_forward(np.ones((1, 1, 1)), np.ones((1, 1)), np.ones(1),
                        np.broadcast_to(np.uint8(1), (0, 2**62)))


def test_pooling_of_more_bytes_than_there_are_addresses():
    with pytest.raises(ValueError, match="GlobalAveragePooling1D: x"):
        layers.GlobalAveragePooling1D()(np.broadcast_to(True, (1, 1, 2**62)))


def test_sequences_of_more_steps_than_can_be_counted():
    model = ai.Sequential([layers.SNU(1)])
    with pytest.raises(ValueError, match="predict: x"):
        model.predict([np.broadcast_to(False, (2**63 - 1, 1)), np.ones((3, 1))], verbose=0)


@pytest.mark.parametrize("mask", [None, np.zeros((2, 4), bool)])
def test_a_state_beyond_the_precision(mask):
    layer = layers.SNU(1, return_state=True, return_sequences=True)
    x = np.ones((2, 4 if mask is not None else 0, 1))
    _, y, _ = layer(x, mask, initial_state=(np.full((2, 1), 1e300), np.zeros((2, 1))))
    assert np.isinf(y).all()


@pytest.mark.parametrize("data", [
    b"", b"{}", b"[]", b"5", b"nan", b"\xff", b"[" * 10**5,
    b'{"train": 5, "valid": [], "test": []}',
    *(b'{"train": [[%s]], "valid": [], "test": []}' % notes
      for notes in (b"5", b"null", b'["a"]', b"[20]", b"[109]", b"[60.0]", b"[true]", b"[-1]",
                    b"[[60]]", b"[1" + b"0" * 5000 + b"]")),
], ids=lambda data: str(data[:40]))  # fmt: skip
def test_no_chorales(data):
    with pytest.raises(ValueError, match="JSB: here: wanted chorales"):
        ai.datasets.jsb._parse("here", data)


@pytest.mark.parametrize("dtype", [{"x": [1, 2]}, {"x": ()}, "abc", 5])
def test_no_dtypes(dtype):
    with pytest.raises(TypeError, match="to_categorical: dtype"):
        ai.utils.to_categorical([1], dtype=dtype)
    with pytest.raises(TypeError, match="Sequential: dtype"):
        ai.Sequential(dtype=dtype)


def test_weights_that_change_when_they_are_checked(monkeypatch):
    layer = layers.Dense(2)
    layer(np.ones((1, 3)))
    kernel, finite = np.ones((3, 2), np.float32), ai.checks.finite

    def change(where, argument, array, **options):
        finite(where, argument, array, **options)
        kernel.fill(np.nan)

    monkeypatch.setattr(ai.checks, "finite", change)
    layer.set_weights([kernel, np.zeros(2)])
    assert (layer.weights[0] == 1).all()


def test_classes_that_change_when_they_are_checked(monkeypatch):
    y = np.array([0, 1], np.uint8)

    def change(*arguments):
        y[:] = 83
        return integer(*arguments)

    integer = ai.checks.integer
    monkeypatch.setattr(ai.checks, "integer", change)
    np.testing.assert_array_equal(ai.utils.to_categorical(y, 2), np.eye(2))


def test_a_ragged_list_of_outputs():
    with pytest.raises(ValueError, match="mse_backward: y cannot be made an array"):
        ai.ops.mse_backward([[1.0], [1.0, 2.0]], np.zeros(3))


def test_steps_that_change_when_they_are_checked(monkeypatch):
    steps, numeric = np.zeros(3), ai.checks.numeric

    class Late(np.ndarray):
        """Its numbers change when they are listed, behind all checks."""

        def ravel(self):
            steps[:] = -np.inf
            return super().ravel()

    monkeypatch.setattr(ai.checks, "numeric", lambda *arguments: numeric(*arguments).view(Late))
    assert (ai.optimizers.schedules.CosineDecay(0.5, 2)(steps) == 0.5).all()
