"""plots: what is drawn is what was given; wrong arguments are named."""

import contextlib
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from calls import scribbling

import neuroai_c as ai

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


class History:
    """What `fit` returns, as far as a plot needs it."""

    def __init__(self, **history):
        self.history = history


def drawn_ticks(axis):
    """The ticks within the limits of a drawn axis."""
    axis.figure.canvas.draw()
    low, high = sorted(axis.get_view_interval())
    return [tick for tick in axis.get_ticklocs() if low <= tick <= high]


# ---- common to the three ----

CALLS = {
    "raster": lambda **ax: ai.plots.raster(np.eye(3), **ax),
    "spike_history": lambda **ax: ai.plots.spike_history({"a": {"spikes": [1, 2]}}, **ax),
    "features": lambda **ax: ai.plots.features(np.eye(4), (2, 2), **ax),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_new_figure_each_time(call):
    first, second = call(), call()
    assert isinstance(first, matplotlib.axes.Axes)
    assert first.figure is not second.figure
    first.figure.canvas.draw()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_given_axes_are_used(call):
    figure, (left, right) = plt.subplots(1, 2)
    assert call(ax=right) is right
    assert right.has_data() and not left.has_data()
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name, call", CALLS.items(), ids=CALLS)
def test_ax_of_a_wrong_type(name, call):
    with pytest.raises(TypeError, match=f"{name}: ax must be a matplotlib Axes, got Figure"):
        call(ax=plt.figure())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_without_matplotlib(monkeypatch, call):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'neuroai_c\[plot\]'"):
        call()


def test_import_leaves_matplotlib_alone():
    code = "import sys, neuroai_c, neuroai_c.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24
def test_ragged_lists():
    ragged = [[1, 0], [1]]
    with pytest.raises(ValueError, match="raster: spikes cannot be made an array"):
        ai.plots.raster(ragged)
    with pytest.raises(ValueError, match="features: kernel cannot be made an array"):
        ai.plots.features(ragged, (1, 1))
    with pytest.raises(ValueError, match=r"\['a'\]\['spikes'\] must be a list of numbers"):
        ai.plots.spike_history({"a": {"spikes": ragged}})


# ---- raster ----


def raster_points(ax):
    """(time, neuron) of every tick that was drawn."""
    (lines,) = ax.collections
    return {tuple(segment.mean(axis=0).tolist()) for segment in lines.get_segments()}


def test_raster_of_many_neurons_leaves_ink_for_every_spike(rng):
    spikes = rng.random((20, 784)) < 0.02
    figure = matplotlib.figure.Figure(figsize=(4, 3))
    ax = ai.plots.raster(spikes, ax=figure.subplots())
    canvas = matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    canvas.draw()
    dark = np.asarray(canvas.buffer_rgba())[..., :3].min(axis=2) < 200
    for t, n in zip(*np.nonzero(spikes)):
        x, y = ax.transData.transform((t, n))
        row, col = len(dark) - 1 - int(y), int(x)
        assert dark[row - 1 : row + 2, col - 1 : col + 2].any(), (t, n)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_raster_draws_every_spike(rng, dtype):
    spikes = (rng.random((20, 7)) < 0.3).astype(dtype)
    ax = ai.plots.raster(spikes)
    assert raster_points(ax) == {(t, n) for t in range(20) for n in range(7) if spikes[t, n]}
    assert len(ax.collections[0].get_segments()) == spikes.sum()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time step", "neuron")


def test_raster_rows_do_not_touch():
    ax = ai.plots.raster(np.ones((1, 3)))
    rows = sorted(segment[:, 1].tolist() for segment in ax.collections[0].get_segments())
    assert all(max(low) < min(high) for low, high in pairwise(rows))


@pytest.mark.parametrize("T, N", [(20, 100), (1, 1), (3, 2), (0, 4)])
def test_raster_shows_silent_rows_and_steps(T, N):
    ax = ai.plots.raster(np.zeros((T, N)))
    assert ax.get_xlim() == (-0.5, max(T, 1) - 0.5)
    assert ax.get_ylim() == (-0.5, N - 0.5)
    for ticks in (drawn_ticks(ax.xaxis), drawn_ticks(ax.yaxis)):
        assert ticks and all(float(tick).is_integer() for tick in ticks)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 3), ()])
def test_raster_shape(shape):
    with pytest.raises(ValueError, match=r"raster: spikes must be one sample \(T, N\), got shape"):
        ai.plots.raster(np.zeros(shape))


def test_raster_refuses_many_samples_before_making_them_dense(monkeypatch):
    spikes = ai.Spikes.from_dense(np.zeros((60, 20, 784), np.uint8))
    monkeypatch.delattr(ai.Spikes, "__array__")
    with pytest.raises(ValueError, match=r"got shape \(60, 20, 784\)"):
        ai.plots.raster(spikes)


def test_raster_of_an_array_that_another_thread_changes():
    """NumPy counts what is not zero, and then writes beyond where more is found."""
    spikes = np.zeros((40, 70))
    wanted = spikes.copy()
    with scribbling([spikes], 0):
        for _ in range(200):
            with contextlib.suppress(ValueError):       # neither 0 nor 1
                ai.plots.raster(spikes)
            plt.close("all")
    assert (spikes == wanted).all()


@pytest.mark.parametrize("shape", [range(2**70), memoryview(np.ones((2, 2))), iter([1, 2]), {1, 2}])
def test_features_shape_of_another_kind(shape):
    with pytest.raises(TypeError, match="features: shape must be two integers"):
        ai.plots.features(np.ones((2, 2)), shape)


def test_a_module_is_no_array():
    with pytest.raises(TypeError, match="raster: spikes must hold real numbers"):
        ai.plots.raster(np)


@pytest.mark.parametrize("call", [
    lambda: ai.plots.raster(np.zeros((0, 2**63 - 1), bool)),
    lambda: ai.plots.features(np.broadcast_to(np.uint8(1), (1, 2**63 - 1)), (1, 1)),
])
def test_shapes_that_memory_cannot_hold(call):
    with pytest.raises(ValueError, match="must be of a shape that memory could hold"):
        call()


def test_a_history_that_memory_cannot_hold():
    spikes = np.broadcast_to(np.True_, 2**62)
    with pytest.raises((ValueError, MemoryError), match=r"'spikes'\] must be|allocate"):
        ai.plots.spike_history({"a": {"spikes": spikes}})


@pytest.mark.parametrize("value", [2, -1, 0.5, np.nan, np.inf])
def test_raster_values(value):
    with pytest.raises(ValueError, match=f"spikes must hold 0 and 1 only, got {value}"):
        ai.plots.raster([[0, 1], [value, 0]])


def test_raster_without_neurons():
    with pytest.raises(ValueError, match=r"at least one neuron, got shape \(3, 0\)"):
        ai.plots.raster(np.zeros((3, 0)))


@pytest.mark.parametrize("spikes", [[["a"]], [[1j]], [[None]]])
def test_raster_dtype(spikes):
    with pytest.raises(TypeError, match="raster: spikes must hold real numbers"):
        ai.plots.raster(spikes)


# ---- spike_history ----


def test_spike_history_lines():
    histories = {
        "SNN": History(acc=[0.88, 0.93, 0.94], spikes=[641.0, 803.0, 966.0]),
        "LI-SNN": {"spikes": [105.0, 55.0]},
    }
    ax = ai.plots.spike_history(histories)
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines == {
        "SNN": [[1, 641], [2, 803], [3, 966]],
        "LI-SNN": [[1, 105], [2, 55]],
    }
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["SNN", "LI-SNN"]
    assert "spikes" in ax.get_title() and ax.get_xlabel() == "epoch"


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 40])
def test_spike_history_ticks_are_epochs(epochs):
    ax = ai.plots.spike_history({"a": {"spikes": np.linspace(100, 50, epochs)}})
    ticks = drawn_ticks(ax.xaxis)
    assert ticks and all(float(tick).is_integer() for tick in ticks)
    assert ax.lines[0].get_marker() not in ("None", None)


@pytest.mark.parametrize("histories", [None, [1.0, 2.0], History(spikes=[1.0])])
def test_spike_history_needs_a_dict(histories):
    with pytest.raises(TypeError, match="histories must be a dict from label to history, got"):
        ai.plots.spike_history(histories)


def test_spike_history_wants_an_entry():
    with pytest.raises(ValueError, match="histories must have at least one entry"):
        ai.plots.spike_history({})


def test_spike_history_of_no_history():
    with pytest.raises(TypeError, match=r"histories\['a'\] must be a History or a dict, got list"):
        ai.plots.spike_history({"a": [1.0, 2.0]})


def test_spike_history_without_spikes():
    with pytest.raises(ValueError, match=r"histories\['a'\] must have 'spikes'.*\['loss', 'acc'\]"):
        ai.plots.spike_history({"a": {"loss": [1.0], "acc": [0.5]}})


@pytest.mark.parametrize("spikes", [3.0, [[1.0, 2.0]], ["many"], [None]])
def test_spike_history_of_no_numbers(spikes):
    with pytest.raises(ValueError, match=r"\['a'\]\['spikes'\] must be a list of numbers"):
        ai.plots.spike_history({"a": {"spikes": spikes}})


# ---- features ----


def mosaic(*args, **kwargs):
    (image,) = ai.plots.features(*args, **kwargs).images
    return np.ma.filled(image.get_array(), np.nan)


def test_features_are_the_pages_mosaic(rng):
    W = rng.standard_normal((784, 100))
    scaled = (W - W.min(axis=0)) / (W.max(axis=0) - W.min(axis=0))
    # The page's own line.
    page = np.hstack(
        np.swapaxes(np.hstack(np.swapaxes(scaled.reshape([28, 28, 5, -1]), 0, 2)), 0, 2)
    )
    np.testing.assert_allclose(mosaic(W, (28, 28)), page, rtol=0, atol=1e-15)


def test_features_place_of_each_unit(rng):
    W = rng.standard_normal((6, 7)).astype(np.float32)
    picture = mosaic(W, (2, 3), columns=3)
    assert picture.shape == (3 * 2, 3 * 3)
    for m in range(7):
        row, col = m // 3 * 2, m % 3 * 3
        unit = W[:, m].astype(np.float64)
        wanted = (unit - unit.min()) / (unit.max() - unit.min())
        np.testing.assert_allclose(picture[row : row + 2, col : col + 3].ravel(), wanted)
    assert np.isnan(picture[4:, 3:]).all()
    assert np.isnan(picture).sum() == 2 * 6


@pytest.mark.parametrize("M, columns, grid", [(1, 20, (1, 1)), (3, 20, (1, 3)), (4, 1, (4, 1))])
def test_features_grid(rng, M, columns, grid):
    picture = mosaic(rng.standard_normal((6, M)), (3, 2), columns=columns)
    assert picture.shape == (grid[0] * 3, grid[1] * 2)
    assert not np.isnan(picture).any()


@pytest.mark.filterwarnings("error")
def test_features_constant_unit_is_zero():
    picture = mosaic([[5, 0], [5, 2]], (1, 2), columns=1)
    assert picture.tolist() == [[0, 0], [0, 1]]


def test_features_range_and_ticks(rng):
    ax = ai.plots.features(rng.standard_normal((4, 5)), (2, 2), columns=2)
    assert ax.images[0].get_clim() == (0, 1)
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0


@pytest.mark.parametrize("columns", [1, 100])
def test_features_figure_stays_small(columns):
    ax = ai.plots.features(np.zeros((4, 100)), (2, 2), columns=columns)
    assert sorted(ax.figure.get_size_inches()) == [1, 12]


@pytest.mark.parametrize(
    "error, message, arguments",
    [
        (ValueError, r"features: kernel must be \(inputs, units\), got shape", ([1.0], (1, 1))),
        (ValueError, r"kernel must not be empty, got shape \(4, 0\)", (np.ones((4, 0)), (2, 2))),
        (ValueError, r"kernel must not be empty, got shape \(0, 4\)", (np.ones((0, 4)), (2, 2))),
        (ValueError, "kernel must be finite", ([[np.nan]], (1, 1))),
        (ValueError, "kernel must be finite", ([[np.inf]], (1, 1))),
        (TypeError, "features: kernel must hold real numbers", ([["a"]], (1, 1))),
        (ValueError, r"kernel has 4 rows but shape \(2, 3\) has 6", (np.eye(4), (2, 3))),
        (ValueError, "shape must be two positive integers", (np.eye(4), (2, 2, 1))),
        (ValueError, "shape must be two positive integers", (np.eye(4), (4,))),
        (ValueError, "shape must be two positive integers", (np.eye(4), (-2, -2))),
        (TypeError, "shape must be two integers", (np.eye(4), 4)),
        (TypeError, "shape must be two integers", (np.eye(4), (2.0, 2.0))),
        (TypeError, "shape must be two integers", (np.eye(4), "22")),
        (ValueError, "columns must be at least 1, got 0", (np.eye(4), (2, 2), 0)),
        (TypeError, "columns must be an integer, got float", (np.eye(4), (2, 2), 2.0)),
    ],
)
def test_features_bad_arguments(error, message, arguments):
    with pytest.raises(error, match=message):
        ai.plots.features(*arguments)
    assert not plt.get_fignums()
