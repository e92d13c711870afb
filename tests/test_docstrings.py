"""Every public callable says what it does and shows it in an example, which runs as a doctest."""

import inspect

import neuroai_c as ai
import pytest

# The example of set_num_threads shows it.
NEEDS_NO_EXAMPLE = {"neuroai_c.get_num_threads"}

# Methods that a model calls: the example of their class shows what they are for.
HOOKS = {name for name in vars(ai.callbacks.Callback) if name.startswith(("on_", "set_"))}


def modules(module=ai):
    """The package and the modules that it names in public."""
    yield module
    for name in module.__all__ if hasattr(module, "__all__") else ():
        found = getattr(module, name)
        if inspect.ismodule(found):
            yield from modules(found)


def members(kind):
    """The public methods and properties that a class defines, and how it is called."""
    for name, found in vars(kind).items():
        if not name.startswith("_") or name in ("__call__", "__getitem__", "__len__"):
            found = getattr(found, "__func__", found)
            if inspect.isfunction(found) or isinstance(found, property):
                yield f"{kind.__name__}.{name}", getattr(kind, name)


def public():
    for module in modules():
        for name in getattr(module, "__all__", None) or dir(module):
            found = getattr(module, name)
            if not (inspect.isclass(found) or inspect.isfunction(found)) or name.startswith("_"):
                continue
            if module is ai or f"{found.__module__}.".startswith(f"{module.__name__}."):
                yield f"{module.__name__}.{name}", found
                if inspect.isclass(found):
                    yield from ((f"{module.__name__}.{path}", member) for path, member in members(found))


PUBLIC = dict(public())


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
