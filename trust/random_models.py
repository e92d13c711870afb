"""Random models on random data, a program for the sanitizers: the same from the same seeds.

    python -m trust.random_models FIRST COUNT
"""

import sys
import warnings

import neuroai_c as ai
import numpy as np

L = ai.layers
# Around the widths of vectors, cache lines and words of bits.
SIZES = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40, 63, 64, 65, 100, 129, 200)
STEPS = (1, 2, 3, 5, 20, 31, 32, 33, 63, 64, 65, 100)
LONG = (1, 100, 4096, 4097, 4200)       # beyond 4096 steps memory is laid out otherwise


def exercise(seed, threads=(1, 2, 3, 4)):
    """Makes a model, trains it and runs it a few times; returns the number of calls made."""
    r = np.random.default_rng(seed)
    long, stateful = r.random() < 0.04, r.random() < 0.2
    n = pick(r, (1, 3, 40) if long else (*SIZES, 700))
    model = model_of(r, n, (1, 2, 3, 5) if long else SIZES, stateful)
    batch = pick(r, (1, 2, 3, 4, 8))
    calls = 0
    for _ in range(r.integers(2, 5)):
        ai.set_num_threads(pick(r, threads))
        samples = batch * pick(r, (1, 2, 3)) if stateful else pick(r, (1, 2, 4, 7, 13, 33))
        if long and not stateful:
            samples = min(samples, 4)
        x = data_of(r, samples, LONG if long else STEPS, n)
        calls += run(r, model, x, batch)
    return calls


def run(r, model, x, batch):
    """One call of each kind; what is documented may be raised."""
    weights = r.random(len(x)) if r.random() < 0.2 else None
    try:
        y = targets_of(r, model, model.predict(x, batch_size=batch, verbose=0))
        model.fit(x, y, batch_size=batch, epochs=2, verbose=0, sample_weight=weights)
        model.evaluate(x, y, batch_size=batch, verbose=0)
        return 3
    except FloatingPointError:          # learning rates are not all sensible
        return 2
    except ValueError as error:         # a mask may leave nothing of a sample
        if "must have a step" not in str(error):
            raise
        return 1


def model_of(r, n, sizes, stateful):
    model = ai.Sequential([L.InputLayer([None, n])], seed=0, dtype=pick(r, ("float32", "float64")))
    if r.random() < 0.3:
        model.add(L.Masking(pick(r, (0.0, -1.0))))
    if r.random() < 0.2:
        model.add(L.Dropout(0.3))
    left, metrics, sequences = r.integers(1, 4), [], True
    while left:
        left -= 1
        if sequences and r.random() < 0.7:
            sequences = bool(left) or r.random() < 0.3
            layer = snu_of(r, pick(r, sizes), sequences, stateful)
            if r.random() < 0.4:
                metrics.append(ai.metrics.SpikeCount(layer, name=f"spikes of {left}"))
        else:
            layer = L.Dense(pick(r, sizes), activation=pick(r, (None, "tanh", "step_function")),
                            use_bias=r.random() < 0.7)
        model.add(layer)
        if r.random() < 0.25:
            model.add(L.Dropout(0.2))
        if sequences and r.random() < 0.2:
            model.add(L.GlobalAveragePooling1D())
            sequences = False
    model.compile(optimizer_of(r), loss_of(r), metrics)
    return model


def snu_of(r, units, sequences, stateful):
    return L.SNU(
        units, return_sequences=sequences, stateful=stateful,
        activation=pick(r, ("step_function", "step_function", "sigmoid", "relu", "identity")),
        decay=pick(r, (0.8, 0.0, 1.0, r.random(units))),
        g=pick(r, ("identity", "leaky_rel", "tanh")),
        recurrent=r.random() < 0.4, lateral_inhibition=pick(r, (False, False, "batch", "sample")),
        go_backwards=r.random() < 0.25, trainable_decay=r.random() < 0.3,
        reset_gradient=r.random() < 0.7, bias_initializer=pick(r, ("ones", "zeros")),
        activity_regularizer=ai.regularizers.L1(0.01) if r.random() < 0.15 else None,
    )


def optimizer_of(r):
    o = ai.optimizers
    rate = pick(r, (1e-3, 0.1, 10.0, 1e30)) if r.random() < 0.2 else 0.01
    more = pick(r, ({}, {}, {"clipnorm": 0.1}, {"clipvalue": 0.1}, {"weight_decay": 0.01}))
    return pick(r, (o.SGD(rate, **more), o.SGD(rate, momentum=0.9, nesterov=True, **more),
                    o.RMSprop(rate, **more), o.RMSprop(rate, momentum=0.5, **more),
                    o.Adam(rate, **more)))


def loss_of(r):
    return pick(r, ("mse", ai.losses.BinaryCrossentropy(from_logits=True),
                    ai.losses.CategoricalCrossentropy(from_logits=True),
                    ai.losses.SparseCategoricalCrossentropy(from_logits=True)))


def data_of(r, samples, steps, n):
    """Numbers or spikes; an array, Spikes, or sequences of lengths of their own."""
    spikes = r.random() < 0.5
    often = pick(r, (0.02, 0.2, 0.7))

    def values(*shape):
        if spikes:
            return (r.random(shape) < often).astype("float32")
        x = r.normal(size=shape)
        x[r.random(shape[:-1]) < 0.3] = pick(r, (0.0, -1.0))        # steps that a mask leaves out
        return x

    if r.random() < 0.4:
        return [values(pick(r, steps), n) for _ in range(samples)]
    x = values(samples, pick(r, steps), n)
    return ai.Spikes.from_dense(x) if spikes and r.random() < 0.5 else x


def targets_of(r, model, outputs):
    """Such as the loss takes, of the shape of these outputs."""
    def one(y):
        if isinstance(model.loss, ai.losses.SparseCategoricalCrossentropy):
            return r.integers(0, y.shape[-1], y.shape[:-1])
        return (r.random(y.shape) < 0.4).astype(y.dtype)

    return [one(y) for y in outputs] if isinstance(outputs, list) else one(outputs)


def pick(r, options):
    return options[r.integers(len(options))]


def main():
    first, count = map(int, sys.argv[1:])
    warnings.simplefilter("ignore")
    calls = sum(exercise(seed) for seed in range(first, first + count))
    print(f"{count} models, {calls} calls")


if __name__ == "__main__":
    main()
