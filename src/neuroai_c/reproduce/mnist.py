"""The page "Image recognition (MNIST)" of IBM's Neuro-inspired AI Toolkit.

MNIST as spike trains, a net 784-250-250-10 of spiking neural units, beside an LSTM of the
same sizes, which runs on PyTorch.

Source: github.com/IBM/neuroaikit, notebook "Image recognition (MNIST)".
"""

from .. import activations, layers, models, optimizers, plots
from . import common, digits, lstm
from .common import ACCURACY, SECONDS, say

TITLE = "Image recognition (MNIST)"
DATA = "folder with MNIST; default: the package's copy"
SAMPLES = "digits"

HIDDEN = (250, 250)
DECAY = 0.9
LEARNING_RATE = 0.5
BATCH_SIZE = 15
EPOCHS = 3

# (training digits, test digits, epochs) of a run of seconds
QUICK = (3000, 1000, 2)

MODELS = {"snn": "SNN", "lstm": "LSTM"}

MEASURES = (ACCURACY, SECONDS)

PUBLISHED = {
    "snn": {"test_accuracy": 0.9484, "epoch_seconds": (83, 88)},
    "lstm": {"test_accuracy": 0.9435, "epoch_seconds": (331, 375)},
}


def make_snn(seed):
    """The page's net of SNUs, compiled."""
    config = {"decay": DECAY, "g": activations.leaky_rel, "return_sequences": True}
    model = models.Sequential(seed=seed)
    model.add(layers.InputLayer(input_shape=[None, digits.PIXELS]))
    for units in (*HIDDEN, digits.CLASSES):
        model.add(layers.SNU(units, **config))
    model.add(layers.GlobalAveragePooling1D())
    model.compile(
        optimizer=optimizers.SGD(learning_rate=LEARNING_RATE), loss="mse", metrics=["acc"]
    )
    return model


def make_lstm(seed):
    """The LSTM of the same sizes; ImportError where PyTorch is missing."""
    return lstm.LSTM((digits.PIXELS, *HIDDEN, digits.CLASSES), LEARNING_RATE, seed)


def run(names=tuple(MODELS), *, epochs=None, seed=0, batch_size=BATCH_SIZE, data=None,
        quick=False, verbose=1):
    """Trains and tests the models of the page.

    Args:
        names: among MODELS; "lstm" is left out where PyTorch is missing.
        epochs: Default 3, or 2 when quick.
        seed: of weights and shuffling.
        batch_size: of training; testing has 32 for the SNN, as on the page.
        data: a folder with MNIST.  Default: as datasets.mnist.load_data has it.
        quick: a part of the digits only.
        verbose: 0 silent, 1 with progress bars.

    Returns:
        results: what results.json holds.
        trained: the models by name.
        test_s: Spikes of the test digits.

    Raises:
        ImportError: "lstm" is the only name, and PyTorch is missing.
    """
    makers = {"snn": make_snn, "lstm": make_lstm}
    epochs = epochs or (QUICK[-1] if quick else EPOCHS)
    skipped = [name for name in names if name == "lstm" and not lstm.available()]
    if len(skipped) == len(names):
        raise ImportError(f"nothing to train but the LSTM: {lstm.HOW_TO_GET_IT}")
    if "lstm" in names and not skipped and not quick:
        say(verbose, "The LSTM takes minutes an epoch (331-375 s on the page); "
            "--models snn leaves it out.\n")

    loaded = digits.load(data, QUICK if quick else None, verbose)
    results, trained = {}, {}
    for name in names:
        say(verbose, f"\n{MODELS[name]}")
        if name in skipped:
            say(verbose, f"Skipped: {lstm.HOW_TO_GET_IT}.")
            continue
        trained[name] = makers[name](seed)
        results[name] = digits.train(
            trained[name], loaded, epochs=epochs, batch_size=batch_size, verbose=verbose
        )
    results = digits.results(
        results, loaded, epochs=epochs, seed=seed, batch_size=batch_size,
        hidden=HIDDEN, decay=DECAY, learning_rate=LEARNING_RATE,
    )
    return results, trained, loaded.test_s


def table(results):
    """Published beside obtained numbers, as a Markdown table: test accuracy, and the seconds an
    epoch of training took: their range, and their mean."""
    return common.table(results, MODELS, PUBLISHED, MEASURES)


def write(results, trained, test_s, folder):
    """Writes results.json and, where matplotlib is, the figures: accuracy and loss while
    training, and the spikes of all layers for a test digit.

    Returns:
        The paths of the files.
    """
    return common.write(results, _figures(results, trained, test_s), folder)


def _figures(results, trained, test_s):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    titles = {"acc": "Accuracy while training", "loss": "Loss while training"}
    for ax, (measure, title) in zip(figure.subplots(1, 2), titles.items()):
        for name, result in results["models"].items():
            values = result["history"][measure]
            ax.plot(range(1, len(values) + 1), values, marker="o", label=MODELS[name])
        ax.set(title=title, xlabel="epoch", xticks=range(1, len(values) + 1))
        ax.legend()
    yield "training.png", figure

    if "snn" in trained:
        figure = Figure(figsize=(12, 4.5), layout="constrained")
        spikes = test_s[:1]
        names = ["Input", "First hidden layer", "Second hidden layer", "Output"]
        for number, (ax, name) in enumerate(zip(figure.subplots(1, len(names)), names)):
            if number > 0:
                spikes = trained["snn"].layers[number - 1](spikes)
            plots.raster(spikes[0], ax=ax).set_title(f"{name}:\n{spikes[0].sum():.0f} spikes")
        yield "raster.png", figure
