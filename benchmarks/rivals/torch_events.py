"""PyTorch, the first layer and its gradient by embedding_bag over lists of spikes, the rest under
torch.compile; torch.optim."""

import numpy as np
import torch
from torch.nn import functional as F

from ._torch import forward, optimizer, parameters, trainer_of, versions

__all__ = ["trainer", "versions"]


class Drive(torch.autograd.Function):
    """x W: a bag of W's rows for every step of a sample.  Its gradient, x^T D, is a bag of D's
    rows for every input, which is far faster than embedding_bag's own backward pass."""

    @staticmethod
    def forward(ctx, kernel, inputs, of_step, rows, of_input):
        ctx.save_for_backward(rows, of_input)
        return F.embedding_bag(inputs, kernel, of_step, mode="sum")

    @staticmethod
    def backward(ctx, D):
        rows, of_input = ctx.saved_tensors
        kernel = F.embedding_bag(rows, D.contiguous(), of_input, mode="sum")
        return kernel, None, None, None, None


def trainer(job, data, threads):
    if job.steps > 100:
        raise NotImplementedError("the graph of so many steps takes too long to compile")
    torch.set_num_threads(threads)
    layers, arrays = parameters(job)
    update = optimizer(job, arrays)
    targets = torch.from_numpy(np.array(data.y))
    spikes, first = _lists(data.x)

    @torch.compile(dynamic=False)
    def error_of(drive, wanted):
        drive = drive.view(-1, job.steps, drive.shape[1]).transpose(0, 1).contiguous()
        return F.mse_loss(forward(job, layers, drive), wanted)

    def error_of_batch(batch):
        drive = Drive.apply(layers[0][0], *_lists_of_batch(job, spikes, first[batch]))
        return error_of(drive, targets[batch])

    return trainer_of(job, update, error_of_batch)


def _lists(x):
    """The spiking inputs of all samples' steps in a row, and where each step begins, (samples,
    steps + 1)."""
    samples, steps, _ = x.shape
    inputs, counts = [], []
    for sample in x:
        step, spiking = np.nonzero(sample)
        inputs.append(spiking.astype(np.uint16))
        counts.append(np.bincount(step, minlength=steps))
    ends = np.cumsum(np.concatenate(counts)).reshape(samples, steps)
    starts = np.concatenate([[0], ends[:-1, -1]])
    return np.concatenate(inputs), np.concatenate([starts[:, None], ends], axis=1)


def _lists_of_batch(job, spikes, bags):
    """Inputs step by step, where steps begin; (sample, step) input by input, where inputs begin."""
    inputs = np.concatenate([spikes[bag[0] : bag[-1]] for bag in bags])
    counts = np.diff(bags, axis=1).ravel()
    rows = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    by_input = rows[np.argsort(inputs, kind="stable")]  # of uint16: a radix sort

    def starts(counts):
        return np.concatenate([[0], np.cumsum(counts[:-1])]).astype(np.int32)

    lists = (inputs.astype(np.int32), starts(counts), by_input,
             starts(np.bincount(inputs, minlength=job.inputs)))
    return [torch.from_numpy(each) for each in lists]
