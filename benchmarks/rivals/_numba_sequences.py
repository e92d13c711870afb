"""Numba on sequences: the event-driven loops on one sequence after the other, in one thread.

The first layer and its gradient visit only spikes; the dense layer's products are np.dot.
"""

import math
from collections import namedtuple

import numpy as np
from numba import njit

from .. import jobs
from .numba_events import ADAM, FADE, FAST, NONE, F, _add_rows, _back, _fire, _step, _weights
from .numba_events import _count, _list, _padded, _whole, _zeros

Lists = namedtuple("Lists", "starts x first counts events")
# Rows of V and y are steps 1..T between rows of zeros.  D takes the place of V.
Arrays = namedtuple("Arrays", "V y d dy g dense_g")


@njit(**FAST)
def _forward(lists, start, steps, kernel, threshold, V, y, decay):
    V[: steps + 2] = F(0)
    at = lists.first[start]
    for t in range(1, steps + 1):
        count = lists.counts[start + t - 1, 0]
        _add_rows(V, t, kernel, lists.events, at, count, NONE)
        at += _whole(count)
        _fire(V[t], V[t - 1], y[t], threshold, decay)


@njit(**FAST)
def _cross_entropy(logits, targets):
    """The mean; the logits become its gradient."""
    loss, scale = 0.0, F(1) / F(logits.size)
    for t in range(logits.shape[0]):
        for j in range(logits.shape[1]):
            x, z = logits[t, j], F(targets[t, j])
            tail = math.exp(-abs(x))
            loss += max(x, F(0)) - x * z + math.log(F(1) + tail)
            p = (F(1) if x > F(0) else tail) / (F(1) + tail)
            logits[t, j] = (p - z) * scale
    return loss / logits.size


@njit(**FAST)
def _backward(lists, start, steps, threshold, V, dy, g, db, decay):
    """D in the place of V, the gradients in g and db."""
    g[:] = F(0)
    db[:] = F(0)
    for t in range(steps, 0, -1):
        _back(V[t], V[t + 1], dy[t - 1], threshold, db, decay)
        at = lists.first[start + t - 1]
        for e in range(at, at + lists.counts[start + t - 1, 0]):
            i = lists.events[e]
            for j in range(g.shape[1]):
                g[i, j] += V[t, j]


@njit(**FAST)
def _learn(weights, g, rate):
    """One step of Adam of all rows."""
    w, m, v = weights.w.reshape(1, -1), weights.m.reshape(1, -1), weights.v.reshape(1, -1)
    _step(w, m, v, 0, g.reshape(1, -1), ADAM, rate, FADE[1])


@njit(**FAST)
def _epoch(order, made, lists, layers, arrays, decay, base_rate):
    kernel, bias, dense_kernel, dense_bias = layers
    db, dense_db = np.zeros_like(bias.w), np.zeros_like(dense_bias.w)
    loss = 0.0
    for s in order:
        start, steps = lists.starts[s], lists.starts[s + 1] - lists.starts[s] - 1
        V, y = arrays.V, arrays.y[1 : steps + 1]
        d, dy = arrays.d[:steps], arrays.dy[:steps]
        _forward(lists, start, steps, kernel.w, bias.w[0], V, arrays.y, decay)
        np.dot(y, dense_kernel.w, d)
        d += dense_bias.w
        loss += _cross_entropy(d, lists.x[start + 1 : start + 1 + steps])
        np.dot(d, dense_kernel.w.T, dy)
        np.dot(y.T, d, arrays.dense_g)
        dense_db[0] = d.sum(axis=0)
        _backward(lists, start, steps, bias.w[0], V, dy, arrays.g, db[0], decay)
        made += 1
        rate = F(base_rate * math.sqrt(1 - 0.999**made) / (1 - 0.9**made))
        _learn(kernel, arrays.g, rate)
        _learn(bias, db, rate)
        _learn(dense_kernel, arrays.dense_g, rate)
        _learn(dense_bias, dense_db, rate)
    return loss / len(order)


def sequence_trainer(job, data, threads):
    x, starts = np.array(data.x), np.array(data.starts)
    counts, first = np.zeros((len(x), 1), np.uint16), np.zeros(len(x) + 1, np.int64)
    _count(x[:, None], counts, first)
    events = np.full(first[-1], job.inputs, np.uint16)  # filled up with a row of zeros
    _list(x[:, None], counts, first, events)
    lists = Lists(starts, x, first, counts, events)

    (kernel, bias), (dense_kernel, dense_bias) = jobs.weights(job)
    units = _padded(len(bias))
    layers = (
        _weights(kernel, job.inputs + 1, units), _weights(bias[None], 1, units),
        _weights(dense_kernel, units, job.outputs), _weights(dense_bias[None], 1, job.outputs),
    )
    most = int(np.diff(starts).max())
    arrays = Arrays(_zeros(most + 1, units), _zeros(most + 1, units), _zeros(most, job.outputs),
                    _zeros(most, units), _zeros(job.inputs + 1, units),
                    _zeros(units, job.outputs))
    made = 0

    def train(order):
        nonlocal made
        loss = _epoch(order, made, lists, layers, arrays, F(job.decay), job.rate)
        made += len(order)
        return loss

    return train
