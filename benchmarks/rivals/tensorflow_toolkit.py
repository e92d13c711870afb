"""TensorFlow: the original toolkit's way, Keras's RNN over a cell that keeps (y, V), and fit."""

import numpy as np
import tensorflow as tf

from .. import jobs

ALPHA = 0.1


def versions():
    return {"tensorflow": tf.__version__, "numpy": np.__version__}


def trainer(job, data, threads):
    set_threads(threads)
    model = net(job, _layers)
    model.compile(optimizer=optimizer(job), loss="mse")
    batches = batcher(job, data)

    def train(order):
        return model.fit(batches(order), verbose=0).history["loss"][0]

    return train


def sequence_trainer(job, data, threads):
    set_threads(threads)
    model = sequence_net(job, _layers)
    model.compile(optimizer=optimizer(job), loss=tf.keras.losses.BinaryCrossentropy(True))
    batches = sequence_batcher(data)

    def train(order):
        return model.fit(batches(order), verbose=0).history["loss"][0]

    return train


def set_threads(threads):
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


@tf.custom_gradient
def step(x):
    """1 where x > 0, else 0; the gradient of tanh."""
    return tf.cast(x > 0, x.dtype), lambda dy: dy * (1 - tf.square(tf.tanh(x)))


class SNUCell(tf.keras.layers.Layer):
    """A layer of SNUs, one step in time."""

    def __init__(self, units, decay, inhibited, recurrent):
        super().__init__()
        self.units, self.decay = units, decay
        self.inhibited, self.recurrent = inhibited, recurrent
        self.state_size, self.output_size = [units, units], units

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units))
        self.build_units()

    def build_units(self):
        if self.recurrent:
            self.recurrent_kernel = self.add_weight("recurrent_kernel", (self.units, self.units))
        self.bias = self.add_weight("bias", (self.units,))

    def call(self, x, states):
        return self.advance(x @ self.kernel, states)

    def advance(self, a, states):
        y, V = states
        gate = 1 - (tf.reduce_max(y) if self.inhibited else y)
        a += self.decay * V * gate
        if self.recurrent:
            a += y @ self.recurrent_kernel
        V = tf.nn.leaky_relu(a, ALPHA)
        y = step(V - self.bias)
        return y, [y, V]


def net(job, layers):
    """The job's net with its weights; layers(units, decay, inhibited, recurrent) makes a layer."""
    model = tf.keras.Sequential([tf.keras.Input((job.steps, job.inputs))])
    for number, (_, units) in enumerate(job.sizes):
        hidden = number < len(job.hidden)
        for layer in layers(units, job.decay, hidden and job.inhibited, hidden and job.recurrent):
            model.add(layer)
    model.add(tf.keras.layers.GlobalAveragePooling1D())
    model.set_weights([array for layer in jobs.weights(job) for array in layer])
    return model


def sequence_net(job, layers):
    model = tf.keras.Sequential([tf.keras.Input((None, job.inputs))])
    for units in job.hidden:
        for layer in layers(units, job.decay, job.inhibited, job.recurrent):
            model.add(layer)
    model.add(tf.keras.layers.Dense(job.outputs))
    model.set_weights([array for layer in jobs.weights(job) for array in layer])
    return model


def _layers(*options):
    return [tf.keras.layers.RNN(SNUCell(*options), return_sequences=True)]


def optimizer(job):
    # The legacy RMSprop divides by sqrt(v) + 1e-7, the newer one by sqrt(v + 1e-7).
    legacy = tf.keras.optimizers.legacy
    make = {"sgd": legacy.SGD, "rmsprop": legacy.RMSprop, "adam": legacy.Adam}[job.optimizer]
    return make(learning_rate=job.rate)


def batcher(job, data, whole=False):
    """batches(order): a tf.data set of float32 batches; `whole`: no smaller one at the end."""
    x, y = data.x, np.array(data.y)

    def batches(order):
        index = tf.data.Dataset.from_tensor_slices(order).batch(job.batch, drop_remainder=whole)
        return index.map(gather).prefetch(2).with_options(_options())

    def gather(batch):
        # NumPy picks from the bytes where they are mapped: as a tensor they would be a copy.
        spikes, target = tf.numpy_function(
            lambda batch: (x[batch], y[batch]), [batch], [tf.uint8, tf.float32]
        )
        spikes.set_shape((*batch.shape, job.steps, job.inputs))
        target.set_shape((*batch.shape, job.outputs))
        return tf.cast(spikes, tf.float32), target

    return batches


def sequence_batcher(data, bucket=None):
    """batches(order): a tf.data set of single sequences, inputs and targets.  With a `bucket` they
    are filled up to a multiple of so many steps, and come with the steps' weights in the loss."""
    x, starts = tf.constant(data.x), tf.constant(data.starts)

    def batches(order):
        index = tf.data.Dataset.from_tensor_slices(order)
        return index.map(pick).prefetch(2).with_options(_options())

    def pick(number):
        steps = tf.cast(x[starts[number] : starts[number + 1]], tf.float32)[None]
        inputs, targets = steps[:, :-1], steps[:, 1:]
        if bucket is None:
            return inputs, targets
        length = tf.shape(inputs)[1]
        room = [[0, 0], [0, -length % bucket], [0, 0]]
        inputs, targets = tf.pad(inputs, room), tf.pad(targets, room)
        all_steps = tf.shape(inputs)[1]
        mean = tf.cast(all_steps / length, tf.float32)  # over the sequence's own steps
        return inputs, targets, mean * tf.sequence_mask([length], all_steps, tf.float32)

    return batches


def _options():
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread sleeps ever longer, and fit waits for it
    return options
