"""PyTorch, torch.compile: forward pass, loss, gradient and the optimizer's step over all time
steps in one graph."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from ._torch import (
    STEPS, forward, optimizer, parameters, sequences, trainer_of, unroll, versions,
)

__all__ = ["sequence_trainer", "trainer", "versions"]


def trainer(job, data, threads):
    if job.steps > 20:
        raise NotImplementedError("the graph of so many steps takes minutes to compile")
    torch.set_num_threads(threads)
    layers = [[array.detach() for array in layer] for layer in parameters(job)[0]]
    slots = [[(torch.zeros_like(w), torch.zeros_like(w)) for w in layer] for layer in layers]
    x, targets = np.asarray(data.x), torch.from_numpy(np.array(data.y))

    def error_of(layers, inputs, wanted):
        # (T, B, units) of the first layer's drive: what follows reads step after step
        drive = (inputs.float() @ layers[0][0]).transpose(0, 1).contiguous()
        return F.mse_loss(forward(job, layers, drive), wanted)

    gradient_of = torch.func.grad_and_value(error_of)

    @torch.compile(fullgraph=True, dynamic=False)
    def step(layers, slots, inputs, wanted, rate):
        gradients, error = gradient_of(layers, inputs, wanted)
        for layer, slot, gradient in zip(layers, slots, gradients):
            for w, (m, v), g in zip(layer, slot, gradient):
                if job.optimizer == "sgd":
                    w.sub_(rate * g)
                elif job.optimizer == "rmsprop":
                    v.mul_(0.9).addcmul_(g, g, value=0.1)
                    w.sub_(rate * g / (v.sqrt() + 1e-7))
                else:
                    m.lerp_(g, 0.1)
                    v.mul_(0.999).addcmul_(g, g, value=0.001)
                    w.sub_(rate * m / (v.sqrt() + 1e-7))
        return error

    made = 0

    @torch.no_grad()
    def train(order):
        nonlocal made
        loss = 0.0
        for start in range(0, len(order), job.batch):
            batch = order[start : start + job.batch]
            made += 1
            rate = job.rate
            if job.optimizer == "adam":
                rate *= math.sqrt(1 - 0.999**made) / (1 - 0.9**made)
            error = step(layers, slots, torch.from_numpy(x[batch]), targets[batch],
                         torch.tensor(rate))
            loss += error.item() * len(batch)
        return loss / len(order)

    return train


def sequence_trainer(job, data, threads):
    """The units are compiled over STEPS steps, and go on from the states."""
    torch.set_num_threads(threads)
    layers, arrays = parameters(job)
    hidden, (kernel, bias) = layers
    update = optimizer(job, arrays)
    samples = [
        (F.pad(inputs, (0, 0, 0, -len(inputs) % STEPS)), targets)
        for inputs, targets in sequences(data)
    ]
    zeros = torch.zeros(2, len(kernel))

    @torch.compile(fullgraph=True, dynamic=False)
    def advance(layer, drive, states):
        return unroll(job, layer, drive, True, states)

    def error_of(batch):
        inputs, targets = samples[batch[0]]
        # Later states have a gradient; with ones that have none it would be compiled twice.
        states, parts = tuple(zeros.clone().requires_grad_()), []
        for drive in (inputs @ hidden[0]).split(STEPS):
            spikes, states = advance(hidden, drive, states)
            parts.append(spikes)
        spikes = torch.cat(parts)[: len(targets)]
        return F.binary_cross_entropy_with_logits(torch.addmm(bias, spikes, kernel), targets)

    return trainer_of(job, update, error_of)
