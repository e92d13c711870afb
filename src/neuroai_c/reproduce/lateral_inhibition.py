"""The page "Lateral inhibition (MNIST)" of IBM's Neuro-inspired AI Toolkit.

MNIST as spike trains, a net 784-100-10 of spiking neural units, with and without
lateral inhibition in its hidden layer: about the same accuracy with far fewer spikes.

Source: github.com/IBM/neuroaikit, notebook "Lateral inhibition (MNIST)".
"""

from .. import activations, layers, metrics, models, optimizers, plots
from . import common, digits
from .common import ACCURACY, SECONDS, Measure, say

TITLE = "Lateral inhibition (MNIST)"
DATA = "folder with MNIST; default: the package's copy"
SAMPLES = "digits"

HIDDEN = 100
DECAY = 0.9
LEARNING_RATE = 0.1
BATCH_SIZE = 15
EPOCHS = 5

# (training digits, test digits, epochs) of a run of seconds
QUICK = (3000, 1000, 2)

MODELS = {"snn": "SNN", "li_snn": "LI-SNN", "li_snn_sample": "LI-SNN per sample"}
INHIBITION = {"snn": False, "li_snn": "batch", "li_snn_sample": "sample"}

MEASURES = (ACCURACY, Measure("test_spikes", "spikes", "spikes", ".1f"), SECONDS)

# Spikes of the hidden layer per test digit.
PUBLISHED = {
    "snn": {"test_accuracy": 0.9451, "test_spikes": 1128.2947, "epoch_seconds": (30, 33)},
    "li_snn": {"test_accuracy": 0.9382, "test_spikes": 45.9133, "epoch_seconds": (31, 33)},
}


def make_model(lateral_inhibition, seed):
    """The page's net, compiled."""
    config = {"decay": DECAY, "g": activations.leaky_rel, "return_sequences": True}
    model = models.Sequential(seed=seed)
    model.add(layers.InputLayer(input_shape=[None, digits.PIXELS]))
    model.add(layers.SNU(HIDDEN, **config, lateral_inhibition=lateral_inhibition))
    model.add(layers.SNU(digits.CLASSES, **config))
    model.add(layers.GlobalAveragePooling1D())
    model.compile(
        optimizer=optimizers.RMSprop(learning_rate=LEARNING_RATE),
        loss="mse",
        metrics=["acc", metrics.SpikeCount(model.layers[0])],
    )
    return model


def run(names=tuple(MODELS), *, epochs=None, seed=0, batch_size=BATCH_SIZE, data=None,
        quick=False, verbose=1):
    """Trains and tests the models of the page.

    Args:
        names: among MODELS.
        epochs: Default 5, or 2 when quick.
        seed: of weights and shuffling.
        batch_size: of training; testing has 32, as on the page.
        data: a folder with MNIST.  Default: as datasets.mnist.load_data has it.
        quick: a part of the digits only.
        verbose: 0 silent, 1 with progress bars.

    Returns:
        results: what results.json holds.
        trained: the models by name.
        test_s: Spikes of the test digits.
    """
    epochs = epochs or (QUICK[-1] if quick else EPOCHS)
    loaded = digits.load(data, QUICK if quick else None, verbose)
    results, trained = {}, {}
    for name in names:
        say(verbose, f"\n{MODELS[name]}")
        trained[name] = make_model(INHIBITION[name], seed)
        results[name] = digits.train(
            trained[name], loaded, epochs=epochs, batch_size=batch_size, verbose=verbose
        )
    results = digits.results(
        results, loaded, epochs=epochs, seed=seed, batch_size=batch_size,
        hidden=HIDDEN, decay=DECAY, learning_rate=LEARNING_RATE,
    )
    return results, trained, loaded.test_s


def table(results):
    """Published beside obtained numbers, as a Markdown table: test accuracy, hidden spikes per
    test digit, and the seconds an epoch of training took: their range, and their mean."""
    return common.table(results, MODELS, PUBLISHED, MEASURES)


def write(results, trained, test_s, folder):
    """Writes results.json and, where matplotlib is, the page's figures.

    Returns:
        The paths of the files.
    """
    return common.write(results, _figures(results, trained, test_s), folder)


def _figures(results, trained, test_s):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    ax = plots.spike_history(
        {MODELS[name]: result["history"] for name, result in results["models"].items()},
        ax=figure.subplots(),
    )
    ax.set_title("Hidden-layer spikes per digit presentation")
    yield "spike_history.png", figure

    for name, model in trained.items():
        figure = Figure(figsize=(12, 3.4), layout="constrained")
        kernel = model.layers[0].weights[0]
        ax = plots.features(kernel, (28, 28), ax=figure.subplots())
        ax.set_title(f"{MODELS[name]}: features of the {HIDDEN} hidden units")
        yield f"features_{name}.png", figure

    figure = Figure(figsize=(3.2 * (1 + len(trained)), 4.5), layout="constrained")
    axes = figure.subplots(1, 1 + len(trained))
    plots.raster(test_s[0], ax=axes[0]).set_title(f"Input:\n{test_s[0].sum()} spikes of a digit")
    for ax, (name, model) in zip(axes[1:], trained.items()):
        hidden = model.layers[0](test_s[:1])[0]
        plots.raster(hidden, ax=ax).set_title(f"{MODELS[name]}:\n{hidden.sum():.0f} hidden spikes")
    yield "raster.png", figure
