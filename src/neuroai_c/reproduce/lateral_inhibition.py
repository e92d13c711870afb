"""The page "Lateral inhibition (MNIST)" of IBM's Neuro-inspired AI Toolkit.

MNIST as spike trains, a net 784-100-10 of spiking neural units, with and without
lateral inhibition in its hidden layer: about the same accuracy with far fewer spikes.

Source: github.com/IBM/neuroaikit, notebook "Lateral inhibition (MNIST)".
"""

import importlib.util
import json
import time
from pathlib import Path

import numpy as np

from .. import activations, datasets, layers, metrics, models, optimizers, plots, runtime, utils
from ..version import __version__

STEPS = 20
MAX_SPIKES = 6
HIDDEN = 100
CLASSES = 10
DECAY = 0.9
LEARNING_RATE = 0.1
BATCH_SIZE = 15
EPOCHS = 5

# (training digits, test digits, epochs) of a run of seconds
QUICK = (3000, 1000, 2)

# name: (title, lateral_inhibition)
MODELS = {
    "snn": ("SNN", False),
    "li_snn": ("LI-SNN", "batch"),
    "li_snn_sample": ("LI-SNN per sample", "sample"),
}

# As the page prints them: test accuracy, spikes per test digit, seconds of each epoch.
PUBLISHED = {
    "snn": (0.9451, 1128.2947, (30, 32, 30, 31, 33)),
    "li_snn": (0.9382, 45.9133, (33, 31, 31, 32, 32)),
}


def make_model(lateral_inhibition, seed):
    """The page's net, compiled."""
    config = {"decay": DECAY, "g": activations.leaky_rel}
    model = models.Sequential(seed=seed)
    model.add(layers.InputLayer(input_shape=[None, 28 * 28]))
    model.add(
        layers.SNU(HIDDEN, **config, lateral_inhibition=lateral_inhibition, return_sequences=True)
    )
    model.add(layers.SNU(CLASSES, **config, return_sequences=True))
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
        digits: Spikes of the test digits.
    """
    (train_x, train_y), (test_x, test_y) = datasets.mnist.load_data(data)
    if quick:
        train_x, train_y = train_x[: QUICK[0]], train_y[: QUICK[0]]
        test_x, test_y = test_x[: QUICK[1]], test_y[: QUICK[1]]
    epochs = epochs or (QUICK[2] if quick else EPOCHS)

    _say(verbose, f"Encoding {len(train_x) + len(test_x):,} digits as spikes ...", end=" ")
    start = time.perf_counter()
    train_s, test_s = (
        utils.transform_rate(x.reshape(len(x), -1) / 255.0, STEPS, MAX_SPIKES)
        for x in (train_x, test_x)
    )
    encode_seconds = time.perf_counter() - start
    _say(verbose, f"{encode_seconds:.1f} s")
    train_t, test_t = (utils.to_categorical(y, CLASSES) for y in (train_y, test_y))

    results = {}
    trained = {}
    for name in names:
        title, lateral_inhibition = MODELS[name]
        _say(verbose, f"\n{title}")
        model = trained[name] = make_model(lateral_inhibition, seed)
        history = model.fit(
            train_s, train_t, epochs=epochs, batch_size=batch_size, verbose=verbose
        )
        test = model.evaluate(test_s, test_t, verbose=verbose, return_dict=True)
        results[name] = {
            "test_accuracy": test["acc"],
            "test_spikes": test["spikes"],
            "test_loss": test["loss"],
            "epoch_seconds": history.seconds,
            "history": history.history,
        }
    config = {
        "epochs": epochs,
        "seed": seed,
        "batch_size": batch_size,
        "train_digits": len(train_x),
        "test_digits": len(test_x),
        "threads": runtime.get_num_threads(),
        "steps": STEPS,
        "max_spikes": MAX_SPIKES,
        "hidden": HIDDEN,
        "decay": DECAY,
        "learning_rate": LEARNING_RATE,
    }
    results = {
        "models": results,
        "encode_seconds": encode_seconds,
        "config": config,
        "version": __version__,
    }
    return results, trained, test_s


def table(results):
    """Published beside obtained numbers, as a Markdown table: test accuracy, hidden spikes per
    test digit, and the mean of the seconds an epoch of training took."""
    rows = [
        "| model | published acc. | spikes | s/epoch | obtained acc. | spikes | s/epoch |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results["models"].items():
        published = ["-"] * 3
        if name in PUBLISHED:
            accuracy, spikes, seconds = PUBLISHED[name]
            published = [f"{accuracy:.4f}", f"{spikes:.1f}", f"{np.mean(seconds):.1f}"]
        obtained = [
            f"{result['test_accuracy']:.4f}",
            f"{result['test_spikes']:.1f}",
            f"{np.mean(result['epoch_seconds']):.2f}",
        ]
        rows.append("| " + " | ".join([MODELS[name][0], *published, *obtained]) + " |")
    return "\n".join(_aligned(rows))


def write(results, trained, digits, folder):
    """Writes results.json and, where matplotlib is, the page's figures.

    Returns:
        The paths of the files.
    """
    folder = Path(folder)
    path = folder / "results.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    if importlib.util.find_spec("matplotlib") is None:
        return [path]
    return [path, *_figures(results, trained, digits, folder)]


def _figures(results, trained, digits, folder):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    ax = plots.spike_history(
        {MODELS[name][0]: result["history"] for name, result in results["models"].items()},
        ax=figure.subplots(),
    )
    ax.set_title("Hidden-layer spikes per digit presentation")
    yield _save(figure, folder / "spike_history.png")

    for name, model in trained.items():
        figure = Figure(figsize=(12, 3.4), layout="constrained")
        kernel = model.layers[0].weights[0]
        ax = plots.features(kernel, (28, 28), ax=figure.subplots())
        ax.set_title(f"{MODELS[name][0]}: features of the {HIDDEN} hidden units")
        yield _save(figure, folder / f"features_{name}.png")

    figure = Figure(figsize=(3.2 * (1 + len(trained)), 4.5), layout="constrained")
    axes = figure.subplots(1, 1 + len(trained))
    plots.raster(digits[0], ax=axes[0]).set_title(f"Input:\n{digits[0].sum()} spikes of a digit")
    for ax, (name, model) in zip(axes[1:], trained.items()):
        hidden = model.layers[0](digits[:1])[0]
        plots.raster(hidden, ax=ax).set_title(f"{MODELS[name][0]}:\n{hidden.sum():.0f} hidden spikes")
    yield _save(figure, folder / "raster.png")


def _save(figure, path):
    figure.savefig(path, dpi=90)
    return path


def _aligned(rows):
    """Rows of a Markdown table with columns of equal width."""
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        fill = "-" if row[0].startswith("--") else " "
        yield "| " + " | ".join(cell.ljust(w, fill) for cell, w in zip(row, widths)) + " |"


def _say(verbose, text, end="\n"):
    if verbose:
        print(text, end=end, flush=True)
