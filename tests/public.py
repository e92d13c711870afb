"""All that is public, found by the names that modules give out; and which of it was called."""

import contextlib
import functools
import inspect
import sys

import neuroai_c as ai
import pytest

# Methods that a model calls.
HOOKS = {name for name in vars(ai.callbacks.Callback) if name.startswith(("on_", "set_"))}

# What no caller makes: bases, whose subclasses are to be made, and what functions return.
NOT_MADE = {
    "neuroai_c.History", "neuroai_c.callbacks.Callback", "neuroai_c.initializers.Initializer",
    "neuroai_c.initializers.Initializer.__call__", "neuroai_c.layers.Layer",
    "neuroai_c.losses.Loss", "neuroai_c.metrics.Metric", "neuroai_c.ops.Gradients",
    "neuroai_c.optimizers.Optimizer", "neuroai_c.regularizers.Regularizer",
    "neuroai_c.schedules.LearningRateSchedule",
}  # fmt: skip


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
                    for path, member in members(found):
                        yield f"{module.__name__}.{path}", member


PUBLIC = dict(public())
TO_CALL = {name for name, found in PUBLIC.items() if not isinstance(found, property)} - NOT_MADE


@contextlib.contextmanager
def watched(*files):
    """The set of those of TO_CALL that code in these files has called, and of hooks that ran."""
    called = set()

    def watch(name, function, counts=lambda arguments: True):
        anyone = name.rpartition(".")[2] in HOOKS

        @functools.wraps(function)
        def watching(*arguments, **options):
            if anyone or sys._getframe(1).f_code.co_filename in files and counts(arguments):
                called.add(name)
            return function(*arguments, **options)

        return watching

    with pytest.MonkeyPatch.context() as patch:
        for name in TO_CALL:
            owner, _, last = name.rpartition(".")
            owner, found = PUBLIC.get(owner) or sys.modules[owner], PUBLIC[name]
            if inspect.isclass(found):
                made = watch(name, found.__init__, lambda made, kind=found: type(made[0]) is kind)
                if found.__init__ is object.__init__:       # it says that it takes anything
                    made.__signature__ = inspect.Signature(
                        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)])
                patch.setattr(found, "__init__", made)
            elif inspect.ismethod(found):
                patch.setattr(owner, last, classmethod(watch(name, found.__func__)))
            else:
                patch.setattr(owner, last, watch(name, found))
        yield called
