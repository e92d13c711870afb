"""Numba: a program of loops that visits only spikes, the optimizer's step in the same pass.

Numbers are float32 and sums may be reordered (fastmath), as a program that is meant to be fast
has it.  A thread takes its part of a batch forward and backward, then its part of the rows of
every weight: it sums a row's gradient and takes the row's step at once.  Products without
zeros to skip (of gradients), or with short rows (the output layer's), are np.dot.
"""

import ctypes
import math
import os
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # np.dot is called by every thread for its own part

import numba  # noqa: E402
import numpy as np  # noqa: E402
from numba import njit  # noqa: E402

from .. import jobs  # noqa: E402

_yield = ctypes.CDLL(None).sched_yield
_yield.argtypes = []

F = np.float32
FAST = {"fastmath": True, "error_model": "numpy"}
SGD, RMSPROP, ADAM = range(3)
LANES = 16  # rows are of whole vectors
GROUP = 8  # rows that are added at once; lists are filled up to it with a row of zeros
NONE = np.uint64(0)  # unsigned: Numba asks of signed indices whether they count from the end
FADE = np.array([0.9**n for n in range(1000)], F)

Data = namedtuple("Data", "first counts events targets")
Settings = namedtuple("Settings", "decay inhibited recurrent method rate units outputs")
Weights = namedtuple("Weights", "w m v missed")
# What comes into a layer: `events`, row by row the inputs that spike; `rows`, input by input.
Spikes = namedtuple("Spikes", "events counts rows filled")
# Rows of V and y are (step, sample): of every part of a batch the steps 1..T between steps of
# zeros.  D takes the place of V, and the gradient that of y, once those are not needed.
Layer = namedtuple("Layer", "kernel recurrent bias threshold db V y real partial")


def versions():
    return {"numba": numba.__version__, "numpy": np.__version__}


# ---- data: of every sample and step the inputs that spike ------------------------------------


@njit
def _count(x, counts, first):
    samples, steps, inputs = x.shape
    for s in range(samples):
        first[s + 1] = first[s]
        for t in range(steps):
            for i in range(inputs):
                counts[s, t] += x[s, t, i]
            first[s + 1] += _whole(counts[s, t])


@njit
def _list(x, counts, first, events):
    samples, steps, inputs = x.shape
    for s in range(samples):
        at = first[s]
        for t in range(steps):
            end = at
            for i in range(inputs):
                if x[s, t, i]:
                    events[end] = i
                    end += 1
            at += _whole(counts[s, t])


@njit
def _whole(count):
    return (np.int64(count) + GROUP - 1) // GROUP * GROUP


# ---- loops over rows ----------------------------------------------------------------------------


@njit(**FAST)
def _add_rows(out, r, w, events, at, count, later):
    """out[r] += the rows of w that are `later` than those listed"""
    for e in range(at, at + count, GROUP):
        a, b, c = events[e] + later, events[e + 1] + later, events[e + 2] + later
        d, f, g = events[e + 3] + later, events[e + 4] + later, events[e + 5] + later
        h, i = events[e + 6] + later, events[e + 7] + later
        for j in range(out.shape[1]):
            out[r, j] += (
                w[a, j] + w[b, j] + w[c, j] + w[d, j] + w[f, j] + w[g, j] + w[h, j] + w[i, j]
            )


@njit(**FAST)
def _note(rows, filled, events, at, count, r):
    """Into the list of every input that spiked goes the row where it did."""
    for e in range(at, at + count):
        i = events[e]
        rows[i, filled[i]] = r
        filled[i] += 1


@njit(**FAST)
def _add_inputs(V, base, w, samples, first, counts, events, rows, filled):
    n, steps = samples.size, counts.shape[1]
    for b in range(n):
        s = samples[b]
        at = first[s]
        for t in range(steps):
            r, count = base + (t + 1) * n + b, counts[s, t]
            _add_rows(V, r, w, events, at, count, NONE)
            _note(rows, filled, events, at, count, r)
            at += _whole(count)


@njit(**FAST)
def _add_listed(V, first, end, w, events, counts, before):
    """To rows of V come those of w that the lists of `before` rows before name."""
    width = w.shape[0] - 1 + GROUP
    for r in range(first, end):
        _add_rows(V, r, w, events, (r - before) * width, counts[r - before], NONE)


@njit(**FAST)
def _list_spikes(y, first, end, events, counts, rows, filled):
    units = y.shape[1]
    for r in range(first, end):
        at, count = r * (units + GROUP), 0
        for j in range(units):
            events[at + count] = j  # without a branch: it stays if the unit spikes
            count += y[r, j] > F(0)
        for k in range(GROUP):
            events[at + count + k] = units
        counts[r] = count
        _note(rows, filled, events, at, count, r)


# ---- loops over the units of a step, one sample after the other -----------------------------------


@njit(**FAST)
def _fire(V, before, y, threshold, decay):
    """The input V becomes the potential."""
    for k in range(V.size):
        a = V[k] + decay * (before[k] if before[k] <= threshold[k] else F(0))
        a = a if a > F(0) else F(0.1) * a
        V[k] = a
        y[k] = F(1) if a > threshold[k] else F(0)


@njit(**FAST)
def _fire_inhibited(V, before, y, threshold, kept):
    """The same where all are reset together; the number of spikes."""
    spikes = F(0)
    for k in range(V.size):
        a = V[k] + kept * before[k]
        a = a if a > F(0) else F(0.1) * a
        V[k] = a
        y[k] = F(1) if a > threshold[k] else F(0)
        spikes += y[k]
    return spikes


@njit(**FAST)
def _slope(x):
    """1 - tanh(x)^2 = 1 / cosh(x)^2, from cosh(x / 8) - 1 by its series, doubled three times."""
    x = min(max(x, F(-40)), F(40)) * F(1 / 8)
    s = x * x
    c = s * (F(1 / 2) + s * (F(1 / 24) + s * (F(1 / 720) + s * F(1 / 40320))))
    c = F(2) * c * (c + F(2))
    c = F(2) * c * (c + F(2))
    c = F(2) * c * (c + F(2)) + F(1)
    return F(1) / (c * c)


@njit(**FAST)
def _back(V, after, dy, threshold, db, decay):
    """D in the place of V."""
    for k in range(V.size):
        v = (dy[k] - decay * V[k] * after[k]) * _slope(V[k] - threshold[k])
        db[k] -= v
        d = v + decay * (after[k] if V[k] <= threshold[k] else F(0))
        V[k] = d if V[k] > F(0) else F(0.1) * d


@njit(**FAST)
def _back_inhibited(V, before, after, dy, threshold, db, real, each, silent, kept):
    """The same where all are reset together; the pull on the reset of the step before."""
    pull = F(0)
    for k in range(V.size):
        share = real[k] * each if silent or V[k] > threshold[k] else F(0)
        v = (dy[k] + share) * _slope(V[k] - threshold[k])
        db[k] -= v
        d = v + kept * after[k]
        d = d if V[k] > F(0) else F(0.1) * d
        V[k] = d
        pull += before[k] * d
    return pull


# ---- a part of a batch ------------------------------------------------------------------------


@njit(**FAST)
def _up_hidden(number, data, layers, sources, samples, base, part, low, settings):
    """A hidden layer forward, or only its input where it is inhibited."""
    layer, below, above = layers[number], sources[number], sources[number + 1]
    n, steps = samples.size, data.counts.shape[1]
    first, end = base + n, base + (steps + 1) * n
    layer.V[base : end + n] = F(0)
    if number == 0:
        below.filled[part] = 0
        _add_inputs(layer.V, base, layer.kernel.w, samples, data.first, data.counts, data.events,
                    below.rows[part], below.filled[part])
    else:
        _add_listed(layer.V, first, end, layer.kernel.w, below.events, below.counts, 0)
    if settings.inhibited:
        return
    listed = settings.recurrent or number + 2 < len(layers)
    above.filled[part] = 0
    V, y = layer.V[base : end + n].reshape(-1), layer.y[base : end + n].reshape(-1)
    threshold = layer.threshold[low : low + n].reshape(-1)
    m = threshold.size
    for t in range(1, steps + 1):
        here = base + t * n
        if settings.recurrent and t > 1:
            _add_listed(layer.V, here, here + n, layer.recurrent.w, above.events, above.counts, n)
        _fire(V[t * m : (t + 1) * m], V[(t - 1) * m : t * m], y[t * m : (t + 1) * m], threshold,
              settings.decay)
        if listed:
            _list_spikes(layer.y, here, here + n, above.events, above.counts, above.rows[part],
                         above.filled[part])


@njit(**FAST)
def _output(data, layers, samples, size, base, part, low, settings):
    """The output layer forward and backward; the sum of the squared differences."""
    layer, below = layers[-1], layers[-2]
    n, steps, outputs = samples.size, data.counts.shape[1], settings.outputs
    first, end = base + n, base + (steps + 1) * n
    spikes, w = below.y[first:end], layer.kernel.w
    np.dot(spikes, w, layer.V[first:end])
    V, y = layer.V[base : end + n].reshape(-1), layer.y[base : end + n].reshape(-1)
    threshold, db = layer.threshold[low : low + n].reshape(-1), layer.db[low : low + n].reshape(-1)
    m = threshold.size
    V[:m] = F(0)
    V[(steps + 1) * m :] = F(0)
    y[:m] = F(0)
    for t in range(1, steps + 1):
        now = y[t * m : (t + 1) * m]
        _fire(V[t * m : (t + 1) * m], V[(t - 1) * m : t * m], now, threshold, settings.decay)
        for k in range(m):
            y[k] += now[k]
    loss = 0.0
    dy = layer.y[base:first]
    for b in range(n):
        for j in range(outputs):
            difference = dy[b, j] / F(steps) - data.targets[samples[b], j]
            loss += difference * difference
            dy[b, j] = F(2) * difference / F(size * outputs) / F(steps)
    db[:] = F(0)
    for t in range(steps, 0, -1):
        _back(V[t * m : (t + 1) * m], V[(t + 1) * m : (t + 2) * m], y[:m], threshold, db,
              settings.decay)
    D = layer.V[first:end]
    np.dot(spikes.T, D, layer.partial[part])
    np.dot(D, w.T, spikes)
    return loss


@njit(**FAST)
def _down_hidden(number, layers, n, steps, base, low, settings):
    """A hidden layer backward."""
    layer = layers[number]
    first, end = base + n, base + (steps + 1) * n
    V, y = layer.V[base : end + n].reshape(-1), layer.y[base : end + n].reshape(-1)
    threshold, db = layer.threshold[low : low + n].reshape(-1), layer.db[low : low + n].reshape(-1)
    m = threshold.size
    db[:] = F(0)
    for t in range(steps, 0, -1):
        dy = y[t * m : (t + 1) * m]
        if settings.recurrent and t < steps:
            after = base + (t + 1) * n
            np.dot(layer.V[after : after + n], layer.recurrent.w[:-1].T, layer.y[base:first])
            for k in range(m):
                dy[k] += y[k]
        _back(V[t * m : (t + 1) * m], V[(t + 1) * m : (t + 2) * m], dy, threshold, db,
              settings.decay)
    if number > 0:
        np.dot(layer.V[first:end], layer.kernel.w[:-1].T, layers[number - 1].y[first:end])


# ---- an inhibited layer: a step needs all samples of the step before ------------------------------


@njit(**FAST)
def _up_inhibited(layer, size, steps, parts, spikes, settings):
    units = layer.V.shape[1]
    V, y, threshold = layer.V.reshape(-1), layer.y.reshape(-1), layer.threshold.reshape(-1)
    for t in range(1, steps + 1):
        kept = settings.decay if t == 1 or spikes[t - 1] == F(0) else F(0)
        spikes[t] = F(0)
        for part in range(parts):
            low, high = size * part // parts, size * (part + 1) // parts
            m = (high - low) * units
            at = (steps + 2) * low * units + t * m
            spikes[t] += _fire_inhibited(V[at : at + m], V[at - m : at], y[at : at + m],
                                         threshold[:m], kept)


@njit(**FAST)
def _down_inhibited(layer, size, steps, parts, spikes, settings):
    width = layer.V.shape[1]
    V, y, threshold = layer.V.reshape(-1), layer.y.reshape(-1), layer.threshold.reshape(-1)
    db, real = layer.db.reshape(-1), layer.real.reshape(-1)
    db[:] = F(0)
    pull = F(0)
    for t in range(steps, 0, -1):
        silent = spikes[t] == F(0)
        each = -settings.decay * pull / (F(size * settings.units) if silent else spikes[t])
        kept = settings.decay if silent else F(0)
        pull = F(0)
        for part in range(parts):
            low, high = size * part // parts, size * (part + 1) // parts
            m = (high - low) * width
            at = (steps + 2) * low * width + t * m
            pull += _back_inhibited(V[at : at + m], V[at - m : at], V[at + m : at + 2 * m],
                                    y[at : at + m], threshold[:m], db[low * width :], real[:m],
                                    each, silent, kept)


# ---- weights ------------------------------------------------------------------------------------


@njit(**FAST)
def _step(w, m, v, i, g, method, rate, fade):
    """The step of row i; `fade` is of all steps since its last gradient."""
    if method == SGD:
        for j in range(g.shape[1]):
            w[i, j] -= rate * g[0, j]
    elif method == RMSPROP:
        for j in range(g.shape[1]):
            v[i, j] = fade * v[i, j] + F(0.1) * g[0, j] * g[0, j]
            w[i, j] -= rate * g[0, j] / (math.sqrt(v[i, j]) + F(1e-7))
    else:
        for j in range(g.shape[1]):
            m[i, j] += F(0.1) * (g[0, j] - m[i, j])
            v[i, j] += F(0.001) * (g[0, j] * g[0, j] - v[i, j])
            w[i, j] -= rate * m[i, j] / (math.sqrt(v[i, j]) + F(1e-7))


@njit(**FAST)
def _learn_listed(w, m, v, missed, rows, filled, D, size, steps, later, g, part, method, rate):
    """Gradient and step of a part of the rows, whose spikes act `later` steps later."""
    parts, inputs, most = rows.shape
    listed = rows.reshape(-1)
    for i in range(len(missed) * part // parts, len(missed) * (part + 1) // parts):
        count = 0
        for q in range(parts):
            count += filled[q, i]
        if count > 0 or method == ADAM:
            g[:] = F(0)
            for q in range(parts):
                low, n = size * q // parts, size * (q + 1) // parts - size * q // parts
                at, count = (q * inputs + i) * most, filled[q, i]
                for k in range(GROUP):
                    listed[at + count + k] = (steps + 2) * low + (steps + 1 - later) * n
                _add_rows(g, 0, D, listed, at, count, np.uint64(later * n))
            _step(w, m, v, i, g, method, rate, FADE[min(missed[i] + 1, FADE.size - 1)])
            missed[i] = 0
        else:
            missed[i] += 1


@njit(**FAST)
def _learn_dense(w, m, v, partial, method, rate):
    g = partial[0].reshape(1, -1)
    for q in range(1, len(partial)):
        other = partial[q].reshape(-1)
        for j in range(other.size):
            g[0, j] += other[j]
    _step(w.reshape(1, -1), m.reshape(1, -1), v.reshape(1, -1), 0, g, method, rate, FADE[1])


@njit(**FAST)
def _learn_bias(w, m, v, threshold, db, size, g, method, rate):
    g[:] = F(0)
    for b in range(size):
        for j in range(g.shape[1]):
            g[0, j] += db[b, j]
    _step(w, m, v, 0, g, method, rate, FADE[1])
    for b in range(len(threshold)):
        for j in range(g.shape[1]):
            threshold[b, j] = w[0, j]


@njit(**FAST)
def _learn(layers, sources, size, steps, part, scratch, settings, rate):
    method = settings.method
    for number in range(len(layers)):
        layer = layers[number]
        kernel, recurrent, bias = layer.kernel, layer.recurrent, layer.bias
        g = scratch[part, : layer.V.shape[1]].reshape(1, -1)
        if number + 1 < len(layers):
            spikes = sources[number]
            _learn_listed(kernel.w, kernel.m, kernel.v, kernel.missed, spikes.rows, spikes.filled,
                          layer.V, size, steps, 0, g, part, method, rate)
            if settings.recurrent:
                spikes = sources[number + 1]
                _learn_listed(recurrent.w, recurrent.m, recurrent.v, recurrent.missed, spikes.rows,
                              spikes.filled, layer.V, size, steps, 1, g, part, method, rate)
        elif part == 0:
            _learn_dense(kernel.w, kernel.m, kernel.v, layer.partial, method, rate)
        if part == len(scratch) - 1:
            _learn_bias(bias.w, bias.m, bias.v, layer.threshold, layer.db, size, g, method, rate)


# ---- an epoch ------------------------------------------------------------------------------------


@njit
def _wait(arrived, part):
    """Until all parts are here.  The call of the system keeps the loop reading memory."""
    arrived[part, 0] += 1
    for other in range(len(arrived)):
        while arrived[other, 0] < arrived[part, 0]:
            _yield()


@njit(nogil=True, **FAST)
def _epoch(part, arrived, order, batch, made, data, layers, sources, settings):
    parts, steps, hidden = len(arrived), data.counts.shape[1], len(layers) - 1
    scratch = np.zeros((parts, max([layer.V.shape[1] for layer in layers])), np.float32)
    spikes = np.zeros(steps + 1, np.float32)
    loss = 0.0
    for start in range(0, len(order), batch):
        samples = order[start : start + batch]
        size = len(samples)
        made += 1
        rate = settings.rate
        if settings.method == ADAM:
            rate = F(rate * math.sqrt(1 - 0.999**made) / (1 - 0.9**made))
        low, high = size * part // parts, size * (part + 1) // parts
        mine, base = samples[low:high], (steps + 2) * low
        for number in range(hidden):
            _up_hidden(number, data, layers, sources, mine, base, part, low, settings)
        if settings.inhibited:  # its steps need all samples of the step before: one part takes them
            _wait(arrived, part)
            if part == 0:
                _up_inhibited(layers[0], size, steps, parts, spikes, settings)
            _wait(arrived, part)
        loss += _output(data, layers, mine, size, base, part, low, settings)
        if settings.inhibited:
            _wait(arrived, part)
            if part == 0:
                _down_inhibited(layers[0], size, steps, parts, spikes, settings)
        else:
            for number in range(hidden - 1, -1, -1):
                _down_hidden(number, layers, high - low, steps, base, low, settings)
        _wait(arrived, part)
        _learn(layers, sources, size, steps, part, scratch, settings, rate)
        _wait(arrived, part)
    return loss / (len(order) * settings.outputs)


# ---- arrays ---------------------------------------------------------------------------------------


def _padded(units):
    return -(-units // LANES) * LANES


def _zeros(*shape):
    """Zeros that begin where a cache line does."""
    room = np.zeros(math.prod(shape) + LANES, F)
    start = -room.ctypes.data // 4 % LANES
    return room[start : start + math.prod(shape)].reshape(shape)


def _weights(array, rows, columns):
    w, m, v = (_zeros(rows, columns) for _ in range(3))
    w[: len(array), : array.shape[1]] = array
    return Weights(w, m, v, np.zeros(len(array), np.int32))


def _layer(job, arrays, inputs, units, parts, hidden):
    """Arrays of so many inputs and units as are whole vectors."""
    rows = (job.steps + 2) * job.batch
    threshold, real = _zeros(job.batch, units), _zeros(job.batch, units)
    threshold[:] = F(1)
    real[:, : len(arrays[-1])] = F(1)
    recurrent = arrays[1] if len(arrays) == 3 else np.zeros((1, 1), F)
    # One more row, of zeros, where lists of spikes come in.
    return Layer(
        _weights(arrays[0], inputs + hidden, units), _weights(recurrent, units + 1, units),
        _weights(arrays[-1][None], 1, units), threshold, _zeros(job.batch, units),
        _zeros(rows, units), _zeros(rows, units), real,
        _zeros(parts, 1 if hidden else inputs, units),
    )


def _spikes(job, units, parts, listed, noted):
    rows = (job.steps + 2) * job.batch
    most = job.steps * -(-job.batch // parts) + GROUP
    return Spikes(
        np.zeros(rows * (units + GROUP) if listed else 1, np.uint16), np.zeros(rows, np.uint16),
        np.zeros((parts, units if noted else 1, most), np.uint16),
        np.zeros((parts, units), np.uint32),
    )


def trainer(job, data, threads):
    if job.inhibited and (job.recurrent or len(job.hidden) != 1):
        raise NotImplementedError("inhibition is written for one hidden layer without recurrence")
    x = data.x
    counts = np.zeros((len(x), job.steps), np.uint16)
    first = np.zeros(len(x) + 1, np.int64)
    _count(x, counts, first)
    events = np.full(first[-1], job.inputs, np.uint16)
    _list(x, counts, first, events)
    lists = Data(first, counts, events, np.array(data.y))

    layers, sources = [], [_spikes(job, job.inputs, threads, False, True)]
    inputs = job.inputs
    for number, arrays in enumerate(jobs.weights(job)):
        hidden = number < len(job.hidden)
        units = _padded(len(arrays[-1])) if hidden else job.outputs
        layers.append(_layer(job, arrays, inputs, units, threads, hidden))
        if hidden:
            listed = job.recurrent or number + 1 < len(job.hidden)
            sources.append(_spikes(job, units, threads, listed, listed))
        inputs = units
    layers, sources = tuple(layers), tuple(sources)
    method = {"sgd": SGD, "rmsprop": RMSPROP, "adam": ADAM}[job.optimizer]
    settings = Settings(F(job.decay), job.inhibited, job.recurrent, method, F(job.rate),
                        job.hidden[0], job.outputs)
    arrived = np.zeros((threads, 64), np.int64)  # of every part a cache line and more
    pool = ThreadPoolExecutor(threads)
    made = 0

    def train(order):
        nonlocal made
        arguments = arrived, order, job.batch, made, lists, layers, sources, settings
        losses = [pool.submit(_epoch, part, *arguments) for part in range(threads)]
        made += -(-len(order) // job.batch)
        return sum(loss.result() for loss in losses)

    return train


def sequence_trainer(job, data, threads):
    from ._numba_sequences import sequence_trainer

    return sequence_trainer(job, data, threads)
