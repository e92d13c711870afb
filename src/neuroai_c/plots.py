"""Pictures of spikes, of their number during training, and of learned features.

Needs matplotlib, which comes with the extra `plot`: pip install 'neuroai_c[plot]'.
"""

import operator
from collections.abc import Mapping

import numpy as np

from . import checks
from .spikes import Spikes

__all__ = ["features", "raster", "spike_history"]


def raster(spikes, ax=None):
    """Draws when each neuron spikes: one row a neuron, one tick a spike.

    Args:
        spikes: one sample, shape (T, N), of 0 and 1; `spikes[t, n]` is drawn at x = t, y = n.
        ax: the matplotlib `Axes` to draw into; None makes a new figure.

    Returns:
        The `Axes`.

    Raises:
        ImportError: matplotlib is missing.
        TypeError: `spikes` is not numeric, or `ax` is no `Axes`.
        ValueError: `spikes` is not (T, N) with N > 0, or holds something else than 0 and 1.

    Example:
        >>> import neuroai_c as ai
        >>> ax = ai.plots.raster([[0, 1], [1, 1], [0, 0]])
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('time step', 'neuron')
    """
    # A copy, which nobody changes between its check and its use.
    spikes = _matrix("raster", "spikes", "one sample (T, N)", spikes).copy()
    T, N = spikes.shape
    if N == 0:
        raise ValueError(f"raster: spikes must have at least one neuron, got shape {spikes.shape}")
    strange = spikes[(spikes != 0) & (spikes != 1)]
    if strange.size:
        raise ValueError(f"raster: spikes must hold 0 and 1 only, got {strange[0]}")

    ax = _axes("raster", ax)
    t, n = np.nonzero(spikes)
    # Where a row is less than a pixel high the cap keeps its tick visible; snapped to whole
    # pixels, a tick of no height is not drawn at all.
    ax.vlines(t, n - 0.4, n + 0.4, capstyle="projecting", snap=False)
    # The limits show silent neurons and steps too.
    ax.set(xlim=(-0.5, max(T, 1) - 0.5), ylim=(-0.5, N - 0.5), xlabel="time step", ylabel="neuron")
    _integer_ticks(ax.xaxis)
    _integer_ticks(ax.yaxis)
    return ax


def spike_history(histories, ax=None):
    """Draws the average number of spikes per sample over the epochs of training.

    Args:
        histories: a dict from label to what `fit` returned (or its `.history`), recorded with
            the metric `SpikeCount` under its default name "spikes".
        ax: the matplotlib `Axes` to draw into; None makes a new figure.

    Returns:
        The `Axes`.

    Raises:
        ImportError: matplotlib is missing.
        TypeError: `histories` is no dict, or one of them no history, or `ax` no `Axes`.
        ValueError: `histories` is empty, or a history has no list of numbers "spikes".

    Source: the figure of the Neuro-inspired AI Toolkit's page "Lateral inhibition (MNIST)".

    Example:
        >>> import neuroai_c as ai
        >>> ax = ai.plots.spike_history({"SNN": {"spikes": [641.0, 803.0, 966.0]}})
        >>> [line.get_label() for line in ax.lines]
        ['SNN']
    """
    if not isinstance(histories, Mapping):
        raise TypeError(
            "spike_history: histories must be a dict from label to history, "
            f"got {type(histories).__name__}"
        )
    if not histories:
        raise ValueError("spike_history: histories must have at least one entry, got none")
    counts = {label: _spike_counts(label, history) for label, history in histories.items()}

    ax = _axes("spike_history", ax)
    for label, spikes in counts.items():
        # The marker shows a history of one epoch, which has no line.
        ax.plot(np.arange(1, len(spikes) + 1), spikes, marker="o", label=str(label))
    ax.set(xlabel="epoch", ylabel="spikes", title="Average number of spikes per sample")
    _integer_ticks(ax.xaxis)
    ax.legend()
    return ax


def features(kernel, shape, columns=20, ax=None):
    """Draws the weights of every unit as a picture, all of them in one mosaic.

    Every unit is scaled to its own range, (w - min w) / (max w - min w); a unit whose weights
    are all equal becomes 0. Unit m stands in row m // columns and column m % columns.

    Args:
        kernel: the weights, shape (N, M), one column a unit.
        shape: (rows, cols) of one picture, rows * cols = N.
        columns: pictures beside each other (all M if there are fewer). Places after the last
            unit stay empty (NaN).
        ax: the matplotlib `Axes` to draw into; None makes a new figure.

    Returns:
        The `Axes`.

    Raises:
        ImportError: matplotlib is missing.
        TypeError: `kernel` is not numeric, `shape` or `columns` not integer, `ax` no `Axes`.
        ValueError: `kernel` is not (N, M) with N, M > 0, or not finite; `shape` does not have
            N places; `columns` is less than 1.

    Source: the figure of the Neuro-inspired AI Toolkit's page "Lateral inhibition (MNIST)".

    Example:
        >>> import numpy as np
        >>> import neuroai_c as ai
        >>> ax = ai.plots.features(np.arange(24.0).reshape(6, 4), shape=(2, 3), columns=2)
        >>> ax.images[0].get_array().shape
        (4, 6)
    """
    kernel = _matrix("features", "kernel", "(inputs, units)", kernel)
    rows, cols = _picture_shape(shape)
    try:
        columns = operator.index(columns)
    except TypeError:
        raise TypeError(
            f"features: columns must be an integer, got {type(columns).__name__}"
        ) from None
    if columns < 1:
        raise ValueError(f"features: columns must be at least 1, got {columns}")
    if 0 in kernel.shape:
        raise ValueError(f"features: kernel must not be empty, got shape {kernel.shape}")
    if rows * cols != len(kernel):
        raise ValueError(
            f"features: kernel has {len(kernel)} rows but shape ({rows}, {cols}) "
            f"has {rows * cols} places"
        )
    if not np.isfinite(kernel).all():
        raise ValueError("features: kernel must be finite, got NaN or infinity")

    mosaic = _mosaic(kernel.astype(np.float64), rows, cols, columns)
    # A new figure has the mosaic's proportions, 12 inches along the longer side.
    height, width = np.maximum(12 * np.array(mosaic.shape) / max(mosaic.shape), 1)
    ax = _axes("features", ax, figsize=(width, height))
    ax.imshow(mosaic, vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    return ax


def _mosaic(kernel, rows, cols, columns):
    """kernel (rows * cols, M) as one picture (grid_rows * rows, columns * cols)."""
    M = kernel.shape[1]
    columns = min(columns, M)
    low = kernel.min(axis=0)
    span = kernel.max(axis=0) - low
    units = (kernel - low) / np.where(span > 0, span, 1)

    grid_rows = -(-M // columns)
    grid = np.full((rows * cols, grid_rows * columns), np.nan)
    grid[:, :M] = units
    # (row, col, grid row, grid column) -> (grid row, row, grid column, col)
    grid = grid.reshape(rows, cols, grid_rows, columns).transpose(2, 0, 3, 1)
    return grid.reshape(grid_rows * rows, columns * cols)


def _picture_shape(shape):
    try:
        if not isinstance(shape, (tuple, list, np.ndarray)):    # which may have no end
            raise TypeError
        sizes = [operator.index(size) for size in shape[:3]]
    except (TypeError, IndexError):
        raise TypeError(
            f"features: shape must be two integers (rows, cols), got {checks.shown(shape)}"
        ) from None
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(
            f"features: shape must be two positive integers (rows, cols), got {checks.shown(shape)}"
        )
    return sizes


def _spike_counts(label, history):
    history = getattr(history, "history", history)
    argument = f"spike_history: histories[{checks.shown(label)}]"
    if not isinstance(history, Mapping):
        raise TypeError(
            f"{argument} must be a History or a dict, "
            f"got {type(history).__name__}"
        )
    if "spikes" not in history:
        raise ValueError(
            f"{argument} must have 'spikes' (compile with the metric SpikeCount), "
            f"got {checks.shown([*history])}"
        )
    wanted = f"{argument}['spikes'] must be a list of numbers"
    try:
        spikes = np.asarray(history["spikes"])
    except ValueError as error:
        raise ValueError(f"{wanted}, got: {error}") from None
    if spikes.ndim != 1 or spikes.dtype.kind not in "biuf":
        raise ValueError(f"{wanted}, got {spikes.dtype} of shape {spikes.shape}")
    try:
        return spikes.astype(np.float64)
    except ValueError as error:
        raise ValueError(f"{wanted}, got shape {spikes.shape}: {error}") from None


def _matrix(where, argument, wanted, value):
    """value as a numeric array of two dimensions, whose meaning `wanted` names."""
    # Spikes by their shape: a set of samples may be too large to become a dense array.
    array = value if isinstance(value, Spikes) else checks.numeric(where, argument, value)
    if array.ndim != 2:
        raise ValueError(f"{where}: {argument} must be {wanted}, got shape {array.shape}")
    return np.asarray(array)


def _axes(where, ax, **figure_options):
    """ax, or the Axes of a new figure."""
    matplotlib = _matplotlib()
    if ax is None:
        return matplotlib.pyplot.subplots(layout="constrained", **figure_options)[1]
    if not isinstance(ax, matplotlib.axes.Axes):
        raise TypeError(f"{where}: ax must be a matplotlib Axes, got {type(ax).__name__}")
    return ax


def _integer_ticks(axis):
    ticker = _matplotlib().ticker
    # Wanting more than one tick, the locator would put fractions into a short range.
    axis.set_major_locator(ticker.MaxNLocator("auto", integer=True, min_n_ticks=1))


def _matplotlib():
    # Only here: importing neuroai_c must stay quick and work without matplotlib.
    try:
        import matplotlib.axes
        import matplotlib.pyplot
        import matplotlib.ticker
    except ModuleNotFoundError as error:
        raise ImportError(
            "neuroai_c.plots needs matplotlib: pip install 'neuroai_c[plot]'"
        ) from error
    return matplotlib
