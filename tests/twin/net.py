"""A whole small network and a step of its training, from the other modules.

A layer has `weights` (a list of arrays that are changed in place, in the order kernel, recurrent_kernel,
bias, decay) and two methods, of which the second knows what the first has seen:

    y, mask = layer.forward(x, mask)            the mask is that of y, None where there is none
    dx, gradients = layer.backward(dy)          gradients in the order of the weights
"""

import dataclasses

import numpy as np

from twin import losses
from twin.average import average_backward, average_forward
from twin.dense import dense_backward, dense_forward
from twin.snu import final_state, snu_backward, snu_forward


@dataclasses.dataclass
class Masking:
    """A step with every input equal to `mask_value` does not count; its inputs become zero."""

    mask_value: float = 0.0
    weights = ()

    def forward(self, x, mask):
        mask = np.any(x != self.mask_value, axis=-1)
        return x * mask[:, :, None], mask

    def backward(self, dy):
        return dy, []  # nothing lies below


@dataclasses.dataclass
class SNU:
    """`l1` is the regularizer's, over all steps that count whatever is passed on.

    With go_backwards the mask, too, is passed on in the order of processing.
    """

    kernel: np.ndarray
    bias: np.ndarray
    recurrent_kernel: np.ndarray | None = None
    decay: float | np.ndarray = 0.8
    trainable_decay: bool = False
    reset_gradient: bool = True
    activation: object = "step_function"
    g: object = "identity"
    lateral_inhibition: bool | str = False
    go_backwards: bool = False
    return_sequences: bool = False
    stateful: bool = False
    l1: float = 0.0
    state: tuple | None = None

    def __post_init__(self):
        self.decay = np.array(self.decay, self.kernel.dtype)

    @property
    def weights(self):
        recurrent = [] if self.recurrent_kernel is None else [self.recurrent_kernel]
        return [self.kernel, *recurrent, self.bias, *([self.decay] if self.trainable_decay else [])]

    def forward(self, x, mask):
        self.x = x
        self.options = dict(decay=self.decay, activation=self.activation, g=self.g, mask=mask,
                            lateral_inhibition=self.lateral_inhibition, go_backwards=self.go_backwards,
                            initial_state=self.state if self.stateful else None)
        self.y, self.V = snu_forward(x, self.kernel, self.bias, self.recurrent_kernel, **self.options)
        if self.stateful:
            self.state = final_state(self.y, self.V, self.state, mask, self.go_backwards)

        self.mask = mask[:, ::-1] if mask is not None and self.go_backwards else mask
        return (self.y, self.mask) if self.return_sequences else (self.y[:, -1], None)

    def penalty(self):
        spikes = getattr(self.activation, "name", self.activation) == "step_function"
        return losses.l1_losses(self.y, self.l1, self.mask, spikes)

    def backward(self, dy):
        if not self.return_sequences:
            last, dy = dy, np.zeros_like(self.y)
            dy[:, -1] = last
        _, dy_l1 = self.penalty()
        d = snu_backward(dy + dy_l1, self.x, self.kernel, self.bias, self.recurrent_kernel, y=self.y,
                         V=self.V, reset_gradient=self.reset_gradient, **self.options)
        recurrent = [] if self.recurrent_kernel is None else [d.recurrent_kernel]
        return d.x, [d.kernel, *recurrent, d.bias, *([d.decay] if self.trainable_decay else [])]

    def after_step(self):
        if self.trainable_decay:
            np.clip(self.decay, 0, 1, out=self.decay)


@dataclasses.dataclass
class Dense:
    kernel: np.ndarray
    bias: np.ndarray | None = None
    activation: object = "identity"

    @property
    def weights(self):
        return [self.kernel] if self.bias is None else [self.kernel, self.bias]

    def forward(self, x, mask):
        self.x = x
        return dense_forward(x, self.kernel, self.bias, activation=self.activation), mask

    def backward(self, dy):
        d = dense_backward(dy, self.x, self.kernel, self.bias, activation=self.activation)
        return d.x, [d.kernel] if self.bias is None else [d.kernel, d.bias]


@dataclasses.dataclass
class Average:
    weights = ()

    def forward(self, x, mask):
        self.T, self.mask = x.shape[1], mask
        return average_forward(x, mask), None

    def backward(self, dy):
        return average_backward(dy, self.T, self.mask), []


@dataclasses.dataclass
class Net:
    """Layers, a loss (a function of `losses`, with its options) and an `Optimizer`."""

    layers: list
    loss: object = losses.mse
    optimizer: object = None
    loss_options: dict = dataclasses.field(default_factory=dict)

    @property
    def weights(self):
        return [w for layer in self.layers for w in layer.weights]

    def forward(self, x, mask=None):
        for layer in self.layers:
            x, mask = layer.forward(x, mask)
        return x, mask

    def evaluate(self, x, target, mask=None, sample_weight=None):
        """(loss of the batch, its gradient by the output, the output)"""
        y, mask = self.forward(x, mask)
        samples, dy = losses.sample_losses(self.loss, y, target, mask, sample_weight, **self.loss_options)
        samples = samples + sum(layer.penalty()[0] for layer in self.layers if isinstance(layer, SNU))
        return samples.sum() / len(samples), dy, y

    def gradients(self, dy):
        """In the order of `weights`, from the gradient by the output."""
        reversed_gradients = []
        for layer in reversed(self.layers):
            dy, gradients = layer.backward(dy)
            reversed_gradients.append(gradients)
        return [g for gradients in reversed(reversed_gradients) for g in gradients]

    def train_on_batch(self, x, target, mask=None, sample_weight=None):
        """The loss before the step, and the output it is of."""
        loss, dy, y = self.evaluate(x, target, mask, sample_weight)
        self.optimizer.step(self.weights, self.gradients(dy))
        for layer in self.layers:
            if isinstance(layer, SNU):
                layer.after_step()
        return loss, y
