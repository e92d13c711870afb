"""Objects to data and back; of a hostile file nothing is made but this package's classes."""

import copy
import json
import os
import pickle

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c.layers import SNU
from neuroai_c.optimizers import schedules
from neuroai_c.serialization import deserialize, serialize

HIDDEN = SNU(3, name="hidden")

OBJECTS = [
    ("activation", ai.activations.identity),
    ("activation", ai.activations.relu),
    ("activation", ai.activations.sigmoid),
    ("activation", ai.activations.tanh),
    ("activation", ai.activations.LeakyRel(alpha=0.25)),
    ("activation", ai.activations.step_function),
    ("activation", ai.activations.StepFunction(ai.activations.LeakyRel(0.5))),
    ("initializer", ai.initializers.GlorotUniform()),
    ("initializer", ai.initializers.Constant(0.5)),
    ("initializer", ai.initializers.Ones()),
    ("initializer", ai.initializers.Zeros()),
    ("loss", ai.losses.MeanSquaredError()),
    ("loss", ai.losses.BinaryCrossentropy(from_logits=True)),
    ("loss", ai.losses.CategoricalCrossentropy()),
    ("loss", ai.losses.SparseCategoricalCrossentropy(from_logits=True)),
    ("metric", ai.metrics.Accuracy("accuracy")),
    ("metric", ai.metrics.MeanSquaredError()),
    ("metric", ai.metrics.SpikeCount(HIDDEN, name="mine")),
    ("optimizer", ai.optimizers.SGD(0.5, 0.9, nesterov=True, clipvalue=0.5)),
    ("optimizer", ai.optimizers.RMSprop(0.1, rho=0.8, momentum=0.5, epsilon=1e-3, weight_decay=0.1)),
    ("optimizer", ai.optimizers.Adam(np.float32(0.1), clipnorm=np.float64(2))),
    ("optimizer", ai.optimizers.Adam(schedules.CosineDecay(0.1, 100, alpha=0.5))),
    ("regularizer", ai.regularizers.L1(1e-5)),
    ("schedule", schedules.CosineDecay(0.1, 100)),
    ("schedule", schedules.ExponentialDecay(0.1, 100, 0.5, staircase=True)),
]
KINDS = sorted({kind for kind, _ in OBJECTS})


@pytest.mark.parametrize("kind, obj", OBJECTS, ids=lambda value: repr(value) if not isinstance(value, str) else "")
def test_there_and_back(kind, obj):
    data = json.loads(json.dumps(serialize(obj), allow_nan=False))
    assert data == serialize(obj) == {"class_name": type(obj).__name__, "config": obj.get_config()}
    made = deserialize(kind, data, "load_model", layers={"hidden": HIDDEN, "other": SNU(2)})
    assert type(made) is type(obj)
    assert made == obj
    assert repr(made) == repr(obj)
    assert serialize(made) == data


@pytest.mark.parametrize("kind, obj", OBJECTS, ids=lambda value: repr(value) if not isinstance(value, str) else "")
def test_equal_and_copied(kind, obj):
    equals = [other for _, other in OBJECTS if other == obj]
    assert len(equals) == 1 and equals[0] is obj
    assert obj != "mse" and obj is not None
    if not isinstance(obj, ai.metrics.SpikeCount):      # whose layer is equal to itself only
        assert copy.deepcopy(obj) == pickle.loads(pickle.dumps(obj)) == obj


def test_equality_needs_the_same_class_and_attributes():
    class Mine(ai.optimizers.SGD):
        pass

    assert ai.optimizers.SGD(0.5) == ai.optimizers.SGD(0.5) != ai.optimizers.SGD(0.5, clipnorm=1)
    assert Mine(0.5) != ai.optimizers.SGD(0.5)
    assert ai.initializers.Ones() != ai.initializers.Constant(1.0)
    assert ai.metrics.SpikeCount(HIDDEN) != ai.metrics.SpikeCount(SNU(3, name="hidden"))


@pytest.mark.parametrize("kind, name, desired", [
    ("activation", "tanh", ai.activations.tanh),
    ("activation", "step_function", ai.activations.step_function),
    ("initializer", "ones", ai.initializers.Ones()),
    ("loss", "binary_crossentropy", ai.losses.BinaryCrossentropy()),
    ("metric", "acc", ai.metrics.Accuracy()),
    ("optimizer", "adam", ai.optimizers.Adam()),
    ("regularizer", "l1", ai.regularizers.L1()),
    ("regularizer", None, None),
])
def test_names(kind, name, desired):
    assert deserialize(kind, name, "load_model") == desired


def test_none():
    assert serialize(None) is None


def test_config_alone():
    assert ai.optimizers.SGD(0.5, clipnorm=2).get_config() == {
        "learning_rate": 0.5, "momentum": 0.0, "nesterov": False,
        "clipnorm": 2.0, "clipvalue": None, "weight_decay": None,
    }
    assert ai.optimizers.SGD.from_config({"learning_rate": 0.5}) == ai.optimizers.SGD(0.5)
    assert ai.activations.Activation.from_config({"name": "relu"}) == ai.activations.relu
    metric = ai.metrics.SpikeCount(HIDDEN)
    assert metric.get_config() == {"layer": "hidden", "name": "spikes"}
    assert ai.metrics.SpikeCount.from_config(metric.get_config() | {"layer": HIDDEN}) == metric
    config = {"learning_rate": serialize(schedules.CosineDecay(0.5, 10))}
    before = copy.deepcopy(config)
    assert ai.optimizers.SGD.from_config(config).learning_rate == schedules.CosineDecay(0.5, 10)
    assert config == before


# ---- bad input -------------------------------------------------------------


@pytest.mark.parametrize("obj", [3, "mse", np.zeros(2), abs, SNU, range(2)], ids=str)
def test_foreign_objects(obj):
    with pytest.raises(TypeError, match="serialize: obj must be of a class of neuroai_c"):
        serialize(obj)


def test_what_a_user_derives_cannot_be_serialized_as_its_base():
    class Constant(ai.initializers.Constant):
        pass

    class Slower(schedules.CosineDecay):
        pass

    for obj in (Constant(0.5), ai.optimizers.SGD(Slower(0.1, 10))):
        with pytest.raises(TypeError, match="serialize: obj must be"):
            serialize(obj)


def made(class_name, **config):
    return {"class_name": class_name, "config": config}


def nested(depth):
    value = "tanh"
    for _ in range(depth):
        value = made("StepFunction", pseudoderivative_of=value)
    return value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [
    "", "os.system", "__class__", "Sequential", 3, 0.5, True, [], ["mse"], {}, b"mse",
    {"class_name": "SGD"}, {"config": {}},
    {"class_name": "MeanSquaredError", "config": None}, {"class_name": "MeanSquaredError", "config": []},
    {**made("MeanSquaredError"), "module": "os"}, {1: 2, "config": {}},
    made("system"), made("os.system"), made("__init__"), made("Shown"), made("Loss"), made("Optimizer"),
    made("get"), made(None), made(3), made(["SGD"]), made({"class_name": "SGD"}),
    made("StepFunction", pseudoderivative_of=made("system")), made("StepFunction", pseudoderivative_of=3),
    made("Activation", name="step_function"), made("Activation", name=["tanh"]), made("Activation"),
    made("LeakyRel", alpha="0.1"), made("LeakyRel", alpha=-1), made("LeakyRel", beta=1),
    made("Constant", value=None), made("Constant", value=10**400), made("Ones", value=2),
    made("SGD", learning_rate=made("CosineDecay")), made("SGD", learning_rate=made("SGD")),
    made("SGD", learning_rate={}), made("SGD", clipnorm=1, clipvalue=1), made("SGD", _method=2),
    made("Adam", learning_rate=float("nan")), {"class_name": "SGD", "config": {3: 4}},
    made("CosineDecay", initial_learning_rate=0.1), made("L1", l1=[]),
    made("MeanSquaredError", name=3), made("Accuracy", name=None), made("BinaryCrossentropy", logits=True),
    made("SpikeCount"), made("SpikeCount", layer=None), made("SpikeCount", layer="other"),
    made("SpikeCount", layer=["hidden"]), made("SpikeCount", layer="hidden", name=3),
    nested(2), nested(500), nested(20000),
], ids=lambda value: repr(value)[:60] if not isinstance(value, dict) or len(value) != 2 else None)
def test_hostile_values(kind, value):
    with pytest.raises(ValueError, match="^load_model: ") as caught:
        deserialize(kind, value, "load_model", layers={"hidden": HIDDEN})
    assert not isinstance(caught.value, UnicodeError)


def test_messages():
    def message(kind, value, **more):
        with pytest.raises(ValueError) as caught:
            deserialize(kind, value, "load_model", **more)
        return str(caught.value)

    assert message("loss", made("SGD")).startswith(
        "load_model: loss: class_name must be one of 'MeanSquaredError', ")
    assert message("optimizer", made("SGD", momentum=2)).startswith(
        "load_model: SGD: momentum must be finite and 0 or more and 1 or less, got 2")
    assert message("optimizer", made("SGD", learning_rate=made("CosineDecay", decay_steps=1))).startswith(
        "load_model: SGD: learning_rate: ")
    assert message("loss", "l2").startswith("load_model: loss: name must be one of 'mse', ")
    assert message("metric", made("SpikeCount", layer="gone"), layers={"hidden": HIDDEN}) == (
        "load_model: SpikeCount: layer must be one of 'hidden', got 'gone'")
    assert message("metric", made("SpikeCount", layer="hidden")).startswith(
        "load_model: SpikeCount: layer must be an SNU")


def test_nothing_is_called_or_imported(monkeypatch):
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("called"))
    for name in ("system", "os.system", "posix.system", "neuroai_c.cli.main"):
        for value in (name, made(name, command="true")):
            for kind in KINDS:
                with pytest.raises(ValueError):
                    deserialize(kind, value, "load_model")
