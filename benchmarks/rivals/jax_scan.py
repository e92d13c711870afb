"""JAX: one compiled loop over all batches of an epoch, in it scans over time.

A layer brings its own backward pass, which sums the weights' gradients in one product after the
scan and not step by step, as autodiff would.
"""

import math
import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .. import jobs

ALPHA = 0.1


def versions():
    return {"jax": jax.__version__}


# ---- a layer ---------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def unit(decay, inhibited, recurrent, weights, drive):
    """y (T, B, units) from the drive x W; weights: [R,] bias."""
    return _forward(decay, inhibited, recurrent, weights, drive)[0]


def _forward(decay, inhibited, recurrent, weights, drive):
    bias = weights[-1]

    def step(state, a):
        V, y = state
        a += decay * V * (1 - (y.max() if inhibited else y))
        if recurrent:
            a += y @ weights[0]
        V = jnp.maximum(a, ALPHA * a)
        y = (V > bias).astype(a.dtype)
        return (V, y), (V, y)

    zeros = jnp.zeros_like(drive[0])
    _, (V, y) = lax.scan(step, (zeros, zeros), drive)
    return y, (weights, V, y)


def _backward(decay, inhibited, recurrent, kept, dy):
    weights, V, y = kept

    def step(D, kept):
        V, y, dy, slope_h = kept
        if inhibited:
            at_peak = y == y.max()
            through_reset = -decay * (V * D).sum() / at_peak.sum()
            dy += jnp.where(at_peak, through_reset, 0)
            gate = 1 - y.max()
        else:
            dy -= decay * V * D
            gate = 1 - y
        if recurrent:
            dy += D @ weights[0].T
        v = dy * slope_h
        D = (v + decay * gate * D) * jnp.where(V > 0, 1, ALPHA)
        return D, (D, v)

    slope_h = 1 - jnp.square(jnp.tanh(V - weights[-1]))
    _, (D, v) = lax.scan(step, jnp.zeros_like(V[0]), (V, y, dy, slope_h), reverse=True)
    gradient = [-v.sum((0, 1))]
    if recurrent:
        gradient.insert(0, jnp.einsum("tbi,tbj->ij", y[:-1], D[1:]))
    return gradient, D


unit.defvjp(_forward, _backward)


# ---- an epoch --------------------------------------------------------------------------------


def _loss(layers, x, targets, job):
    for number, (kernel, *weights) in enumerate(layers):
        hidden = number < len(job.hidden)
        drive = jnp.einsum("tbi,ji->tbj", x, kernel)
        x = unit(job.decay, hidden and job.inhibited, hidden and job.recurrent, weights, drive)
    return jnp.square(x.mean(0) - targets).mean()


def _update(job, count, w, slots, g):
    if job.optimizer == "sgd":
        return w - job.rate * g, slots
    if job.optimizer == "rmsprop":
        (v,) = slots
        v = 0.9 * v + 0.1 * jnp.square(g)
        return w - job.rate * g / (jnp.sqrt(v) + 1e-7), [v]
    m, v = slots
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * jnp.square(g)
    # 1 - 0.999^count, of which float32 would keep four digits
    rate = job.rate * jnp.sqrt(-jnp.expm1(count * math.log(0.999))) / (1 - 0.9**count)
    return w - rate * m / (jnp.sqrt(v) + 1e-7), [m, v]


def _learn(job, count, arrays, slots, gradient):
    flat, tree = jax.tree.flatten(arrays)
    gradient = tree.flatten_up_to(gradient)
    moved = [_update(job, count, *each) for each in zip(flat, slots, gradient)]
    return tree.unflatten([w for w, _ in moved]), [slot for _, slot in moved]


def _slots(job, arrays):
    number = {"sgd": 0, "rmsprop": 1, "adam": 2}[job.optimizer]
    return [[jnp.zeros_like(w) for _ in range(number)] for w in jax.tree.leaves(arrays)]


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _epoch(job, size, state, x, targets, order, batches):
    """`batches` batches of `size`; their number is no constant, so that one compiles once."""

    def train(number, state):
        arrays, slots, count, total = state
        batch = lax.dynamic_slice_in_dim(order, number * size, size)
        inputs = x[batch].swapaxes(0, 1).astype(jnp.float32)
        loss, gradient = jax.value_and_grad(_loss)(arrays, inputs, targets[batch], job)
        count += 1
        arrays, slots = _learn(job, count, arrays, slots, gradient)
        return arrays, slots, count, total + size * loss

    return lax.fori_loop(0, batches, train, state)


def trainer(job, data, threads):
    os.environ["NPROC"] = str(threads)  # XLA's pool, which is not there before the first array
    # Kernels lie transposed, (units, inputs): their gradient's product is faster this way.
    arrays = [[layer[0].T, *layer[1:]] for layer in jobs.weights(job)]
    arrays = jax.tree.map(jnp.array, arrays)
    state = arrays, _slots(job, arrays), jnp.float32(0)
    x, targets = jnp.asarray(data.x), jnp.asarray(data.y)

    def train(order):
        nonlocal state
        whole = len(order) // job.batch * job.batch
        padded = np.zeros(len(x), np.int32)
        padded[:whole] = order[:whole]
        *state, total = _epoch(
            job, job.batch, (*state, jnp.float32(0)), x, targets, padded, whole // job.batch
        )
        if whole < len(order):
            rest = order[whole:].astype(np.int32)
            *state, total = _epoch(job, len(rest), (*state, total), x, targets, rest, 1)
        return float(total) / len(order)

    return train


# ---- an epoch of sequences -----------------------------------------------------------------------

BUCKET = 16  # sequences are filled up to multiples of so many steps: every multiple is compiled


def _sequence_loss(arrays, x, targets, steps, job):
    """Of the first `steps` steps: (T, inputs) and (T, outputs)."""
    (kernel, *weights), (dense_kernel, dense_bias) = arrays
    spikes = unit(job.decay, False, False, weights, (x @ kernel)[:, None])[:, 0]
    logits = spikes @ dense_kernel + dense_bias
    losses = jax.nn.softplus(logits) - logits * targets
    mask = jnp.arange(len(x)) < steps
    return (mask[:, None] * losses).sum() / (steps * job.outputs)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _sequence_epoch(job, state, x, lengths, order, count):
    """The first `count` sequences of the order; x (samples, T + 1, inputs)."""

    def of_bucket(steps):
        def gradient_of(arrays, sequence, length):
            sequence = sequence[: steps + 1].astype(jnp.float32)
            return jax.value_and_grad(_sequence_loss)(
                arrays, sequence[:-1], sequence[1:], length - 1, job
            )

        return gradient_of

    buckets = [of_bucket(steps) for steps in range(BUCKET, x.shape[1], BUCKET)]

    def train(number, state):
        arrays, slots, made, total = state
        length = lengths[order[number]]
        bucket = (length - 2) // BUCKET
        loss, gradient = lax.switch(bucket, buckets, arrays, x[order[number]], length)
        made += 1
        arrays, slots = _learn(job, made, arrays, slots, gradient)
        return arrays, slots, made, total + loss

    return lax.fori_loop(0, count, train, state)


def sequence_trainer(job, data, threads):
    os.environ["NPROC"] = str(threads)
    arrays = jax.tree.map(jnp.array, jobs.weights(job))
    state = arrays, _slots(job, arrays), jnp.float32(0)
    starts, lengths = data.starts, np.diff(data.starts).astype(np.int32)
    most = -(-(lengths.max() - 1) // BUCKET) * BUCKET
    padded = np.zeros((job.samples, most + 1, job.inputs), np.uint8)
    for number, length in enumerate(lengths):
        padded[number, :length] = data.x[starts[number] : starts[number + 1]]
    x, lengths = jnp.asarray(padded), jnp.asarray(lengths)

    def train(order):
        nonlocal state
        filled = np.zeros(job.samples, np.int32)
        filled[: len(order)] = order
        *state, total = _sequence_epoch(
            job, (*state, jnp.float32(0)), x, lengths, filled, len(order)
        )
        return float(total) / len(order)

    return train
