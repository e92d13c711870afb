"""Norse: its LIFBoxCell, compiled by PyTorch.

Not the same unit as the other rivals' (no g, fixed thresholds), so its losses are not compared.
"""

from importlib.metadata import version

import numpy as np
import torch
from norse.torch import LIFBoxCell, LIFBoxFeedForwardState, LIFBoxParameters
from torch import nn
from torch.nn import functional as F

from .. import jobs
from ._torch import optimizer

STEPS = 20  # that are compiled; more would take minutes, so that they go on from the states
DT = 0.001


def versions():
    return {"torch": torch.__version__, "norse": version("norse")}


def trainer(job, data, threads):
    if job.inhibited:
        raise NotImplementedError("has no lateral inhibition")
    torch.set_num_threads(threads)
    net = Net(job)
    advance = torch.compile(net, fullgraph=True, dynamic=False)
    update = optimizer(job, list(net.parameters()))
    x, targets = np.asarray(data.x), torch.from_numpy(np.array(data.y))

    def train(order):
        loss = 0.0
        # A last smaller batch is left out: it would be compiled anew while it is timed.
        batches = len(order) // job.batch
        for batch in np.split(order[: batches * job.batch], batches):
            output, states = 0, net.states(job.batch)
            for part in torch.from_numpy(x[batch]).transpose(0, 1).split(STEPS):
                spikes, states = advance(part, states)
                output = output + spikes / job.steps
            error = F.mse_loss(output, targets[batch])
            update.zero_grad()
            error.backward()
            update.step()
            loss += error.item() / batches
        return loss

    return train


class Net(nn.Module):
    def __init__(self, job):
        super().__init__()
        layers = jobs.weights(job)
        self.forth = nn.ModuleList(_linear(layer[0]) for layer in layers)
        self.back = nn.ModuleList(_linear(layer[1]) for layer in layers if len(layer) == 3)
        self.scale = 1 - job.decay  # of what goes into the cell, by the cell
        self.cell = LIFBoxCell(
            LIFBoxParameters(tau_mem_inv=torch.tensor(self.scale / DT), method="tanh", alpha=1.0),
            dt=DT,
        )

    def states(self, batch):
        """(spikes, the cell's state) of every layer before the first step."""
        zeros = [torch.zeros(batch, forth.out_features) for forth in self.forth]
        # Later states have a gradient; with one that has none it would be compiled twice.
        return [(array, LIFBoxFeedForwardState(array.clone().requires_grad_())) for array in zeros]

    def forward(self, x, states):
        """The sum over some steps (T, B, inputs) of the last layer's spikes, and the states."""
        below, after = x.float(), []
        for number, (spikes, state) in enumerate(states):
            kept = []
            for current in self.forth[number](below).unbind():
                if number < len(self.back):
                    current = current + self.back[number](spikes)
                spikes, state = self.cell(current / self.scale, state)
                kept.append(spikes)
            below = torch.stack(kept)
            after.append((spikes, state))
        return below.sum(0), after


def _linear(kernel):
    linear = nn.Linear(*kernel.shape, bias=False)
    linear.weight.data = torch.from_numpy(kernel.T.copy())
    return linear
