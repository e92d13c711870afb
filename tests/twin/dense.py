"""A dense layer on the last axis of x: z = x W + b, y = f(z).

    dz = dy f'(z)    dx = dz W^T    dW = sum over rows of x^T dz    db = sum over rows of dz

Shapes: x (..., N); kernel W (N, M); bias b (M,) or None; y (..., M).
"""

from collections import namedtuple

import numpy as np

from twin.activations import activation_pair

DenseGradients = namedtuple("DenseGradients", "x kernel bias")


def matmul(x, kernel):
    return np.asarray(x, kernel.dtype) @ kernel


def _drive(x, kernel, bias):
    return matmul(x, kernel) if bias is None else matmul(x, kernel) + bias


def dense_forward(x, kernel, bias=None, *, activation="identity"):
    f, _ = activation_pair(activation)
    return f(_drive(x, kernel, bias))


def dense_backward(dy, x, kernel, bias=None, *, activation="identity"):
    _, df = activation_pair(activation)
    dz = dy * df(_drive(x, kernel, bias))
    rows_x = np.asarray(x, kernel.dtype).reshape(-1, kernel.shape[0])
    rows_dz = dz.reshape(-1, kernel.shape[1])
    return DenseGradients(dz @ kernel.T, rows_x.T @ rows_dz, None if bias is None else rows_dz.sum(axis=0))
