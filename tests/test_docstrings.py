"""Every public callable says what it does and shows it in an example, which runs as a doctest."""

import inspect

import pytest
from public import HOOKS, PUBLIC

# The example of set_num_threads shows it.
NEEDS_NO_EXAMPLE = {"neuroai_c.get_num_threads"}


def test_there_is_something_to_check():
    assert {"neuroai_c.Sequential.fit", "neuroai_c.Sequential.output_shape", "neuroai_c.Spikes.from_dense",
            "neuroai_c.layers.SNU.__call__", "neuroai_c.optimizers.RMSprop", "neuroai_c.ops.matmul",
            "neuroai_c.datasets.mnist.load_data", "neuroai_c.datasets.JSB", "neuroai_c.losses.get",
            "neuroai_c.callbacks.EarlyStopping", "neuroai_c.schedules.CosineDecay"} <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring(name):
    text = inspect.getdoc(PUBLIC[name])
    assert text, f"{name} has no docstring"
    first = text.splitlines()[0]
    assert first[-1] in ".:" and len(first) <= 100, first


@pytest.mark.parametrize("name", [name for name in sorted(set(PUBLIC) - NEEDS_NO_EXAMPLE)
                                  if name.rpartition(".")[2] not in HOOKS])
def test_example(name):
    assert "\nExample:\n    >>> " in inspect.getdoc(PUBLIC[name]), f"{name} has no Example"


@pytest.mark.parametrize("name", PUBLIC)
def test_parts_come_in_one_order(name):
    order = ["Args:", "Attributes:", "Returns:", "Raises:", "Source:", "Example:"]
    parts = [line.strip() for line in inspect.getdoc(PUBLIC[name]).splitlines() if line in order]
    assert parts == sorted(parts, key=order.index)
