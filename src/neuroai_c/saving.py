"""All of a model as arrays and a document, and back."""

import numpy as np

from . import checks, files, memory
from .history import History
from .layers import InputLayer
from .layers.base import _set_arrays
from .serialization import deserialize, serialize


# The groups of arrays that a history is kept in.
_OF_HISTORY = ("epochs", "seconds", "history")


def named(group, arrays):
    """Arrays by names that keep their order; what is None has none."""
    return {f"{group}/{i:04}": array for i, array in enumerate(arrays) if array is not None}


def copied(arrays):
    """Copies, which stay as they are when the model goes on."""
    return {name: array.copy() for name, array in arrays.items()}


def set_weights(where, layers, found):
    """Copies the weights of a file into those of layers, all or none of them."""
    wanted = named("weights", [array for layer in layers for array in layer._arrays()])
    _check_arrays(where, wanted, found)
    _set_arrays(where, layers, [found[name] for name in wanted], [*wanted])


def _check_arrays(where, wanted, found):
    """ValueError where the arrays that were found have other names, shapes or dtypes."""
    _check(where, {name: array.shape for name, array in wanted.items()}, found)
    for name, array in wanted.items():
        if found[name].dtype != array.dtype:
            raise ValueError(f"{where}: {name} must be {array.dtype}, got {found[name].dtype}")


def check_numbers(where, arrays):
    """ValueError where `load_model` would refuse the numbers of weights, slots or states."""
    for name, array in arrays.items():
        if name.startswith("weights"):
            checks.finite(where, name, array)
        else:
            _check_numbers(where, name, array)


def _check_numbers(where, name, array, least=-np.inf):
    """ValueError where an array of a file has a NaN, or less than `least`."""
    if not (array >= least).all():
        wanted = "numbers" if least < 0 else f"numbers of {least} or more"
        raise ValueError(f"{where}: {name} must have {wanted}, got {array.min()}")


def _check(where, shapes, found):
    """ValueError where the arrays that were found have other names or shapes."""
    if set(shapes) != set(found):
        raise ValueError(checks.short(
            f"{where}: arrays must be {', '.join(sorted(shapes)) or 'none'}, "
            f"got {', '.join(sorted(found)) or 'none'}"
        ))
    for name, shape in shapes.items():
        if found[name].shape != shape:
            raise ValueError(f"{where}: {name} must have shape {shape}, got {found[name].shape}")


def content(model):
    """(arrays, document) of a model, for files.write."""
    history = model.history
    if model._compiled:
        model._check_slots("save")
    arrays = copied({
        **named("weights", model._arrays()),
        **named("slots", _slots(model)),
        **named("states", _states(model)),
    })
    check_numbers("save", arrays)
    document = {"model": model.get_config(), "rng": files.rng_state(model._rng)}
    if model._compiled:
        document["compile"] = {
            "optimizer": serialize(model.optimizer),
            "loss": serialize(model.loss),
            "metrics": [serialize(metric) for metric in model._metrics],
        }
        document["steps"] = model._steps_made if model._slots is not None else None
    if history is not None:
        document["history"] = list(history.history)
        arrays["epochs"] = np.array(history.epoch, np.int64)
        arrays["seconds"] = np.array(history.seconds, np.float64)
        arrays.update(named("history", [np.array(v, np.float64) for v in history.history.values()]))
    return arrays, document


def _slots(model):
    """The parts of the optimizer's slots that belong to weights, in the order of layers."""
    if model._slots is None or model.optimizer is None:
        return []
    needs = model.optimizer._needs()    # a momentum that is 0 by now needs none
    return [
        layer._shown(slot) if needed else None
        for (layer, _), pairs in zip(model._core_layers(), model._slots)
        for pair in pairs
        for slot, needed in zip(pair or (), needs)
    ]


def _states(model):
    """The states of stateful layers."""
    return [
        array
        for layer in model.layers
        for array in getattr(layer, "_state", None) or (None, None)
    ]


def load_model(path):
    """The model that `Sequential.save` wrote: it goes on as if it had never stopped.

    Args:
        path: str or path-like.

    Returns:
        The Sequential, compiled where the saved one was.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or another program's; nothing in a file is run as code.

    Example:
        >>> import neuroai_c as ai
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 3]), ai.layers.SNU(2)], seed=0)
        >>> path = getfixture("tmp_path") / "model.safetensors"
        >>> model.save(path)
        >>> load_model(path).count_params()
        8
    """
    arrays, document = files.read(path, "model")
    where = f"load_model: {path}"
    try:
        return _model_of(where, arrays, document)
    except (KeyError, AttributeError) as error:
        reason = f"{where} is no model of this version: {error!r}"
    except (TypeError, ValueError) as error:
        reason = f"{where}: {str(error).removeprefix(f'{where}: ')}"
    raise ValueError(checks.short(reason))        # not from the error, which may be long too


def _model_of(where, arrays, document):
    from .models import Sequential

    if not set(document) <= {"model", "rng", "compile", "steps", "history"}:
        raise ValueError(f"{where}: the document has other entries, {', '.join(document)}")
    groups = {group: {} for group in ("weights", "slots", "states", *_OF_HISTORY)}
    for name, array in arrays.items():
        groups[checks.one_of(where, "arrays", name.partition("/")[0], groups)][name] = array
    recorded = {name: array for group in _OF_HISTORY for name, array in groups[group].items()}
    config = document["model"]
    # What the configuration promises is compared with what is there before room is made for it.
    _check(where, _promised(Sequential.from_config({**config, "input_shape": None}),
                            config["input_shape"]), groups["weights"])
    model = Sequential.from_config(config)
    set_weights(where, model.layers, groups["weights"])
    model._rng = files.rng_from(document["rng"])
    if "compile" in document:
        _compile(where, model, document["compile"], document["steps"], groups["slots"])
    elif groups["slots"]:
        raise ValueError(f"{where}: there are slots of an optimizer, and no optimizer")
    _set_states(where, model, groups["states"])
    if "history" in document:
        model.history = _history(where, document["history"], recorded)
    elif recorded:
        raise ValueError(f"{where}: there are arrays of a history, and no history")
    return model


def _promised(model, input_shape):
    """The names and shapes of the weights that a model is going to have."""
    shapes = []
    if input_shape is not None:
        inputs = InputLayer(input_shape).input_shape[1]
        for layer in model.layers:
            shapes += layer._shapes(inputs)
            inputs = getattr(layer, "units", inputs)
    return {f"weights/{i:04}": shape for i, shape in enumerate(shapes)}


def _compile(where, model, saved, steps, slots):
    from .models import MOST

    by_name = {layer.name: layer for layer in model.layers}
    model.compile(
        deserialize("optimizer", saved["optimizer"], where),
        deserialize("loss", saved["loss"], where),
        [deserialize("metric", metric, where, by_name) for metric in saved["metrics"][: MOST + 1]],
    )
    if steps is not None:
        model._make_slots()
        _set_slots(where, model, slots)
        model._steps[0] = checks.integer(where, "steps", steps, 0, 2**53)
    elif slots:
        raise ValueError(f"{where}: there are slots of an optimizer that made no step")


def _set_slots(where, model, found):
    wanted = named("slots", _slots(model))
    _check_arrays(where, wanted, found)
    for name in wanted:
        is_square = int(name.partition("/")[2]) % 2 == model.optimizer._square
        _check_numbers(where, name, found[name], 0 if is_square else -np.inf)
    memory.copy_all(wanted.values(), [found[name] for name in wanted])


def _set_states(where, model, found):
    """The states of stateful layers: pairs of arrays of one shape."""
    for i, layer in enumerate(model.layers):
        names = [f"states/{2 * i + k:04}" for k in range(2)]
        if not any(name in found for name in names):
            continue
        pair = [found.pop(name, None) for name in names]
        if not getattr(layer, "stateful", False) or any(
            array is None or array.ndim != 2 or array.shape != pair[0].shape
            or array.shape[1] != layer.units or array.dtype != model.dtype
            for array in pair
        ):
            raise ValueError(f"{where}: the states of {layer!r} do not fit it")
        for name, array in zip(names, pair):
            _check_numbers(where, name, array)
        layer._state = tuple(pair)
    if found:
        raise ValueError(f"{where}: there are states of layers that it does not have")


def _history(where, names, found):
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or (
        len(set(names)) < len(names)
    ):
        raise ValueError(
            f"{where}: history must be a list of different names, "
            f"got {checks.shown(names)}"
        )
    keys = ["epochs", "seconds", *named("history", names)]
    if set(found) != set(keys) or any(array.ndim != 1 for array in found.values()):
        raise ValueError(f"{where}: history must have the arrays {', '.join(keys)}, in one axis")
    epochs = found["epochs"]
    if epochs.dtype != np.int64 or len(found["seconds"]) != len(epochs) or any(
        found[key].dtype != np.float64 or len(found[key]) > len(epochs) for key in keys[1:]
    ):
        raise ValueError(f"{where}: the arrays of history must be float64, one number an epoch")
    _check_numbers(where, "epochs", epochs, 0)
    history = History()
    history.epoch = epochs.tolist()
    history.seconds = found["seconds"].tolist()
    history.history = {name: found[key].tolist() for name, key in zip(names, keys[2:])}
    return history
