"""PyTorch, eager: autograd over a time loop in Python, torch.optim."""

import numpy as np
import torch
from torch.nn import functional as F

from ._torch import forward, optimizer, parameters, sequences, trainer_of, unroll, versions

__all__ = ["sequence_trainer", "trainer", "versions"]


def trainer(job, data, threads):
    torch.set_num_threads(threads)
    layers, arrays = parameters(job)
    update = optimizer(job, arrays)
    x, targets = np.asarray(data.x), torch.from_numpy(np.array(data.y))

    def error_of(batch):
        inputs = torch.from_numpy(x[batch]).float()
        drive = (inputs @ layers[0][0]).transpose(0, 1).contiguous()
        return F.mse_loss(forward(job, layers, drive), targets[batch])

    return trainer_of(job, update, error_of)


def sequence_trainer(job, data, threads):
    torch.set_num_threads(threads)
    layers, arrays = parameters(job)
    hidden, (kernel, bias) = layers
    update = optimizer(job, arrays)
    samples = sequences(data)

    def error_of(batch):
        inputs, targets = samples[batch[0]]
        spikes, _ = unroll(job, hidden, inputs @ hidden[0], True)
        return F.binary_cross_entropy_with_logits(torch.addmm(bias, spikes, kernel), targets)

    return trainer_of(job, update, error_of)
