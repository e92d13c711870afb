"""snnTorch: its Leaky units, compiled by PyTorch.

Not the same unit as the other rivals' (no g, atan as surrogate, a reset without gradient, fixed
thresholds), so its losses are not compared.
"""

import snntorch
import torch
from snntorch import surrogate
from torch import nn

from ._torch import StatefulNet, stateful_trainer


def versions():
    return {"torch": torch.__version__, "snntorch": snntorch.__version__}


def trainer(job, data, threads):
    return stateful_trainer(job, data, threads, Net(job))


class Net(StatefulNet):
    def __init__(self, job):
        super().__init__(job)
        self.units = nn.ModuleList(
            snntorch.Leaky(job.decay, spike_grad=surrogate.atan(), reset_mechanism="zero")
            for _ in self.forth
        )

    def states(self, batch):
        """(spikes, potentials) of every layer before the first step."""
        zeros = [torch.zeros(batch, forth.out_features) for forth in self.forth]
        # Later states have a gradient; with one that has none it would be compiled twice.
        return [(array, array.clone().requires_grad_()) for array in zeros]

    def forward(self, x, states):
        """The sum over some steps (T, B, inputs) of the last layer's spikes, and the states."""
        below, after = x.float(), []
        for number, (spikes, potentials) in enumerate(states):
            kept = []
            for current in self.forth[number](below).unbind():
                if number < len(self.back):
                    current = current + self.back[number](spikes)
                spikes, potentials = self.units[number](current, potentials)
                kept.append(spikes)
            below = torch.stack(kept)
            after.append((spikes, potentials))
        return below.sum(0), after
