"""TensorFlow at its fastest: the toolkit's net compiled by XLA, 100 batches a call.

A layer's product with its kernel is one over all steps.  What is left in the loop over time is
a loop still: unrolled it takes longer to run, and at many steps far longer to compile.
"""

import tensorflow as tf

from .tensorflow_toolkit import (
    SNUCell, batcher, net, optimizer, sequence_batcher, sequence_net, set_threads, versions,
)

__all__ = ["versions", "sequence_trainer", "trainer"]


def trainer(job, data, threads):
    set_threads(threads)
    model = net(job, _layers)
    model.compile(
        optimizer=optimizer(job), loss="mse", jit_compile=True, steps_per_execution=100
    )
    # A last smaller batch is left out: it would be compiled anew while it is timed.
    batches = batcher(job, data, whole=True)

    def train(order):
        return model.fit(batches(order), verbose=0).history["loss"][0]

    return train


def sequence_trainer(job, data, threads):
    set_threads(threads)
    model = sequence_net(job, _layers)
    model.compile(
        optimizer=optimizer(job), loss=tf.keras.losses.BinaryCrossentropy(True),
        jit_compile=True, steps_per_execution=100,
    )
    batches = sequence_batcher(data, bucket=16)  # every length is compiled

    def train(order):
        return model.fit(batches(order), verbose=0).history["loss"][0]

    return train


class _Units(SNUCell):
    """The cell without its kernel."""

    def build(self, input_shape):
        self.build_units()

    def call(self, a, states):
        return self.advance(a, states)


def _layers(units, *options):
    return [
        tf.keras.layers.Dense(units, use_bias=False),
        tf.keras.layers.RNN(_Units(units, *options), return_sequences=True),
    ]
