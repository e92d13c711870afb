"""PyTorch, eager: autograd over a time loop in Python, torch.optim."""

import numpy as np
import torch
from torch.nn import functional as F

from ._torch import forward, optimizer, parameters, versions

__all__ = ["trainer", "versions"]


def trainer(job, data, threads):
    torch.set_num_threads(threads)
    layers, arrays = parameters(job)
    update = optimizer(job, arrays)
    x, targets = np.asarray(data.x), torch.from_numpy(np.array(data.y))

    def train(order):
        loss = 0.0
        for start in range(0, len(order), job.batch):
            batch = order[start : start + job.batch]
            inputs = torch.from_numpy(x[batch]).float()
            drive = (inputs @ layers[0][0]).transpose(0, 1).contiguous()
            error = F.mse_loss(forward(job, layers, drive), targets[batch])
            update.zero_grad()
            error.backward()
            update.step()
            loss += error.item() * len(batch)
        return loss / len(order)

    return train
