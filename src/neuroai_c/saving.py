"""All of a model as arrays and a document, and back."""

import numpy as np

from . import checks, files, losses, metrics, optimizers
from .history import History
from .serialization import deserialize, serialize


def named(group, arrays):
    """Arrays by names that keep their order; what is None has none."""
    return {f"{group}/{i:04}": array for i, array in enumerate(arrays) if array is not None}


def set_arrays(where, group, arrays, found):
    """Copies what `named` made into arrays, all or none of them."""
    wanted = named(group, arrays)
    if set(wanted) != set(found):
        raise ValueError(f"{where} must have {len(wanted)} arrays, {group}, got {len(found)}")
    for name, array in wanted.items():
        if found[name].shape != array.shape or found[name].dtype != array.dtype:
            raise ValueError(
                f"{where}: {name} must be {array.dtype} {array.shape}, "
                f"got {found[name].dtype} {found[name].shape}"
            )
    for name, array in wanted.items():
        array[...] = found[name]


def content(model):
    """(arrays, document) of a model, for files.write."""
    history = model.history
    arrays = {
        **named("weights", model._arrays()),
        **named("slots", _slots(model)),
        **named("states", _states(model)),
    }
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
    return [
        None if slot is None else layer._shown(slot)
        for (layer, _), pairs in zip(model._core_layers(), model._slots or ())
        for pair in pairs
        for slot in pair or ()
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
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{where} is no model of this version: {error!r}") from error


def _model_of(where, arrays, document):
    from .models import Sequential

    model = Sequential.from_config(document["model"])
    set_arrays(where, "weights", model._arrays(), _group("weights", arrays))
    model._rng = files.rng_from(document["rng"])
    if "compile" in document:
        by_name = {layer.name: layer for layer in model.layers}
        saved = document["compile"]
        model.compile(
            optimizers.get(deserialize("optimizer", saved["optimizer"], where)),
            losses.get(deserialize("loss", saved["loss"], where)),
            [metrics.get(deserialize("metric", m, where, by_name)) for m in saved["metrics"]],
        )
        if document["steps"] is not None:
            model._make_slots()
            set_arrays(where, "slots", _slots(model), _group("slots", arrays))
            model._steps_made = checks.integer(where, "steps", document["steps"], 0, 2**53)
    _set_states(where, model, _group("states", arrays))
    if "history" in document:
        model.history = _history(document["history"], arrays)
    return model


def _group(group, arrays):
    return {name: array for name, array in arrays.items() if name.startswith(group + "/")}


def _set_states(where, model, found):
    stateful = [layer for layer in model.layers if getattr(layer, "stateful", False)]
    for i, layer in enumerate(model.layers):
        pair = [found.pop(f"states/{2 * i + k:04}", None) for k in range(2)]
        if pair[0] is None and pair[1] is None:
            continue
        if layer not in stateful or any(
            array is None or array.ndim != 2 or array.shape != pair[0].shape
            or array.shape[1] != layer.units or array.dtype != model.dtype
            for array in pair
        ):
            raise ValueError(f"{where}: states of {layer!r} do not fit it")
        layer._state = tuple(pair)
    if found:
        raise ValueError(f"{where}: there are states of layers that it does not have")


def _history(names, arrays):
    history = History()
    history.epoch = arrays["epochs"].tolist()
    history.seconds = arrays["seconds"].tolist()
    history.history = {
        checks.one_of("history", "name", name, names): arrays[f"history/{i:04}"].tolist()
        for i, name in enumerate(names)
    }
    return history
