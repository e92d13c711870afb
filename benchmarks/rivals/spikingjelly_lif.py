"""SpikingJelly: its LIFNode and layer.Linear in multi-step mode, compiled by PyTorch.

Not the same unit as the other rivals' (no g, atan as surrogate, fixed thresholds), so its
losses are not compared.
"""

from importlib.metadata import version

import numpy as np
import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn

from .. import jobs
from ._torch import library_trainer


def versions():
    return {"torch": torch.__version__, "spikingjelly": version("spikingjelly")}


def trainer(job, data, threads):
    net = _net(job)
    # Its container for recurrence takes many minutes to compile.
    advance = net if job.recurrent else torch.compile(net, fullgraph=True, dynamic=False)

    def sums_of(parts):
        functional.reset_net(net)
        return sum(advance(part).sum(0) for part in parts)

    return library_trainer(job, data, threads, net, sums_of)


def _net(job):
    modules = [Float()]
    for kernel, *recurrent, _ in jobs.weights(job):
        modules.append(layer.Linear(*kernel.shape, bias=False, step_mode="m"))
        modules[-1].weight.data = torch.from_numpy(kernel.T.copy())
        if recurrent:
            modules.append(_recurrent(job, recurrent[0]))
        else:
            modules.append(_units(job, "m"))
    return nn.Sequential(*modules)


class Float(nn.Module):
    def forward(self, x):
        return x.float()


def _units(job, step_mode):
    return neuron.LIFNode(
        tau=1 / (1 - job.decay),
        decay_input=False,
        surrogate_function=surrogate.ATan(),
        step_mode=step_mode,
    )


def _recurrent(job, kernel):
    """The library's container: a product with (input, spikes before), here first (1, R)."""
    units = len(kernel)
    container = layer.LinearRecurrentContainer(
        _units(job, "s"), units, units, bias=False, step_mode="m"
    )
    container.rc.weight.data = torch.from_numpy(np.hstack([np.eye(units, dtype="f"), kernel.T]))
    return container
