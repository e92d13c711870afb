"""What the PyTorch rivals share: the unit, the loss, the optimizers, the loop of the libraries."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .. import jobs

ALPHA = 0.1
STEPS = 20  # that are compiled; more would take minutes, so that they go on from the states


def versions():
    return {"torch": torch.__version__}


def parameters(job):
    """Tensors of every layer that require gradients, and all of them in one list."""
    layers = [
        [torch.from_numpy(array).requires_grad_() for array in layer]
        for layer in jobs.weights(job)
    ]
    return layers, [array for layer in layers for array in layer]


def optimizer(job, arrays):
    if job.optimizer == "sgd":
        return torch.optim.SGD(arrays, job.rate, fused=True)
    if job.optimizer == "rmsprop":
        return torch.optim.RMSprop(arrays, job.rate, alpha=0.9, eps=1e-7, foreach=True)
    return Adam(arrays, job.rate, fused=True)


class Adam(torch.optim.Adam):
    """PyTorch's adds eps to the corrected sqrt(v), the jobs to the uncorrected one."""

    made = 0

    def step(self):
        self.made += 1
        for group in self.param_groups:
            group["eps"] = 1e-7 / math.sqrt(1 - 0.999**self.made)
        super().step()


class Step(torch.autograd.Function):
    """h: 1 where x > 0, else 0; its derivative is taken to be 1 - tanh(x)^2."""

    @staticmethod
    def forward(x):
        return torch.heaviside(x, x.new_zeros(()))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        tanh = torch.tanh(x)
        return dy * (1 - tanh * tanh)


def unroll(job, layer, drive, hidden, states=None):
    """y of all steps (T, B, units), from what the inputs drive into the units, likewise; and the
    states (y, V) after them.  A first step without states is the first of all."""
    # All of unbind's slices get their gradient in one tensor, and so do bias's uses.
    thresholds = layer[-1].expand_as(drive).unbind(0)
    spikes = []
    for a, bias in zip(drive.unbind(0), thresholds):
        if states:
            y, V = states
            peak = y.amax() if hidden and job.inhibited else y
            a = torch.addcmul(a, V, 1 - peak, value=job.decay)
            if hidden and job.recurrent:
                a = a.addmm(y, layer[1])
        V = F.leaky_relu(a, ALPHA)
        y = Step.apply(V - bias)
        spikes.append(y)
        states = y, V
    return torch.stack(spikes), states


def forward(job, layers, drive):
    """The mean over time of the last layer's y, from the first layer's drive."""
    for number, layer in enumerate(layers):
        if number > 0:
            drive = spikes @ layer[0]
        spikes, _ = unroll(job, layer, drive, number < len(job.hidden))
    return spikes.mean(0)


def trainer_of(job, update, error_of):
    """The epoch of whoever tells a batch's mean error from its samples' numbers."""

    def train(order):
        loss = 0.0
        for start in range(0, len(order), job.batch):
            batch = order[start : start + job.batch]
            error = error_of(batch)
            update.zero_grad()
            error.backward()
            update.step()
            loss += error.item() * len(batch)
        return loss / len(order)

    return train


def sequences(data):
    """Of every sequence the inputs and the targets, (T, inputs) and (T, outputs)."""
    x = torch.from_numpy(np.array(data.x, np.float32))
    parts = x.split(np.diff(data.starts).tolist())
    return [(part[:-1], part[1:]) for part in parts]


def library_trainer(job, data, threads, net, sums_of):
    """The epoch of a library's own net: sums_of(parts) are its last spikes, summed over parts of
    STEPS steps (T, B, inputs)."""
    if job.inhibited:
        raise NotImplementedError("has no lateral inhibition")
    torch.set_num_threads(threads)
    update = optimizer(job, list(net.parameters()))
    x, targets = np.asarray(data.x), torch.from_numpy(np.array(data.y))

    def error_of(batch):
        parts = torch.from_numpy(x[batch]).transpose(0, 1).split(STEPS)
        return F.mse_loss(sums_of(parts) / job.steps, targets[batch])

    train = trainer_of(job, update, error_of)
    # A last smaller batch is left out: it would be compiled anew while it is timed.
    return lambda order: train(order[: len(order) // job.batch * job.batch])


def stateful_trainer(job, data, threads, net):
    """Of a net whose states go in and come out beside its spikes."""
    advance = torch.compile(net, fullgraph=True, dynamic=False)

    def sums_of(parts):
        sums, states = 0, net.states(job.batch)
        for part in parts:
            spikes, states = advance(part, states)
            sums = sums + spikes
        return sums

    return library_trainer(job, data, threads, net, sums_of)


class StatefulNet(nn.Module):
    """The products of a net, without its units."""

    def __init__(self, job):
        super().__init__()
        layers = jobs.weights(job)
        self.forth = nn.ModuleList(linear(layer[0]) for layer in layers)
        self.back = nn.ModuleList(linear(layer[1]) for layer in layers if len(layer) == 3)


def linear(kernel):
    module = nn.Linear(*kernel.shape, bias=False)
    module.weight.data = torch.from_numpy(kernel.T.copy())
    return module
