"""From a Sequential to the same net in plain NumPy, and what feeds both."""

import neuroai_c as ai
import numpy as np
import twin
from neuroai_c import optimizers


def twin_of(model):
    """A twin.net.Net of a built and compiled model: copies of its layers, weights, loss and optimizer."""
    return twin.net.Net(
        [_layer(layer) for layer in model.layers],
        getattr(twin.losses, model.loss.name),
        _optimizer(model.optimizer),
        {} if model.loss.name == "mse" else dict(from_logits=model.loss.from_logits),
    )


def _layer(layer):
    weights = layer.get_weights()
    if isinstance(layer, ai.layers.Masking):
        return twin.net.Masking(layer.mask_value)
    if isinstance(layer, ai.layers.GlobalAveragePooling1D):
        return twin.net.Average()
    if isinstance(layer, ai.layers.Dense):
        return twin.net.Dense(*weights, activation=layer.activation)
    decay = weights.pop() if layer.trainable_decay else np.array(layer.decay)
    return twin.net.SNU(
        weights[0], weights[-1], weights[1] if layer.recurrent else None, decay=decay,
        trainable_decay=layer.trainable_decay, reset_gradient=layer.reset_gradient,
        activation=layer.activation, g=layer.g, lateral_inhibition=layer.lateral_inhibition,
        go_backwards=layer.go_backwards, return_sequences=layer.return_sequences, stateful=layer.stateful,
        l1=0.0 if layer.activity_regularizer is None else layer.activity_regularizer.l1)


def _optimizer(optimizer):
    names = {optimizers.SGD: ("momentum", "nesterov"), optimizers.RMSprop: ("rho", "momentum", "epsilon"),
             optimizers.Adam: ("beta_1", "beta_2", "epsilon")}[type(optimizer)]
    options = {name: getattr(optimizer, name) for name in names}
    if not options.get("momentum", True):
        options = {name: value for name, value in options.items() if name not in ("momentum", "nesterov")}
    return twin.Optimizer(type(optimizer).__name__.lower(), optimizer.learning_rate, options,
                          optimizer.clipnorm, optimizer.clipvalue, optimizer.weight_decay or 0.0)


def runs_backwards(model):
    """Whether the steps of the output run against those of the input."""
    return sum(getattr(layer, "go_backwards", False) for layer in model.layers) % 2 == 1


def padded(sequences, fill=0.0, at_the_end=True):
    """(sequences, T, ...) of sequences of different lengths, and the mask of what is theirs."""
    steps = max(map(len, sequences))
    whole = np.full((len(sequences), steps, *np.shape(sequences[0])[1:]), fill, np.asarray(sequences[0]).dtype)
    mask = np.zeros(whole.shape[:2], bool)
    for row, counts, sequence in zip(whole, mask, sequences):
        part = slice(0, len(sequence)) if at_the_end else slice(steps - len(sequence), steps)
        row[part], counts[part] = sequence, True
    return whole, mask


def twin_batch(model, x, y):
    """(x, target, mask) for the twin of a batch that the model takes: lists padded, with a mask."""
    if not isinstance(x, list):
        return np.asarray(x, np.float64), y, None
    masking = model.layers[0] if isinstance(model.layers[0], ai.layers.Masking) else None
    x, mask = padded([np.asarray(row, np.float64) for row in x], masking.mask_value if masking else 0.0)
    if isinstance(y, list):
        y, _ = padded(y, at_the_end=not runs_backwards(model))
    return x, y, None if masking else mask
