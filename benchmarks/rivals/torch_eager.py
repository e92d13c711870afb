"""PyTorch, eager: autograd over a time loop in Python, torch.optim."""

import numpy as np
import torch
from torch.nn import functional as F

from ._torch import forward, optimizer, parameters, trainer_of, versions

__all__ = ["trainer", "versions"]


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
