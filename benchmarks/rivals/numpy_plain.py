"""NumPy: dense products over a batch, the time loop in Python."""

import numpy as np

from .. import jobs
from ..optimizer import Optimizer

ALPHA = np.float32(0.1)


def versions():
    return {"numpy": np.__version__}


def trainer(job, data, threads):
    layers = jobs.weights(job)
    step = Optimizer(np, job)
    slots = [[step.slots(array) for array in layer] for layer in layers]
    x, y = data.x, np.array(data.y)

    def train(order):
        loss = 0.0
        for start in range(0, len(order), job.batch):
            batch = order[start : start + job.batch]
            # (T, B, N): a step's rows are then contiguous
            below = np.ascontiguousarray(x[batch].swapaxes(0, 1), np.float32)
            kept = []
            for number, layer in enumerate(layers):
                hidden = number < len(job.hidden)
                V, spikes, peak = _forward(job, layer, below, hidden)
                kept.append((below, V, spikes, peak))
                below = spikes
            output = below.mean(axis=0)
            difference = output - y[batch]
            loss += float(np.square(difference).mean(axis=1).sum())
            dy = np.float32(2 / difference.size) * difference / np.float32(job.steps)
            dy = np.broadcast_to(dy, (job.steps, *dy.shape))
            step.begin()
            gradients = []
            for number in reversed(range(len(layers))):
                hidden = number < len(job.hidden)
                gradient, dy = _backward(job, layers[number], *kept[number], dy, hidden, number > 0)
                gradients.append((number, gradient))
            for number, gradient in gradients:
                for array, slot, g in zip(layers[number], slots[number], gradient):
                    step(array, slot, g)
        return loss / len(order)

    return train


def sequence_trainer(job, data, threads):
    layers = jobs.weights(job)
    hidden, (kernel, bias) = layers
    step = Optimizer(np, job)
    slots = [[step.slots(array) for array in layer] for layer in layers]
    x, starts = np.array(data.x, np.float32), data.starts

    def train(order):
        loss = 0.0
        for s in order:
            sequence = x[starts[s] : starts[s + 1], None]
            inputs, targets = sequence[:-1], sequence[1:]
            kept = _forward(job, hidden, inputs, True)
            spikes = kept[1]
            logits = spikes @ kernel + bias
            # log(1 + e^x) - x z, where e^-|x| cannot overflow
            tail = np.log1p(np.exp(-np.abs(logits)))
            loss += float((np.maximum(logits, 0) + tail - logits * targets).mean())
            d = (1 / (1 + np.exp(-logits)) - targets) / np.float32(logits.size)
            gradient, _ = _backward(job, hidden, inputs, *kept, d @ kernel.T, True, False)
            gradients = gradient, (spikes[:, 0].T @ d[:, 0], d.sum(axis=(0, 1)))
            step.begin()
            for layer, slot, gradient in zip(layers, slots, gradients):
                for each in zip(layer, slot, gradient):
                    step(*each)
        return loss / len(order)

    return train


def _forward(job, layer, x, hidden):
    kernel, bias = layer[0], layer[-1]
    steps, batch, inputs = x.shape
    V = (x.reshape(-1, inputs) @ kernel).reshape(steps, batch, -1)
    y = np.empty_like(V)
    peak = np.zeros(steps, np.float32)
    for t in range(steps):
        a = V[t]
        if t > 0:
            gate = 1 - (peak[t - 1] if hidden and job.inhibited else y[t - 1])
            a += np.float32(job.decay) * V[t - 1] * gate
            if hidden and job.recurrent:
                a += y[t - 1] @ layer[1]
        np.maximum(a, ALPHA * a, out=a)
        np.greater(a, bias, out=y[t])
        if hidden and job.inhibited:
            peak[t] = y[t].max()
    return V, y, peak


def _backward(job, layer, x, V, y, peak, dy, hidden, wants_dx):
    kernel, bias = layer[0], layer[-1]
    steps, batch, units = V.shape
    decay = np.float32(job.decay)
    recurrent = hidden and job.recurrent
    slope_h = 1 - np.square(np.tanh(V - bias))
    slope_g = np.where(V > 0, np.float32(1), ALPHA)
    D = np.zeros((steps + 1, batch, units), np.float32)
    db = np.zeros(units, np.float32)
    for t in reversed(range(steps)):
        if hidden and job.inhibited:
            at_peak = y[t] == peak[t]
            through_reset = at_peak * np.float32(-(decay * V[t] * D[t + 1]).sum() / at_peak.sum())
            gate = 1 - peak[t]
        else:
            through_reset = -decay * V[t] * D[t + 1]
            gate = 1 - y[t]
        through_output = dy[t] + through_reset
        if recurrent:
            through_output = through_output + D[t + 1] @ layer[1].T
        v = through_output * slope_h[t]
        db -= v.sum(axis=0)
        D[t] = (v + decay * gate * D[t + 1]) * slope_g[t]
    flat = D[:steps].reshape(-1, units)
    gradient = [x.reshape(-1, x.shape[2]).T @ flat]
    if recurrent:
        gradient.append(y[:-1].reshape(-1, units).T @ D[1:steps].reshape(-1, units))
    gradient.append(db)
    return gradient, (flat @ kernel.T).reshape(x.shape) if wants_dx else None


def encoder(job, data, threads):
    numbers, steps, most = np.array(data.numbers), job.steps, float(data.most)

    def encode(order):
        part = numbers[: len(order)]
        draws = np.random.RandomState(0)
        rates = part * most / steps
        spikes = np.empty((len(part), steps, part.shape[1]), np.uint8)
        for t in range(steps):
            spikes[:, t] = rates > draws.random_sample(part.shape)

    return encode
