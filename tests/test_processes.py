"""Forked and spawned processes, threads, interpreters within and at the end of others."""

import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import children
import neuroai_c as ai
import numpy as np
import pytest
from children import digest, python, small_data, small_model, trained
from neuroai_c import progress, use

HERE = Path(__file__).parent

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
METHODS = multiprocessing.get_all_start_methods()
IN_USE = "in use by another thread"

# The helpers for a fresh interpreter, which does not find them where the tests are installed.
PREAMBLE = f"""
import sys, threading, time, os, warnings
sys.path.insert(0, {str(HERE)!r})
import children, numpy as np, neuroai_c as ai
from children import digest, small_data, small_model, trained
"""


@pytest.fixture(autouse=True)
def threads_of_the_pool():
    before = ai.get_num_threads()
    yield
    ai.set_num_threads(before)


# ---- processes -------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_what_processes_train_and_are_sent(method):
    """Models, Spikes and what is trained there have the bits that they have here."""
    model = small_model(ai)
    x, y = small_data()
    spikes = ai.Spikes.from_dense(x < 0.3)
    model.fit(spikes, y, verbose=0)
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        sent = pool.submit(children.trained_pickle, pickle.dumps((model, spikes, y)))
        fresh = [pool.submit(children.trained_here, seed) for seed in (1, 2)]
        there, predicted = pickle.loads(sent.result(children.SECONDS))
        assert [f.result(children.SECONDS) for f in fresh] == [trained(ai, s) for s in (1, 2)]
    model.fit(spikes, y, verbose=0)
    assert digest(there) == digest(model)
    np.testing.assert_array_equal(predicted, model.predict(spikes, verbose=0))


@needs_fork
def test_forks_of_forks():
    wanted = trained(ai)
    for threads in (1, 3):
        assert children.forked(lambda: children.forked(trained, ai, 0, threads)) == wanted
    assert trained(ai) == wanted


@needs_fork
def test_forks_while_other_threads_train():
    """The pool and the bar's lock are in use: the child has a pool and a lock of its own."""
    python(PREAMBLE + """
warnings.simplefilter("ignore")
x, y = small_data()
wanted, ended = trained(ai), []
sys.stdout = open(os.devnull, "w")

def train(model, verbose):
    while not ended:
        model.fit(x, y, epochs=20, batch_size=8, verbose=verbose)

models = [small_model(ai) for _ in range(2)]
threads = [threading.Thread(target=train, args=(model, i)) for i, model in enumerate(models)]
for thread in threads:
    thread.start()

def child():
    sys.stdout = open(os.devnull, "w")      # a file's lock may be held too, as ever in Python
    try:                        # a model of the parent's threads: refused, or it works
        models[0].fit(x, y, verbose=0)
    except RuntimeError as error:
        assert "in use by another thread" in str(error), error
    return trained(ai, verbose=1)

for _ in range(15):
    assert children.forked(child, seconds=60) == wanted
ended.append(True)
for thread in threads:
    thread.join()
""")


@needs_fork
def test_a_fork_while_a_bar_is_drawn():
    model, x_y = small_model(ai), small_data()
    drawing, drawn = threading.Event(), threading.Event()

    def draw():
        with progress._Bar.get_lock():
            drawing.set()
            drawn.wait(children.SECONDS)

    thread = threading.Thread(target=draw)
    thread.start()
    assert drawing.wait(children.SECONDS)
    try:
        children.forked(lambda: str(model.fit(*x_y, verbose=1)), seconds=60)
    finally:
        drawn.set()
        thread.join()


@needs_fork
def test_a_model_that_was_in_use_when_its_process_forked():
    model, x_y = small_model(ai), small_data()

    def refusal(logs):
        with pytest.raises(RuntimeError, match=IN_USE):
            model.fit(*x_y, verbose=0)
        return trained(ai)

    with in_use(model, "fit"):
        there = children.forked(refusal, None)
    assert there == trained(ai)


@needs_fork
def test_a_thread_of_a_child_that_has_the_number_of_one_of_its_parent():
    """Many systems give the numbers of threads that have ended, or were never there, again."""
    model, x_y = small_model(ai), small_data()

    def refusals(number):
        seen, refused, met = [], [], threading.Barrier(8)

        def work():
            met.wait(children.SECONDS)
            if threading.get_ident() == number:
                seen.append(number)
                with pytest.raises(RuntimeError, match=IN_USE):
                    model.fit(*x_y, verbose=0)
                refused.append(number)

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(children.SECONDS)
        return f"{len(refused)} of {len(seen)}"

    user = in_use(model, "fit")
    with user:
        assert children.forked(refusals, user.thread.ident) in ("1 of 1", "0 of 0")


def test_the_way_to_start_processes_can_still_be_chosen():
    """A lock between processes, as tqdm has one, settles it."""
    python(PREAMBLE + """
import multiprocessing
small_model(ai).fit(*small_data(), verbose=1)
assert multiprocessing.get_start_method(allow_none=True) is None
multiprocessing.set_start_method("spawn")
""")


@needs_fork
def test_workers_of_a_torch_data_loader():
    """Forked, after this process has trained: trust/processes.py has spawned ones too."""
    torch = pytest.importorskip("torch")
    dataset = children.Encoded()
    wanted = [children.batch(dataset[i] for i in part) for part in ((0, 1, 2), (3, 4))]
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=3, num_workers=2, collate_fn=children.batch, timeout=children.SECONDS,
        multiprocessing_context="fork",
    )
    for _ in range(2):
        got = list(loader)
        assert len(got) == 2
        for (spikes, y), (wanted_spikes, wanted_y) in zip(got, wanted, strict=True):
            assert isinstance(spikes, ai.Spikes)
            np.testing.assert_array_equal(np.asarray(spikes), np.asarray(wanted_spikes))
            np.testing.assert_array_equal(y, wanted_y)
    models = [small_model(ai) for _ in range(2)]
    models[0].fit(loader, epochs=2, verbose=0)
    models[1].fit(wanted, epochs=2, verbose=0)
    assert digest(models[0]) == digest(models[1])


# ---- threads ---------------------------------------------------------------------------


class in_use:
    """Within it another thread is in a model's method, in one of its callbacks."""

    HOOKS = {"fit": "on_epoch_begin", "evaluate": "on_test_begin", "predict": "on_predict_begin"}

    def __init__(self, model, method):
        self.model, self.method = model, method
        self.begun, self.ended, self.error = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        def wait(*arguments):
            self.begun.set()
            assert self.ended.wait(children.SECONDS)

        callback = ai.callbacks.Callback()
        setattr(callback, self.HOOKS[self.method], wait)
        x, y = small_data()
        arguments = (x,) if self.method == "predict" else (x, y)
        try:
            getattr(self.model, self.method)(
                *arguments, batch_size=len(x), verbose=0, callbacks=[callback])
        except BaseException as error:
            self.error = error
            self.begun.set()

    def __enter__(self):
        self.thread.start()
        assert self.begun.wait(children.SECONDS) and self.error is None, self.error

    def __exit__(self, *error):
        self.ended.set()
        self.thread.join()
        assert self.error is None, self.error


def at_first_call(monkeypatch, owner, name, function):
    """Has another thread do something as that method is called for the first time."""
    method = getattr(owner, name)

    def late(*arguments, **options):
        monkeypatch.undo()
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, late)


def test_a_copy_reads_after_it_has_begun_to_look(monkeypatch):
    model = ai.Sequential([ai.layers.SNU(2)])
    at_first_call(monkeypatch, use.Look, "__init__", lambda: model.build((None, None, 3)))
    assert copy.deepcopy(model).output_shape == (None, 2)


@pytest.mark.parametrize("call", ["fit", "get_weights"])
def test_a_layer_that_is_added_meanwhile(monkeypatch, call):
    model = small_model(ai)
    method = "take" if call == "fit" else "seen"
    at_first_call(monkeypatch, use.Use, method, lambda: model.add(ai.layers.Dense(4)))
    with pytest.raises(RuntimeError, match=IN_USE):
        model.fit(*small_data(), verbose=0) if call == "fit" else model.get_weights()


def test_changes_of_the_same_thread_are_seen():
    class Looks(ai.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            look = use.Look("get_weights", self.model)
            look.check()
            self.model.set_weights(self.model.get_weights())
            with pytest.raises(RuntimeError, match=IN_USE):
                look.check()
            looked.append(epoch)

    looked = []
    small_model(ai).fit(*small_data(), verbose=0, callbacks=[Looks()])
    assert looked == [0]


X, Y = small_data()

RUNS = {
    "fit": lambda model, path: model.fit(X, Y, verbose=0),
    "train_on_batch": lambda model, path: model.train_on_batch(X, Y),
    "evaluate": lambda model, path: model.evaluate(X, Y, verbose=0),
    "predict": lambda model, path: model.predict(X, verbose=0),
    "predict_on_batch": lambda model, path: model.predict_on_batch(X),
    "test_on_batch": lambda model, path: model.test_on_batch(X, Y),
}
CHANGES = {
    "set_weights": lambda model, path: model.set_weights(model._arrays()),
    "load_weights": lambda model, path: model.load_weights(path / "weights"),
    "compile": lambda model, path: model.compile(),
    "optimizer": lambda model, path: setattr(model, "optimizer", "sgd"),
    "loss": lambda model, path: setattr(model, "loss", "mse"),
    "add": lambda model, path: model.add(ai.layers.Dropout(0.5)),
    "pop": lambda model, path: model.pop(),
    "build": lambda model, path: model.build((None, None, 7)),
    "reset_states": lambda model, path: model.reset_states(),
    "a layer's set_weights": lambda model, path: (
        model.layers[0].set_weights(model.layers[0]._arrays())),
    "a layer's reset_states": lambda model, path: model.layers[0].reset_states(),
}
READS = {
    "get_weights": lambda model, path: model.get_weights(),
    "save": lambda model, path: model.save(path / "model"),
    "save_weights": lambda model, path: model.save_weights(path / "saved"),
    "a copy": lambda model, path: copy.deepcopy(model),
    "a shallow copy": lambda model, path: copy.copy(model),
    "a pickle": lambda model, path: pickle.dumps(model),
    "a layer": lambda model, path: model.layers[0](X),
    "a layer's get_weights": lambda model, path: model.layers[0].get_weights(),
    "a layer's weights": lambda model, path: model.layers[0].weights,
    "a layer's copy": lambda model, path: copy.deepcopy(model.layers[0]),
}


@pytest.mark.parametrize("call", [*RUNS, *CHANGES, *READS])
def test_a_model_that_another_thread_trains(call, tmp_path):
    """Whoever else changes or reads it is refused, and it trains to what it trains to alone."""
    model, alone = small_model(ai), small_model(ai)
    model.save_weights(tmp_path / "weights")
    alone.fit(X, Y, batch_size=len(X), verbose=0)
    with in_use(model, "fit"):
        with pytest.raises(RuntimeError, match=IN_USE) as caught:
            {**RUNS, **CHANGES, **READS}[call](model, tmp_path)
        assert "__" not in str(caught.value)
    assert os.listdir(tmp_path) == ["weights"]
    assert digest(model) == digest(alone)
    assert model.history.history == alone.history.history
    {**RUNS, **CHANGES, **READS}[call](model, tmp_path)


@pytest.mark.parametrize("call", [*CHANGES, *RUNS])
def test_a_model_that_another_thread_evaluates(call, tmp_path):
    model = small_model(ai)
    model.save_weights(tmp_path / "weights")
    with in_use(model, "evaluate"), pytest.raises(RuntimeError, match=IN_USE):
        if call == "a layer's reset_states":
            model.layers[0].reset_states()
        else:
            {**RUNS, **CHANGES}[call](model, tmp_path)


@pytest.mark.parametrize("call", READS)
def test_reading_a_model_that_another_thread_predicts_with(call, tmp_path):
    model = small_model(ai)
    with in_use(model, "predict"):
        READS[call](model, tmp_path)


@pytest.mark.parametrize("call", ["save", "a copy", "a layer"])
def test_predicting_with_states_changes_a_model(call, tmp_path):
    stateful = ai.layers.SNU(4, stateful=True)
    model = ai.Sequential([ai.layers.InputLayer([None, 7]), stateful], seed=0)
    with in_use(model, "predict"), pytest.raises(RuntimeError, match=IN_USE):
        READS[call](model, tmp_path)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
def test_a_copy_of_a_model_that_is_changed_meanwhile(copied):
    """What comes first may be older than what comes last: an error, and no such copy."""

    class Changes:
        def __reduce__(self):
            thread = threading.Thread(target=model.set_weights, args=(model.get_weights(),))
            thread.start()
            thread.join()
            return list, ()

    model = small_model(ai)
    model.note = Changes()
    with pytest.raises(RuntimeError, match=IN_USE):
        copied(model)
    del model.note
    copied(model)


def test_models_in_threads_of_their_own():
    """The same bits as one after the other, while the number of threads changes."""
    wanted = [trained(ai, seed) for seed in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = [pool.submit(trained, ai, seed, 1 + seed) for seed in range(4) for _ in range(5)]
        while not all(result.done() for result in results):
            for threads in (1, 3, 2):
                ai.set_num_threads(threads)
        assert [result.result() for result in results[::5]] == wanted
        assert all(result.result() in wanted for result in results)


def test_a_new_layer_in_many_threads():
    """One makes the weights; others are refused or use these."""
    for _ in range(20):
        layer, x, barrier = ai.layers.SNU(4, activation="tanh"), X[:2], threading.Barrier(4)

        def call(layer=layer, x=x, barrier=barrier):
            barrier.wait(children.SECONDS)
            try:
                return layer(x)
            except RuntimeError as error:
                assert IN_USE in str(error)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = [future.result() for future in [pool.submit(call) for _ in range(4)]]
        outputs = [y for y in results if y is not None]
        assert outputs
        for y in outputs:
            np.testing.assert_array_equal(y, layer(x))


def test_batches_that_the_model_itself_makes():
    """A generator may predict with the model that it feeds."""

    def batches(model):
        for i in range(3):
            yield X, Y + model.predict(X, verbose=0)

    model, by_hand = small_model(ai), small_model(ai)
    model.fit(batches(model), verbose=0)
    for x, y in batches(by_hand):
        by_hand.train_on_batch(x, y)
    assert digest(model) == digest(by_hand)


@pytest.mark.parametrize("call", ["compile", "pop", "add"])
def test_batches_that_change_the_model(call, tmp_path):
    def batches():
        yield X, Y
        CHANGES[call](model, tmp_path)
        yield X, Y

    model = small_model(ai)
    with pytest.raises(RuntimeError, match="fit: the model was changed"):
        model.fit(batches(), verbose=0)
    model.compile()
    model.evaluate(X, model.predict(X, verbose=0), verbose=0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
def test_signals_while_threads_train():
    """Handlers run in the main thread, and no number depends on them."""
    wanted, caught = trained(ai, 1), []
    before = signal.signal(signal.SIGALRM, lambda *arguments: caught.append(threading.get_ident()))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = [pool.submit(trained, ai, 1) for _ in range(4)]
            assert trained(ai, 1) == wanted
            while not caught:
                time.sleep(0.001)
            assert [result.result() for result in results] == [wanted] * 4
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert set(caught) == {threading.main_thread().ident}


# ---- the end of an interpreter -----------------------------------------------------------

ENDINGS = {
    "threads that train": """
x, y = small_data(samples=400)
for seed in range(3):
    model = small_model(ai, seed)
    threading.Thread(target=model.fit, args=(x, y), daemon=True,
                     kwargs=dict(epochs=10**6, verbose=0)).start()
time.sleep(0.2)
""",
    "a function that trains": """
import atexit
wanted = trained(ai)
atexit.register(lambda: print("same" if trained(ai) == wanted else "other"))
""",
    # Globals are None by then, and what NumPy would import may fail: an error, never a crash.
    "an object that trains": """
class Last:
    def __init__(self):
        self.model, self.data = small_model(ai), small_data()
        self.digest, self.wanted = digest, trained(ai)

    def __del__(self):
        self.model.fit(*self.data, epochs=2, batch_size=8, verbose=0)
        print("same" if self.digest(self.model) == self.wanted else "other")

last = Last()
""",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_an_interpreter(ending):
    printed = python(PREAMBLE + ENDINGS[ending])
    wanted = {"threads that train": [[]], "an object that trains": [["same"], []]}
    assert printed.split() in wanted.get(ending, [["same"]])


# ---- sub-interpreters --------------------------------------------------------------------


@pytest.mark.parametrize("isolated", [True, False])
def test_sub_interpreters_are_refused(isolated):
    """NumPy does not support them, and what is loaded there first is lost for the main one."""
    module = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    pytest.importorskip(module)
    printed = python(f"""
import sys, {module} as interpreters
sys.path.insert(0, {str(HERE)!r})
code = '''
try:
    import neuroai_c
except ImportError as error:
    print(error, flush=True)
'''
if sys.version_info >= (3, 13):
    inner = interpreters.create("isolated" if {isolated} else "legacy")
else:
    inner = interpreters.create(isolated={isolated})
failure = interpreters.run_string(inner, code)
assert failure is None, failure
interpreters.destroy(inner)
import children, neuroai_c as ai
print(children.trained(ai))
""")
    refusal, here = printed.splitlines()
    assert "main interpreter" in refusal or "not support loading in subinterpreters" in refusal
    assert here == trained(ai)
