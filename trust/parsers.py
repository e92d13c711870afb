"""Coverage-guided fuzzing of the parsers that are ours: only ValueError, soon, in little memory.

MNIST's IDX and npz files, the files that models are kept in, what stands in these behind the
checksum, and the JSB chorales.  `python -m trust.parsers TARGET FOLDER` runs one target as
libFuzzer does, with its options.
"""

import array
import gzip
import importlib.util
import io
import json
import math
import mmap
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .tools import ROOT, WORK, Missing

SECONDS = {"idx": 40, "file": 60, "document": 160, "jsb": 40}
QUICK = 5

# What an input may take: seconds of the processor, and bytes of address space beyond what the
# process has when the input comes.
MOST_SECONDS = 1.0
ROOM = 100 << 20


def check(quick=False):
    if importlib.util.find_spec("atheris") is None:
        raise Missing("needs the package atheris")
    outcomes = []
    for target, seconds in SECONDS.items():
        runs, read, whole, found = _fuzz(target, QUICK if quick else seconds)
        assert whole, f"{target}: no input was read whole, not even a seed"
        outcomes.append(f"{target} {runs:,} inputs ({read:,} came to the reader, {whole:,} were "
                        f"read whole, {found:,} in the corpus)")
    return (f"{', '.join(outcomes)}: 0 errors but ValueError, each under {MOST_SECONDS:g} s and "
            f"{ROOM >> 20} MB")


def _fuzz(target, seconds):
    """How many inputs a target got, its reader got, and were read whole; how many are kept."""
    folder = WORK / "parsers" / target
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "corpus").mkdir(parents=True)
    child = subprocess.run(
        [sys.executable, "-m", "trust.parsers", target, folder / "corpus",
         f"-max_total_time={seconds}", "-seed=1", "-max_len=20000", "-timeout=60",
         "-print_final_stats=1", "-rss_limit_mb=2000", f"-artifact_prefix={folder}/"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )
    executed = re.search(r"number_of_executed_units: (\d+)", child.stdout)
    if child.returncode or not executed:
        raise AssertionError(f"{target}, exit {child.returncode}:\n{child.stdout[-5000:]}\n"
                             f"again: python -m trust.parsers {target} {folder}/crash-...")
    read, whole = array.array("q", (folder / "corpus-counts").read_bytes())
    return int(executed[1]), read, whole, len(list((folder / "corpus").iterdir()))


# ---- a target: one input, seeds, and a mutation ------------------------------------------

# `one` returns where the input was read whole.

class NoInput(ValueError):
    """What a file cannot hold, so that no reader gets it."""


class Idx:
    """An IDX file of a small array, plain or gzipped, or an archive as numpy.savez writes it."""

    def __init__(self, folder):
        import numpy as np
        from neuroai_c.datasets import mnist

        self._mnist, self._file = mnist, folder / "file"
        part = mnist._Part("images", "x_train", (2, 3, 4), "")
        array = np.arange(24, dtype=np.uint8).reshape(part.shape)
        digest = mnist.hashlib.sha256(part.header + array.tobytes()).hexdigest()
        self._part = part._replace(sha256=digest)
        mnist._PARTS = (self._part,)
        plain, archives = part.header + array.tobytes(), []
        for save in (np.savez, np.savez_compressed):
            stream = io.BytesIO()
            save(stream, x_train=array)
            archives.append(stream.getvalue())
        self.seeds = [b"\0" + plain, b"\1" + gzip.compress(plain), *(b"\2" + a for a in archives)]

    def one(self, data):
        kind = data[0] % 3 if data else 0
        file = self._file.with_suffix(".gz" if kind == 1 else ".idx")
        file.write_bytes(data[1:])
        if kind == 2:
            self._mnist._read_npz(file)
        else:
            self._mnist._read_idx(file, self._part)

    mutate = None


class File:
    """The bytes of a model's file, or of its weights."""

    def __init__(self, folder):
        import neuroai_c as ai

        self._file, self._load = folder / "file", ai.load_model
        self._model = _model()
        self.seeds = []
        for save in (self._model.save, self._model.save_weights):
            save(self._file)
            self.seeds.append(self._file.read_bytes())

    def one(self, data):
        self._file.write_bytes(data)
        before = [weight.tobytes() for weight in self._model.get_weights()]
        errors = []
        for load in (self._load, self._model.load_weights):
            try:
                load(self._file)
            except ValueError as error:
                errors.append(error)
                if before != [weight.tobytes() for weight in self._model.get_weights()]:
                    raise AssertionError("a refused file changed weights") from None
        if len(errors) == 2:
            raise errors[0]

    mutate = None


class Document:
    """What stands behind the checksum: a document, and of each array its type and shape.

    What can be loaded can be saved again.
    """

    def __init__(self, folder):
        import neuroai_c as ai
        import numpy as np
        from neuroai_c import files, saving

        self._np, self._files, self._saving, self._load = np, files, saving, ai.load_model
        self._file = folder / "file"
        self.seeds = []
        for model in (_model(), _model(fitted=False), ai.Sequential()):
            arrays, document = saving.content(model)
            shapes = {name: [array.dtype.name, array.shape] for name, array in arrays.items()}
            self.seeds.append(json.dumps([document, shapes]).encode())

    def one(self, data):
        try:
            document, shapes = json.loads(data)
            arrays = {name: self._array(*described) for name, described in shapes.items()}
            text = self._files._to_text(document)
            entry = f"1 model {self._files._checksum('model', text, arrays)} {text}"
            content = self._files.safetensors.numpy.save(arrays, {"neuroai_c": entry})
        except Exception as error:
            raise NoInput from error
        self._file.write_bytes(content)
        model = self._load(self._file)
        self._saving.content(model)

    def _array(self, dtype, shape):
        if math.prod(shape) > 4096 or dtype not in ("float32", "float64", "int64", "uint8"):
            raise ValueError
        return self._np.zeros(shape, dtype)

    def mutate(self, data, most, seed):
        return _mutate(data, most, seed)


class Jsb:
    """The chorales as JSON."""

    seeds = [b'{"train": [[[60, 64], []], [[21]]], "valid": [[[108]]], "test": []}']

    def __init__(self, folder):
        from neuroai_c.datasets import jsb

        self._parse = jsb._parse

    def one(self, data):
        self._parse("file", data)

    def mutate(self, data, most, seed):
        return _mutate(data, most, seed)


TARGETS = {"idx": Idx, "file": File, "document": Document, "jsb": Jsb}


def _model(fitted=True):
    """A small model with all that a file has: slots, states, a history, every kind of layer."""
    import neuroai_c as ai
    import numpy as np

    layers, optimizers = ai.layers, ai.optimizers
    first = layers.SNU(3, ai.activations.StepFunction("relu"), [0.1, 0.2, 0.3], stateful=True,
                       recurrent=True, return_sequences=True, trainable_decay=True,
                       bias_initializer=ai.initializers.Constant(0.5), activity_regularizer="l1")
    model = ai.Sequential([
        layers.InputLayer([None, 2]), layers.Masking(), first, layers.Dropout(0.5),
        layers.Dense(2, ai.activations.LeakyRel(0.2)), layers.GlobalAveragePooling1D(),
    ], seed=0)
    rate = optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(optimizers.RMSprop(rate, momentum=0.5),
                  ai.losses.BinaryCrossentropy(from_logits=True),
                  ["acc", ai.metrics.SpikeCount(first)])
    if fitted:
        model.fit(np.ones((2, 3, 2)), np.ones((2, 2)), epochs=2, verbose=0)
    return model


# ---- mutations of JSON text ----------------------------------------------------------------

# Stands for lists in lists, deeper than Python's functions for JSON go.
DEEP = "deep"

VALUES = (
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 1e308, -1e308, 5e-324, math.nan, math.inf,
    -math.inf, 2**31 - 1, 2**31, 2**53, 2**63, 2**64, 2**128, 10**90, 10**400, "", "a", "acc",
    "relu", "tanh", "l1", "batch", "float32", "float64", "PCG64", "SNU", "weights/0000", "\0", DEEP,
    "\ud800", [], {}, [[]], [1, 2], {"class_name": "SNU", "config": {}},
    {"class_name": "LeakyRel", "config": {"alpha": 1}}, {"class_name": "Dense", "config": 1},
    {"class_name": "StepFunction", "config": {"pseudoderivative_of": "relu"}},
)


def _mutate(data, most, seed):
    """JSON text with one thing in it that is another; bytes changed at random now and then."""
    import atheris

    draw = random.Random(seed)
    try:
        text = _mutated(data, draw) if draw.random() > 0.1 else b""
    except (ValueError, RecursionError):        # no JSON text, or one without end
        text = b""
    return text if 0 < len(text) <= most else atheris.Mutate(data, most)


def _mutated(data, draw):
    tree = [json.loads(data)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        places = list(_places(tree))
        holder, key = draw.choice(places)
        how = draw.random()
        if how < 0.5:
            holder[key] = _copy(draw.choice(VALUES))
        elif how < 0.65:
            other, there = draw.choice(places)
            holder[key] = _copy(other[there])
        elif how < 0.75 and holder is not tree:
            del holder[key]
        elif how < 0.85 and isinstance(holder, list) and holder is not tree:
            holder.insert(key, _copy(holder[key]))
        elif how < 0.95 and isinstance(holder, dict):
            name = draw.choice(("a", "name", "units", "weights/0001", key + "_"))
            holder[name] = _copy(holder[key])
        else:
            holder[key] = [holder[key]] if draw.random() < 0.5 else {"a": holder[key]}
    depth = draw.choice((2, 100, 900, 5000))
    return json.dumps(tree[0]).replace(f'"{DEEP}"', "[" * depth + "]" * depth).encode()


def _copy(value):
    return json.loads(json.dumps(value))


def _places(tree):
    """(holder, key) of everything in a tree of lists and dicts."""
    todo = [tree]
    while todo:
        holder = todo.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], (dict, list)):
                todo.append(holder[key])


# ---- the child -------------------------------------------------------------------------

def main():
    import atheris

    target, corpus = sys.argv[1], Path(sys.argv[2])
    with atheris.instrument_imports(include=["neuroai_c"]):
        import neuroai_c  # noqa: F401
    os.fsync = lambda descriptor: None          # nobody pulls the plug
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = Path(tempfile.mkdtemp(prefix="parsers-", dir=memory))
    tested = TARGETS[target](folder)
    if corpus.is_dir():
        for i, seed in enumerate(tested.seeds):
            (corpus / f"seed-{i}").write_bytes(seed)
    counts = _counts(Path(f"{corpus}-counts") if corpus.is_dir() else None)

    def one(data):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))
        start = time.process_time()
        try:
            tested.one(data)
            counts[0] += 1
            counts[1] += 1
        except ValueError as error:
            counts[0] += not isinstance(error, NoInput)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        if time.process_time() - start > MOST_SECONDS:
            raise AssertionError(f"took {time.process_time() - start:.1f} s")

    mutator = {"custom_mutator": tested.mutate} if tested.mutate else {}
    atheris.Setup([sys.argv[0], *sys.argv[2:]], one, **mutator)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _counts(path):
    """Of inputs that came to the reader, and that were read whole; in a file, as libFuzzer ends
    the process."""
    if path is None:
        return [0, 0]
    path.write_bytes(bytes(16))
    with open(path, "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 16)).cast("q")


if __name__ == "__main__":
    main()
