"""Trains spiking neural units to predict the JSB chorales, and prints their test negative
log-likelihood beside the paper's, as a Markdown table.

    python scripts/jsb_nll.py --seeds 0 1 2 --output results/jsb-nll.json

A net 88 - units - 88 has a layer of SNUs, dropout, and a dense layer of logits z; it reads the
notes x_1 ... x_t of a chorale and predicts x_{t+1}.  With the targets y_t = x_{t+1},

    NLL = 1/n sum_t sum_k (max(z_tk, 0) - z_tk y_tk + log(1 + exp(-|z_tk|)))

over the 88 notes k and all n predicted steps of all chorales of a split: a chorale counts by its
length, and its first step, before which there is nothing to read, is not predicted.  Training
makes the mean over chorales of the means over their steps small, by Adam with weight decay apart
from the gradient (AdamW) along a cosine that ends at a rate of 0.  The test NLL is that of the
epoch whose validation NLL is the least.

scripts/jsb_search.py looks for settings.

Source: S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).
"""

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from neuroai_c import (
    Sequential,
    __version__,
    callbacks,
    datasets,
    get_num_threads,
    initializers,
    layers,
    losses,
    optimizers,
)

NOTES = 88

# (chorales of each split, epochs) of a run of seconds
QUICK = (4, 1)

PUBLISHED = {"SNU": 8.72, "sSNU": 8.39, "LSTM": 8.67, "GRU": 8.54, "RNN": 9.10}


@dataclass(frozen=True)
class Setting:
    """A net and how it is trained.

    Attributes:
        activation, g, recurrent, units, decay, trainable_decay: of the SNUs.
        threshold: b of all units before training.
        dropout: the part of the SNUs' outputs that is dropped.
        rate: of learning, at the first step.
        weight_decay: of every weight, thresholds and trained decays too.
        batch_size: chorales a step.
        epochs: over which the rate goes down to 0.
    """

    activation: str
    g: str
    recurrent: bool
    units: int
    decay: float
    trainable_decay: bool
    threshold: float
    dropout: float
    rate: float
    weight_decay: float
    batch_size: int
    epochs: int


# Found by a random search that saw the validation split only.
SETTINGS = {
    "SNU": Setting(
        activation="step_function", g="leaky_rel", recurrent=False, units=400,
        decay=0.8, trainable_decay=True, threshold=0.0, dropout=0.4,
        rate=0.0095, weight_decay=0.1, batch_size=4, epochs=50,
    ),
    "SNU recurrent": Setting(
        activation="step_function", g="leaky_rel", recurrent=True, units=400,
        decay=0.8, trainable_decay=False, threshold=0.0, dropout=0.2,
        rate=0.003, weight_decay=0.1, batch_size=2, epochs=40,
    ),
    "sSNU": Setting(
        activation="sigmoid", g="tanh", recurrent=False, units=200,
        decay=0.8, trainable_decay=True, threshold=0.5, dropout=0.0,
        rate=0.0134, weight_decay=0.01, batch_size=1, epochs=30,
    ),
    "sSNU recurrent": Setting(
        activation="sigmoid", g="tanh", recurrent=True, units=400,
        decay=0.8, trainable_decay=True, threshold=0.5, dropout=0.4,
        rate=0.0225, weight_decay=0.01, batch_size=1, epochs=30,
    ),
}


def load(data=None, chorales=None):
    """The splits as pairs of lists, of what is read (T, 88) and what comes next (T, 88).

    Args:
        data: a folder with JSB.  Default: as datasets.JSB has it.
        chorales: of each split, the first ones.  Default all.

    Returns:
        {"train": (x, y), "valid": (x, y), "test": (x, y)}
    """
    splits = dict(zip(("train", "valid", "test"), datasets.JSB(data)))
    return {
        name: ([roll[:-1] for roll in rolls[:chorales]], [roll[1:] for roll in rolls[:chorales]])
        for name, rolls in splits.items()
    }


def make_model(setting, chorales, seed):
    """The net, compiled to be trained on that many chorales."""
    model = Sequential(seed=seed)
    model.add(layers.InputLayer(input_shape=[None, NOTES]))
    model.add(layers.SNU(
        setting.units, activation=setting.activation, g=setting.g, recurrent=setting.recurrent,
        decay=setting.decay, trainable_decay=setting.trainable_decay, return_sequences=True,
        bias_initializer=initializers.Constant(setting.threshold),
    ))
    if setting.dropout:
        model.add(layers.Dropout(setting.dropout))
    model.add(layers.Dense(NOTES))
    steps = setting.epochs * -(-chorales // setting.batch_size)
    model.compile(
        optimizer=optimizers.Adam(
            optimizers.schedules.CosineDecay(setting.rate, steps),
            weight_decay=setting.weight_decay,
        ),
        loss=losses.BinaryCrossentropy(from_logits=True),
    )
    return model


def negative_log_likelihood(model, x, y):
    """Of a split: the sum over notes, the mean over all steps of all chorales."""
    z = np.concatenate(model.predict(x, verbose=0), dtype=np.float64)
    return float((np.logaddexp(0, z) - z * np.concatenate(y)).sum() / len(z))


class ValidNLL(callbacks.Callback):
    """Adds the validation NLL to the measures of every epoch, as "valid_nll"."""

    def __init__(self, x, y):
        self._x, self._y = x, y

    def on_epoch_end(self, epoch, logs=None):
        logs["valid_nll"] = negative_log_likelihood(self.model, self._x, self._y)


def train(setting, splits, seed):
    """Trains a net; looks at "train" and "valid" of the splits only.

    Returns:
        model: with the weights of the best epoch.
        run: a dict: the seed, the validation NLL and the number of the best epoch, the training
            loss and the validation NLL of every epoch, and the seconds it all took.
    """
    start = time.perf_counter()
    x, y = splits["train"]
    model = make_model(setting, len(x), seed)
    best = callbacks.EarlyStopping("valid_nll", patience=setting.epochs, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=setting.batch_size, epochs=setting.epochs, verbose=0,
        callbacks=[ValidNLL(*splits["valid"]), best],
    )
    return model, {
        "seed": seed,
        "valid_nll": best.best,
        "best_epoch": best.best_epoch + 1,
        "seconds": time.perf_counter() - start,
        "history": history.history,
    }


def table(nets):
    """Published beside obtained test NLL, mean and range over seeds, as a Markdown table.

    Args:
        nets: as the file of --output has them.
    """
    heads = ["net", "published NLL", "obtained", "on valid", "best epochs", "seconds a run"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, net in nets.items():
        test, valid, epochs, seconds = (
            [run[key] for run in net["runs"]]
            for key in ("test_nll", "valid_nll", "best_epoch", "seconds")
        )
        cells = [
            name,
            f"{PUBLISHED[name]:.2f}" if name in PUBLISHED else "-",
            f"**{statistics.fmean(test):.3f}** ({min(test):.3f}-{max(test):.3f})",
            f"{statistics.fmean(valid):.3f}",
            ", ".join(map(str, epochs)),
            f"{statistics.median(seconds):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    others = (f"{name} {nll:.2f}" for name, nll in PUBLISHED.items() if name not in SETTINGS)
    return "\n".join([*lines, "", f"Published for other nets: {', '.join(others)}."])


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Test negative log-likelihood of JSB.")
    parser.add_argument("--nets", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", help="folder with JSB; default: as datasets.JSB has it")
    parser.add_argument("--output", type=Path, help="a JSON file for settings and results")
    parser.add_argument("--quick", action="store_true", help="a few chorales, one epoch")
    options = parser.parse_args(arguments)

    chorales, epochs = QUICK if options.quick else (None, None)
    splits = load(options.data, chorales)
    nets = {}
    for name in options.nets:
        setting = replace(SETTINGS[name], epochs=epochs or SETTINGS[name].epochs)
        nets[name] = {"setting": asdict(setting), "runs": []}
        for seed in options.seeds:
            model, run = train(setting, splits, seed)
            run["test_nll"] = negative_log_likelihood(model, *splits["test"])
            nets[name]["runs"].append(run)
            print(f"{name}, seed {seed}: test NLL {run['test_nll']:.3f}, valid "
                  f"{run['valid_nll']:.3f} at epoch {run['best_epoch']}; {run['seconds']:.0f} s",
                  flush=True)
            if options.output:
                results = {"nets": nets, "threads": get_num_threads(), "version": __version__}
                options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\n{table(nets)}")


if __name__ == "__main__":
    main()
