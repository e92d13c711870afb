"""The optimizers of the jobs for rivals that bring none of their own, on arrays in place."""

import math


class Optimizer:
    """step = Optimizer(np, job); step.begin() before every batch; step(w, slots, g) changes w."""

    def __init__(self, np, job):
        self._np, self._job = np, job
        self._count = 0

    def slots(self, w):
        number = {"sgd": 0, "rmsprop": 1, "adam": 2}[self._job.optimizer]
        return [self._np.zeros_like(w) for _ in range(number)]

    def begin(self):
        self._count += 1

    def __call__(self, w, slots, g):
        np, rate = self._np, self._job.rate
        if self._job.optimizer == "sgd":
            w -= np.float32(rate) * g
            return
        if self._job.optimizer == "rmsprop":
            (v,) = slots
            v *= np.float32(0.9)
            v += np.float32(0.1) * np.square(g)
            w -= np.float32(rate) * g / (np.sqrt(v) + np.float32(1e-7))
            return
        m, v = slots
        m += np.float32(0.1) * (g - m)
        v += np.float32(0.001) * (np.square(g) - v)
        rate *= math.sqrt(1 - 0.999**self._count) / (1 - 0.9**self._count)
        w -= np.float32(rate) * m / (np.sqrt(v) + np.float32(1e-7))
