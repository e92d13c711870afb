"""repr of what a user makes: the call that makes it, or a line that says what it is."""

import copy
import pickle

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c.layers import SNU, GlobalAveragePooling1D, InputLayer

REPRS = [
    "optimizers.SGD(learning_rate=0.01, momentum=0.0, nesterov=False)",
    "optimizers.RMSprop(learning_rate=0.1, rho=0.9, momentum=0.5, epsilon=1e-07)",
    "optimizers.Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07)",
    "optimizers.SGD(learning_rate=0.5, momentum=0.0, nesterov=False, clipvalue=0.5, weight_decay=0.1)",
    "losses.MeanSquaredError()",
    "losses.BinaryCrossentropy(from_logits=True)",
    "regularizers.L1(l1=1e-05)",
    "schedules.CosineDecay(initial_learning_rate=0.5, decay_steps=10.0, alpha=0.0)",
    "metrics.MeanSquaredError(name='mse')",
    "metrics.Accuracy(name='accuracy')",
    "initializers.GlorotUniform()",
    "initializers.Constant(value=0.5)",
    "initializers.Ones()",
    "initializers.Zeros()",
    "activations.LeakyRel(alpha=0.25)",
    "activations.StepFunction(pseudoderivative_of='sigmoid')",
]


@pytest.mark.parametrize("text", REPRS)
def test_the_call_that_makes_it(text):
    module, call = text.split(".", 1)
    made = eval(call, vars(getattr(ai, module)))
    assert repr(made) == call
    assert repr(copy.deepcopy(made)) == repr(pickle.loads(pickle.dumps(made))) == call


def test_numbers_are_shown_as_python_has_them():
    optimizer = ai.optimizers.SGD(np.float64(0.5), momentum=np.float32(0.5), nesterov=np.True_)
    assert repr(optimizer) == "SGD(learning_rate=0.5, momentum=0.5, nesterov=True)"
    optimizer.learning_rate = np.float64(0.25)
    assert repr(optimizer).startswith("SGD(learning_rate=0.25,")


def test_activations_without_parameters():
    assert repr(ai.activations.tanh) == "<activation tanh>"


def test_a_layer_inside():
    assert repr(ai.metrics.SpikeCount(SNU(3, name="hidden"))) == "SpikeCount(layer=<SNU hidden>, name='spikes')"


def test_a_subclass_with_arguments_of_its_own():
    class Slow(ai.optimizers.SGD):
        def __init__(self, factor, **options):
            super().__init__(**options)

    assert repr(Slow(3)) == "Slow()"


def test_sequential():
    model = ai.Sequential()
    assert repr(model) == "<Sequential sequential: 0 layers, not built>"
    model = ai.Sequential([SNU(3)], name="net")
    assert repr(model) == "<Sequential net: 1 layer, not built>"
    model = ai.Sequential([InputLayer([None, 784]), SNU(100, return_sequences=True), GlobalAveragePooling1D()])
    assert repr(model) == "<Sequential sequential: 2 layers, 78,500 weights>"


def test_history():
    model = ai.Sequential([InputLayer([None, 2]), SNU(2)], seed=0)
    model.compile(metrics=["acc"])
    x, y = np.ones((4, 3, 2)), np.zeros((4, 2))
    assert repr(model.fit(x, y, epochs=2, verbose=0)) == "<History of 2 epochs: loss, acc>"
    assert repr(model.fit(x, y, verbose=0)) == "<History of 1 epoch: loss, acc>"
    assert repr(model.fit(x, y, epochs=0, verbose=0)) == "<History of 0 epochs>"
