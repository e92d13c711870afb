"""Norse: its LIFBoxCell, compiled by PyTorch.

Not the same unit as the other rivals' (no g, fixed thresholds), so its losses are not compared.
"""

from importlib.metadata import version

import torch
from norse.torch import LIFBoxCell, LIFBoxFeedForwardState, LIFBoxParameters

from ._torch import StatefulNet, stateful_trainer

DT = 0.001


def versions():
    return {"torch": torch.__version__, "norse": version("norse")}


def trainer(job, data, threads):
    return stateful_trainer(job, data, threads, Net(job))


class Net(StatefulNet):
    def __init__(self, job):
        super().__init__(job)
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
