"""What is measured: the jobs, their data and the weights that every rival starts from.

Needs NumPy alone: every rival's interpreter reads it.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Job:
    """An epoch of training.

    A net inputs-hidden-...-outputs of SNUs with g = leaky_rel (alpha 0.1), h = step with the
    surrogate 1 - tanh(x)^2 and thresholds that begin at 1; the output is the mean over time,
    the loss is mse.  `inhibited` (over the batch) and `recurrent` are said of hidden layers.

    With `sequences` samples have lengths of their own and are learned in their order, one a
    batch.  The last layer is then dense, its outputs are logits of a sequence's next step, and
    the loss is binary cross-entropy, the mean over outputs and steps.
    """

    name: str
    title: str
    group: str
    samples: int = 60_000
    batch: int = 15
    steps: int = 20
    inputs: int = 784
    hidden: tuple = (100,)
    outputs: int = 10
    inhibited: bool = False
    recurrent: bool = False
    optimizer: str = "rmsprop"  # or "sgd", "adam"
    rate: float = 0.1
    decay: float = 0.9
    density: float | None = None  # of made spikes; None: MNIST
    sequences: bool = False
    first_loss: tuple | None = None  # between which the first epoch's loss lies

    @property
    def sizes(self):
        """(inputs, units) of every layer."""
        units = (self.inputs, *self.hidden, self.outputs)
        return list(zip(units[:-1], units[1:]))

    @property
    def encoding(self):
        """What of the job decides its data."""
        if self.sequences:
            return f"jsb-{self.samples}"
        source = "mnist" if self.density is None else f"made{self.density}"
        return f"{source}-{self.samples}x{self.steps}x{self.inputs}-{self.outputs}"


_SNN = Job("snn", "SNN", "page")


def _varied(name, title, **changes):
    return replace(_SNN, name=name, title=title, group="varied", **changes)


JOBS = [
    _SNN,
    replace(_SNN, name="li", title="LI-SNN", inhibited=True),
    replace(
        _SNN, name="mlp", title="784-250-250-10", hidden=(250, 250), optimizer="sgd", rate=0.5
    ),
    Job("encode", "transform_rate", "encode"),
    _varied("batch64", "batch 64", batch=64),
    _varied("batch256", "batch 256", batch=256),
    _varied("steps100", "T 100", steps=100, samples=6_000),
    _varied("steps500", "T 500", steps=500, samples=1_200),
    _varied("hidden512", "hidden 512", hidden=(512,), samples=15_000),
    _varied("hidden2048", "hidden 2048", hidden=(2048,), samples=3_000),
    _varied("density1", "input density 1 %", density=0.01, samples=15_000),
    _varied("density4", "input density 4 %", density=0.04, samples=15_000),
    _varied("density10", "input density 10 %", density=0.10, samples=15_000),
    _varied("density30", "input density 30 %", density=0.30, samples=6_000),
    Job("speech", "700-256r-256r-20", "speech", samples=2_048, batch=64, steps=100, inputs=700,
        hidden=(256, 256), outputs=20, recurrent=True, optimizer="adam", rate=0.001,
        density=0.02),
    Job("jsb", "JSB chorales", "jsb", samples=229, batch=1, inputs=88, hidden=(150,), outputs=88,
        optimizer="adam", rate=0.01, decay=0.8, sequences=True, first_loss=(0.1426, 0.1445)),
]


def numbers(job, mnist):
    """(data2D, most spikes, classes): what is encoded, and of which class each row is."""
    if job.density is None:
        images, labels = mnist
        data = images[: job.samples].reshape(job.samples, -1) / 255.0
        return data, 6 * job.steps / 20, labels[: job.samples]
    labels = np.random.default_rng(1).integers(job.outputs, size=job.samples)
    return np.full((job.samples, job.inputs), job.density), job.steps, labels


def chorales(job):
    """(x, starts): the train chorales' steps in a row, uint8 (steps, notes), and where each
    chorale begins (samples + 1,)."""
    name = "jsb-chorales-quarter.json"
    folder = os.environ.get("NEUROAI_C_DATA")
    paths = [Path(folder, name), Path(folder, "jsb", name)] if folder else []
    path = next(filter(Path.exists, paths), None)
    if path is None:
        raise FileNotFoundError(f"{name} is not in the folder that NEUROAI_C_DATA names")
    sequences = json.loads(path.read_text())["train"][: job.samples]
    steps = [step for sequence in sequences for step in sequence]
    x = np.zeros((len(steps), job.inputs), np.uint8)
    for row, pitches in zip(x, steps):
        row[np.array(pitches, int) - 21] = 1  # MIDI's numbers; a piano's lowest note is 21
    return x, np.cumsum([0, *map(len, sequences)])


def one_hot(labels, classes):
    return np.eye(classes, dtype=np.float32)[labels]


def weights(job):
    """[kernel, (recurrent_kernel,) bias] of every layer: glorot_uniform and ones; the bias of
    a dense layer: zeros."""
    rng = np.random.default_rng(0)

    def glorot(rows, columns):
        limit = np.sqrt(6 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)

    layers = []
    for rows, columns in job.sizes:
        layer = [glorot(rows, columns)]
        if job.recurrent and len(layers) < len(job.hidden):
            layer.append(glorot(columns, columns))
        dense = job.sequences and len(layers) == len(job.hidden)
        layers.append([*layer, np.full(columns, 0 if dense else 1, np.float32)])
    return layers


class Data:
    """A job's data in a folder: arrays that are mapped, not copied, into every worker."""

    def __init__(self, folder):
        self._folder = Path(folder)

    def save(self, **arrays):
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            np.save(self._folder / f"{name}.npy", array)

    def __getattr__(self, name):
        """x: uint8 (samples, steps, inputs); y: float32 (samples, outputs); numbers: float64.
        Of sequences x: uint8 (steps of all, inputs); starts: int64 (samples + 1,)."""
        return np.load(self._folder / f"{name}.npy", mmap_mode="r")
