"""Objects as data that JSON can hold, and back: what a saved file keeps of them.

A file is data that may come from anywhere: only classes that a module of this package
has named here are ever made of it.
"""

from . import checks

# Of each kind the classes by name, and the module's `get`, which knows objects by their names.
_CLASSES = {}
_GET = {}


def _known(kind, get, *classes):
    """Names the classes of a kind, and the function that gets its objects by name."""
    _CLASSES[kind] = {known.__name__: known for known in classes}
    _GET[kind] = get


def serialize(obj):
    """An object as {"class_name": ..., "config": ...}; None stays None.

    Args:
        obj: an activation, initializer, optimizer, schedule, loss, regularizer or metric of
            neuroai_c.

    Raises:
        TypeError: an object of another class, which no file could be read into again.

    Example:
        >>> from neuroai_c.activations import LeakyRel
        >>> serialize(LeakyRel(alpha=0.5))
        {'class_name': 'LeakyRel', 'config': {'alpha': 0.5}}
    """
    if obj is None:
        return None
    if not any(type(obj) in classes.values() for classes in _CLASSES.values()):
        raise TypeError(f"serialize: obj must be of a class of neuroai_c, got {checks.shown(obj)}")
    return {"class_name": type(obj).__name__, "config": obj.get_config()}


def deserialize(kind, value, where, layers=None):
    """The object that `serialize` made `value` of, or that has it as its name.

    Args:
        kind: "activation", "initializer", "optimizer", "schedule", "loss", "regularizer" or
            "metric".
        value: what `serialize` returned, or a name, or what else `get` of the kind takes.
        where: the function that an error names.
        layers: a mapping from names to layers, for the metric that has one.  Default none.

    Raises:
        ValueError: anything else; an unknown class, name or argument, or one that the class
            refuses.

    Example:
        >>> deserialize("loss", {"class_name": "MeanSquaredError", "config": {}}, "load")
        MeanSquaredError()
        >>> deserialize("loss", "mse", "load")
        MeanSquaredError()
    """
    try:
        checks.one_of(where, "kind", kind, _CLASSES)
        if not isinstance(value, dict):
            return _GET[kind](value, kind, "name")
        if set(value) != {"class_name", "config"} or not isinstance(value["config"], dict):
            raise ValueError(
                f"{kind} must have a 'class_name' and a dict 'config', "
                f"got {checks.shown(value)}"
            )
        classes, config = _CLASSES[kind], value["config"]
        known = classes[checks.one_of(kind, "class_name", value["class_name"], classes)]
        if layers is not None and "layer" in config:
            name = checks.one_of(known.__name__, "layer", config["layer"], layers)
            config = {**config, "layer": layers[name]}
        return known.from_config(config)
    # Recursion: a hostile value can be nested as deep as it likes.
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from error
