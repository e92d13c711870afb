"""This library."""

import numpy as np

import neuroai_c as ai

from .. import jobs


def versions():
    return {"neuroai_c": ai.__version__, "numpy": np.__version__}


def trainer(job, data, threads):
    ai.set_num_threads(threads)
    model = ai.Sequential(seed=0)
    model.add(ai.layers.InputLayer([None, job.inputs]))
    for units in job.hidden:
        model.add(ai.layers.SNU(units, decay=job.decay, g="leaky_rel", recurrent=job.recurrent,
                                lateral_inhibition=job.inhibited, return_sequences=True))
    model.add(ai.layers.SNU(job.outputs, decay=job.decay, g="leaky_rel", return_sequences=True))
    model.add(ai.layers.GlobalAveragePooling1D())
    model.set_weights([array for layer in jobs.weights(job) for array in layer])
    model.compile(optimizer=_optimizer(job), loss="mse", metrics=["acc"])

    x = ai.utils.transform_rate(data.numbers, job.steps, float(data.most))
    y = np.array(data.y)

    def train(order):
        part = (x, y) if len(order) == len(y) else (x[order], y[order])
        history = model.fit(*part, batch_size=job.batch, verbose=0, shuffle=len(order) == len(y))
        return history.history["loss"][0]

    return train


def sequence_trainer(job, data, threads):
    ai.set_num_threads(threads)
    model = ai.Sequential(seed=0)
    model.add(ai.layers.InputLayer([None, job.inputs]))
    for units in job.hidden:
        model.add(ai.layers.SNU(units, decay=job.decay, g="leaky_rel", return_sequences=True))
    model.add(ai.layers.Dense(job.outputs))
    model.set_weights([array for layer in jobs.weights(job) for array in layer])
    model.compile(_optimizer(job), ai.losses.BinaryCrossentropy(from_logits=True))

    steps = np.split(np.array(data.x), data.starts[1:-1])
    x, y = [each[:-1] for each in steps], [each[1:] for each in steps]

    def train(order):
        history = model.fit([x[s] for s in order], [y[s] for s in order], batch_size=job.batch,
                            shuffle=False, verbose=0)
        return history.history["loss"][0]

    return train


def encoder(job, data, threads):
    ai.set_num_threads(threads)
    numbers = np.array(data.numbers)

    def encode(order):
        part = numbers if len(order) == len(numbers) else numbers[: len(order)]
        ai.utils.transform_rate(part, job.steps, float(data.most))

    return encode


def _optimizer(job):
    make = {"sgd": ai.optimizers.SGD, "rmsprop": ai.optimizers.RMSprop,
            "adam": ai.optimizers.Adam}[job.optimizer]
    return make(learning_rate=job.rate)
