"""Steps along the gradient, in place, with TensorFlow 2.4's formulas.

Before the step, for each array of weights by itself: clipnorm scales g to that norm where its own is larger,
clipvalue clips its numbers to [-clipvalue, clipvalue], and weight_decay shrinks w -= lr weight_decay w.
"""

import dataclasses

import numpy as np


def sgd_step(w, g, velocity=None, *, learning_rate=0.01, momentum=0.0, nesterov=False):
    if velocity is None:
        w -= learning_rate * g
        return
    velocity[...] = momentum * velocity - learning_rate * g
    w += momentum * velocity - learning_rate * g if nesterov else velocity


def rmsprop_step(w, g, v, u=None, *, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
    v[...] = rho * v + (1 - rho) * g**2
    step = learning_rate * g / (np.sqrt(v) + epsilon)
    if u is None:
        w -= step
        return
    u[...] = momentum * u + step
    w -= u


def adam_step(w, g, m, v, *, step, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m[...] = beta_1 * m + (1 - beta_1) * g
    v[...] = beta_2 * v + (1 - beta_2) * g**2
    rate = learning_rate * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
    w -= rate * m / (np.sqrt(v) + epsilon)


def clip(g, clipnorm=None, clipvalue=None):
    if clipnorm is not None:
        norm = np.sqrt(np.sum(g**2))
        g = g * (clipnorm / norm) if norm > clipnorm else g
    return g if clipvalue is None else np.clip(g, -clipvalue, clipvalue)


@dataclasses.dataclass
class Optimizer:
    """One of the methods with its slots, for a list of weights that stay the same arrays.

    `learning_rate` is a number, or a function of the number of steps taken before this one.
    """

    method: str
    learning_rate: float
    options: dict = dataclasses.field(default_factory=dict)
    clipnorm: float | None = None
    clipvalue: float | None = None
    weight_decay: float = 0.0
    steps: int = 0
    slots: list = dataclasses.field(default_factory=list)

    def step(self, weights, gradients):
        self.slots = self.slots or [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        rate = self.learning_rate(self.steps) if callable(self.learning_rate) else self.learning_rate
        self.steps += 1
        options = dict(self.options, learning_rate=rate)
        for w, g, (first, second) in zip(weights, gradients, self.slots, strict=True):
            g = clip(g, self.clipnorm, self.clipvalue)
            w -= rate * self.weight_decay * w
            if self.method == "sgd":
                sgd_step(w, g, first if "momentum" in options else None, **options)
            elif self.method == "rmsprop":
                rmsprop_step(w, g, first, second if "momentum" in options else None, **options)
            else:
                adam_step(w, g, first, second, step=self.steps, **options)
