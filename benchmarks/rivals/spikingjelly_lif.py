"""SpikingJelly: its LIFNode and layer.Linear in multi-step mode, compiled by PyTorch.

Not the same unit as the other rivals' (no g, atan as surrogate, fixed thresholds), so its
losses are not compared.
"""

from importlib.metadata import version

import numpy as np
import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn
from torch.nn import functional as F

from .. import jobs
from ._torch import optimizer

STEPS = 20  # that are compiled; more would take minutes, so that they go on from the states


def versions():
    return {"torch": torch.__version__, "spikingjelly": version("spikingjelly")}


def trainer(job, data, threads):
    if job.inhibited:
        raise NotImplementedError("has no lateral inhibition")
    torch.set_num_threads(threads)
    net = _net(job)
    # Its container for recurrence takes many minutes to compile.
    advance = net if job.recurrent else torch.compile(net, fullgraph=True, dynamic=False)
    update = optimizer(job, list(net.parameters()))
    x, targets = np.asarray(data.x), torch.from_numpy(np.array(data.y))

    def train(order):
        loss = 0.0
        # A last smaller batch is left out: it would be compiled anew while it is timed.
        batches = len(order) // job.batch
        for batch in np.split(order[: batches * job.batch], batches):
            functional.reset_net(net)
            output = 0
            for part in torch.from_numpy(x[batch]).transpose(0, 1).split(STEPS):
                output = output + advance(part).sum(0) / job.steps
            error = F.mse_loss(output, targets[batch])
            update.zero_grad()
            error.backward()
            update.step()
            loss += error.item() / batches
        return loss

    return train


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
