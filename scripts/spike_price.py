"""What a spike costs: the page's plain net with regularizers.L1 on its hidden layer.

    python scripts/spike_price.py --l1 1e-5 --rate 0.002 --seeds 0 1

Prints test accuracy and hidden spikes a digit of each seed, after five epochs.
"""

import argparse

import neuroai_c as ai
from neuroai_c.reproduce import digits

EPOCHS, BATCH_SIZE = 5, 15


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Accuracy and spikes where a spike costs something.")
    parser.add_argument("--l1", type=float, default=1e-5, help="default: 1e-5")
    parser.add_argument("--rate", type=float, default=0.002, help="of RMSprop; default: 0.002")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="default: 0 1")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--digits", type=int, help="of the training set; default: all")
    options = parser.parse_args(arguments)

    train, test = (encoded(part, options.digits) for part in ai.datasets.mnist.load_data())
    for seed in options.seeds:
        model = net(options.l1, options.rate, seed)
        model.fit(*train, batch_size=BATCH_SIZE, epochs=options.epochs, verbose=0)
        values = model.evaluate(*test, verbose=0, return_dict=True)
        print(f"seed {seed}: accuracy {values['acc']:.4f}, spikes {values['spikes']:.1f}")


def encoded(part, most):
    images, labels = (array[:most] for array in part)
    numbers = images.reshape(len(images), digits.PIXELS) / 255.0
    spikes = ai.utils.transform_rate(numbers, digits.STEPS, digits.MAX_SPIKES)
    return spikes, ai.utils.to_categorical(labels, digits.CLASSES)


def net(l1, rate, seed):
    config = {"decay": 0.9, "g": "leaky_rel", "return_sequences": True}
    hidden = ai.layers.SNU(100, **config, activity_regularizer=ai.regularizers.L1(l1))
    model = ai.Sequential(seed=seed)
    model.add(ai.layers.InputLayer([None, digits.PIXELS]))
    model.add(hidden)
    model.add(ai.layers.SNU(digits.CLASSES, **config))
    model.add(ai.layers.GlobalAveragePooling1D())
    model.compile(ai.optimizers.RMSprop(rate), "mse", ["acc", ai.metrics.SpikeCount(hidden)])
    return model


if __name__ == "__main__":
    main()
