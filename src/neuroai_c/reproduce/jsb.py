"""The page "Music prediction (JSB)" of IBM's Neuro-inspired AI Toolkit.

Bach's chorales as piano rolls: a net 88-150-88, spiking neural units and a dense layer, gets the
notes of every step and predicts those of the next.

Source: github.com/IBM/neuroaikit, notebook "Music prediction (JSB)".
"""

from pathlib import Path

import numpy as np

from .. import (
    activations, callbacks, datasets, layers, losses, models, optimizers, plots, runtime, utils,
)
from ..version import __version__
from . import common, sound
from .common import SECONDS, Measure, say

TITLE = "Music prediction (JSB)"
DATA = "folder with jsb-chorales-quarter.json; default: NEUROAI_C_DATA, else a download"
SAMPLES = "chorales"

HIDDEN = 150
DECAY = 0.8
LEARNING_RATE = 0.01
BATCH_SIZE = 1
EPOCHS = 40

# (training, validation, test chorales, epochs) of a run of seconds
QUICK = (60, 20, 20, 5)

# Steps of a chorale that the net hears before it goes on by itself.
PRIMER = 16

RATE = 22050  # of the sound files, samples a second

MODELS = {"snu": "SNU"}

MEASURES = (
    Measure("first_loss", "first loss", "training loss after the first epoch", ".4f"),
    Measure("last_loss", "last loss", "training loss after the last epoch", ".4f"),
    SECONDS,
    Measure("test_loss", "test loss", "test loss", ".4f"),
    Measure("test_nll", "test NLL", "test NLL", ".2f"),
)

# The NLL is that of the paper, S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).
PUBLISHED = {
    "snu": {"first_loss": 0.1430, "last_loss": 0.0902, "epoch_seconds": (2, 4), "test_nll": 8.72},
}


def make_model(seed=None, stateful=False):
    """The page's net, compiled; stateful, it goes on from one call of predict to the next."""
    model = models.Sequential(seed=seed)
    model.add(layers.InputLayer(input_shape=[None, sound.NOTES]))
    model.add(layers.SNU(HIDDEN, decay=DECAY, g=activations.leaky_rel, return_sequences=True,
                         stateful=stateful))
    model.add(layers.Dense(sound.NOTES))
    model.compile(
        optimizer=optimizers.Adam(learning_rate=LEARNING_RATE),
        loss=losses.BinaryCrossentropy(from_logits=True),
    )
    return model


def pairs(chorales):
    """Inputs, all steps but the last, and targets, all but the first: two lists."""
    return [roll[:-1] for roll in chorales], [roll[1:] for roll in chorales]


def nll(model, chorales):
    """Negative log-likelihood of chorales, in nats a step.

    The sum over notes of log(1 + exp(z)) - z t, with z the model's logit of a note and t whether
    it sounds in the next step; the mean over the steps of all chorales.

    Args:
        model: with logits as outputs.
        chorales: a list of piano rolls (T, 88).

    Example:
        >>> model = make_model()
        >>> model.set_weights([0 * weight for weight in model.get_weights()])
        >>> print(round(nll(model, [np.zeros((5, 88))]) / np.log(2), 6))    # a coin a note
        88.0
    """
    x, y = pairs(chorales)
    z = np.concatenate(model.predict(x, verbose=0)).astype(np.float64)
    return float((np.logaddexp(0, z) - z * np.concatenate(y)).sum(axis=1).mean())


def predicted(model, chorale):
    """The probability of every note at every step but the first, from the true steps before it.

    Args:
        chorale: (T, 88).

    Returns:
        (T - 1, 88).
    """
    return activations.sigmoid(model.predict(chorale[None, :-1], verbose=0)[0])


def continued(model, primer, steps, seed=0):
    """A primer and what follows when the net hears what it has drawn itself.

    Every note of a step sounds with its own probability, independent of the others.

    Args:
        model: as make_model makes it.
        primer: (T, 88), T 1 or more: what comes first.
        steps: how many more.
        seed: of the draws.  Default 0.

    Returns:
        (T + steps, 88) uint8.
    """
    rng = np.random.default_rng(seed)
    player = make_model(stateful=True)
    player.set_weights(model.get_weights())
    roll = np.zeros((len(primer) + steps, sound.NOTES), np.uint8)
    roll[: len(primer)] = primer
    heard = 0
    for t in range(len(primer), len(roll)):
        z = player.predict(roll[None, heard:t], verbose=0)[0, -1]
        roll[t] = rng.random(sound.NOTES) < activations.sigmoid(z)
        heard = t
    return roll


class _Validation(callbacks.Callback):
    """Measures the NLL of chorales after every epoch."""

    def __init__(self, chorales):
        self._chorales = chorales

    def on_epoch_end(self, epoch, logs=None):
        logs["val_nll"] = nll(self.model, self._chorales)


def run(names=tuple(MODELS), *, epochs=None, seed=0, batch_size=BATCH_SIZE, data=None,
        quick=False, verbose=1):
    """Trains and tests the model of the page.

    Args:
        names: ("snu",): there is one model.
        epochs: Default 40, or 5 when quick.
        seed: of weights, and of the draws of what is heard.  Chorales come in the file's order.
        batch_size: of training.
        data: a folder with the chorales.  Default: as datasets.JSB has it.
        quick: a part of the chorales only.
        verbose: 0 silent, 1 with progress bars.

    Returns:
        results: what results.json holds.
        model: with the weights of the epoch that is best on the validation chorales.
        chorale: (T, 88), the first one of the test.

    Raises:
        FileNotFoundError: the chorales are not there.
    """
    epochs = epochs or (QUICK[-1] if quick else EPOCHS)
    train, valid, test = datasets.JSB(data)
    if quick:
        train, valid, test = train[: QUICK[0]], valid[: QUICK[1]], test[: QUICK[2]]
    (name,) = names
    say(verbose, f"\n{MODELS[name]}")
    model = make_model(seed)
    # With this patience it stops nothing, and restores the weights.
    best = callbacks.EarlyStopping("val_nll", patience=epochs, restore_best_weights=True)
    history = model.fit(
        *pairs(train), batch_size=batch_size, epochs=epochs, verbose=verbose, shuffle=False,
        callbacks=[_Validation(valid), best],
    )
    losses = history.history["loss"]
    result = {
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "best_epoch": best.best_epoch + 1,
        "test_loss": model.evaluate(*pairs(test), verbose=verbose),
        "test_nll": nll(model, test),
        "epoch_seconds": history.seconds,
        "history": history.history,
    }
    config = {
        "epochs": epochs,
        "seed": seed,
        "batch_size": batch_size,
        "hidden": HIDDEN,
        "decay": DECAY,
        "learning_rate": LEARNING_RATE,
        "train_chorales": len(train),
        "valid_chorales": len(valid),
        "test_chorales": len(test),
        "threads": runtime.get_num_threads(),
    }
    results = {"models": {name: result}, "config": config, "version": __version__}
    return results, model, test[0]


def table(results):
    """Published beside obtained numbers, as a Markdown table, a row a measure, and a remark."""
    ((name, result),) = results["models"].items()
    rows = [["model", "measure", "published", "obtained"]]
    for measure in MEASURES:
        obtained = f"{np.mean(result[measure.key]):{measure.form}}"
        published = common.shown(PUBLISHED[name], measure)
        rows.append([MODELS[name], measure.name, published, obtained])
    return (
        f"{common.markdown(rows)}\n\n"
        f"The test's numbers are those of epoch {result['best_epoch']}, the best on the validation "
        "chorales.\nNLL is the negative log-likelihood in nats a step, summed over the 88 notes; "
        "the published one\nis the paper's, whose nets trained otherwise."
    )


def write(results, model, chorale, folder):
    """Writes results.json, where matplotlib is the figures, and three sound files: the chorale,
    what the net predicts of it step by step, and how the net goes on after its beginning.

    Returns:
        The paths of the files.
    """
    probabilities = np.concatenate([chorale[:1], predicted(model, chorale)])
    rolls = {
        "chorale": chorale,
        "predicted": probabilities > 0.5,
        "continued": continued(model, chorale[:PRIMER], max(0, len(chorale) - PRIMER),
                               results["config"]["seed"]),
    }
    shown = {**rolls, "predicted": probabilities}
    paths = common.write(results, _figures(results, model, shown), folder)
    for name, roll in rolls.items():
        paths.append(Path(folder) / f"{name}.wav")
        utils.write_wav(paths[-1], sound.piano_roll_signal(roll, rate=RATE), RATE)
    return paths


def _figures(results, model, rolls):
    from matplotlib.figure import Figure

    ((name, result),) = results["models"].items()
    history, known = result["history"], PUBLISHED[name]
    epochs = range(1, len(history["loss"]) + 1)
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, history["loss"], marker=".", label="obtained")
    left.plot([1, EPOCHS], [known["first_loss"], known["last_loss"]], "x", label="published")
    left.set(title="Training loss", xlabel="epoch")
    left.legend()
    right.plot(epochs, history["val_nll"], marker=".")
    right.axvline(result["best_epoch"], ls=":", color="grey")
    right.set(title="NLL of the validation chorales, nats a step", xlabel="epoch")
    yield "training.png", figure

    titles = {
        "chorale": "A test chorale",
        "predicted": "Probabilities predicted from the true steps before",
        "continued": f"Continued by the net after {PRIMER} steps",
    }
    figure = Figure(figsize=(9, 8), layout="constrained")
    for ax, (key, title) in zip(figure.subplots(len(titles), 1, sharex=True), titles.items()):
        _draw(rolls[key], ax)
        ax.set_title(title)
    ax.axvline(PRIMER - 0.5, ls=":", color="grey")
    ax.set_xlabel("time step")
    yield "piano_roll.png", figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    spikes = model.layers[0](rolls["chorale"][None])[0]
    ax = plots.raster(spikes, ax=figure.subplots())
    ax.set_title(f"The chorale in the hidden layer: {spikes.sum():.0f} spikes")
    yield "raster.png", figure


def _draw(roll, ax):
    """Draws a piano roll (T, 88) of numbers from 0 to 1, where the chorales have notes."""
    low = sound.LOWEST - 0.5
    ax.imshow(roll.T, "Greys", aspect="auto", origin="lower", interpolation="nearest",
              vmin=0, vmax=1, extent=(-0.5, len(roll) - 0.5, low, low + sound.NOTES))
    ax.set(ylabel="MIDI note", ylim=(40, 100))
