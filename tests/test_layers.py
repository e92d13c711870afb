"""layers: words, weights, and a layer run alone."""

import inspect

import neuroai_c as ai
import numpy as np
import pytest
import twin
from tolerances import FLOAT32_VALUE, TWIN, assert_close, assert_same_bits

from neuroai_c.layers import SNU, GlobalAveragePooling1D, InputLayer

GATES = [False, True, "batch", "sample"]


def binary(B=4, T=9, N=5, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (B, T, N), np.uint8)


def built(layer, dtype="float64", N=5, seed=0):
    """The layer with thresholds that some potentials pass and some do not."""
    ai.Sequential([InputLayer([None, N]), layer], seed=seed, dtype=dtype)
    weights = layer.get_weights()
    weights[-1] = weights[-1] * 0.37
    layer.set_weights(weights)
    return layer


def by_hand(layer, x, initial_state=None):
    kernel, *recurrent_kernel, bias = layer.weights
    y, _ = twin.snu_forward(x, kernel, bias, *recurrent_kernel, decay=layer.decay,
                            activation=layer.activation, g=layer.g,
                            lateral_inhibition=layer.lateral_inhibition, initial_state=initial_state)
    return y if layer.return_sequences else y[:, -1]


# ---- SNU -------------------------------------------------------------------


def test_defaults():
    layer = SNU(3)
    assert (layer.units, layer.decay, layer.recurrent, layer.lateral_inhibition) == (3, 0.8, False, False)
    assert (layer.activation.name, layer.g.name) == ("step_function", "identity")
    assert (layer.return_sequences, layer.built, layer.name) == (False, False, None)


def test_defaults_of_the_weights():
    layer = built(SNU(400, recurrent=True), N=200)
    kernel, recurrent_kernel, bias = layer.weights
    np.testing.assert_array_equal(bias, np.full(400, 0.37))
    for weight, limit in ((kernel, np.sqrt(6 / 600)), (recurrent_kernel, np.sqrt(6 / 800))):
        assert 0.99 * limit < np.abs(weight).max() <= limit
        assert abs(weight.mean()) < 0.01 * limit
        assert_close(weight.std(), limit / np.sqrt(3), 0.02)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("activation", ["step_function", "sigmoid"])
@pytest.mark.parametrize("g", ["identity", "tanh"])
def test_twin(g, activation, gate, recurrent, sequences):
    options = dict(activation=activation, decay=0.6, g=g, recurrent=recurrent, lateral_inhibition=gate,
                   return_sequences=sequences)
    x = binary()
    double = built(SNU(4, **options))
    assert_close(double(x), by_hand(double, x), TWIN)
    assert double(x).shape == ((4, 9, 4) if sequences else (4, 4))
    if activation == "sigmoid":
        single = built(SNU(4, **options), "float32")
        assert single(x).dtype == np.float32
        assert_close(single(x), double(x), FLOAT32_VALUE)


@pytest.mark.parametrize("gate", GATES)
def test_initial_state(gate):
    layer, x = built(SNU(4, lateral_inhibition=gate, recurrent=True, return_sequences=True)), binary()
    rng = np.random.default_rng(1)
    state = rng.integers(0, 2, (4, 4)), rng.standard_normal((4, 4))
    assert_close(layer(x, initial_state=state), by_hand(layer, x, state), TWIN)
    assert not np.array_equal(layer(x, initial_state=state), layer(x))
    zeros = np.zeros((4, 4)), np.zeros((4, 4))
    assert_same_bits(layer(x, initial_state=zeros), layer(x))


def test_spikes_and_dense_input():
    layer, x = built(SNU(4, return_sequences=True)), binary()
    assert_same_bits(layer(ai.Spikes.from_dense(x)), layer(x))
    assert_same_bits(layer(x.tolist()), layer(x))
    assert_same_bits(layer(np.asfortranarray(x.astype(bool))), layer(x))


def test_first_call_builds():
    layer = SNU(4)
    assert layer.weights == [] and layer.count_params() == 0
    layer(binary())
    assert layer.built
    assert [w.shape for w in layer.weights] == [(5, 4), (4,)]
    assert all(w.dtype == np.float32 for w in layer.weights)
    assert layer.count_params() == 24
    with pytest.raises(ValueError, match="SNU: x must have 5 inputs as the layer has, got 6"):
        layer(binary(N=6))


@pytest.mark.parametrize("x", [np.zeros((2, 3, 0)), np.full((2, 3, 4), "a"), np.zeros((2, 0, 4))],
                         ids=["no features", "strings", "no steps"])
def test_first_call_that_fails_does_not_build(x):
    layer = SNU(4)
    with pytest.raises((TypeError, ValueError)):
        layer(x)
    assert not layer.built


def test_weights_are_fresh():
    layer = built(SNU(4))
    first = layer.weights
    first[0][...] = 7
    assert not (layer.weights[0] == 7).any()
    assert_same_bits(layer.get_weights()[0], layer.weights[0])


def test_set_weights():
    layer = built(SNU(4, recurrent=True), "float32")
    wanted = [np.full(w.shape, i) for i, w in enumerate(layer.weights)]
    layer.set_weights(wanted)
    for weight, value in zip(layer.weights, wanted, strict=True):
        assert_same_bits(weight, value.astype(np.float32))
    with pytest.raises(ValueError, match="set_weights: weights must be 3 arrays, got 2"):
        layer.set_weights(wanted[:2])
    with pytest.raises(ValueError, match=r"set_weights: weights\[2\] must have shape \(4,\), got \(3,\)"):
        layer.set_weights([wanted[0] + 9, wanted[1], wanted[2][:3]])
    assert_same_bits(layer.weights[0], wanted[0].astype(np.float32))
    with pytest.raises(ValueError, match="set_weights: .*build"):
        SNU(4).set_weights(wanted)


@pytest.mark.parametrize("given, stored", [(False, False), (True, "batch"), ("batch", "batch"),
                                           ("sample", "sample"), (np.True_, "batch")])
def test_lateral_inhibition(given, stored):
    assert SNU(3, lateral_inhibition=given).lateral_inhibition == stored


def test_batch_inhibition_couples_samples():
    x = binary()
    kinds = {gate: built(SNU(4, lateral_inhibition=gate, return_sequences=True), seed=2) for gate in GATES}
    together = {gate: layer(x) for gate, layer in kinds.items()}
    alone = {gate: np.concatenate([layer(x[i:i + 1]) for i in range(len(x))])
             for gate, layer in kinds.items()}
    assert_same_bits(together[True], together["batch"])
    assert_same_bits(alone["batch"], together["sample"])
    for gate in (False, "sample"):
        assert_same_bits(alone[gate], together[gate])
    assert not np.array_equal(alone["batch"], together["batch"])


@pytest.mark.parametrize("error, argument, options", [
    (ValueError, "units", dict(units=0)),
    (ValueError, "units", dict(units=-3)),
    (TypeError, "units", dict(units=2.0)),
    (TypeError, "units", dict(units="2")),
    (TypeError, "units", dict(units=True)),
    (TypeError, "decay", dict(decay="0.8")),
    (ValueError, "decay", dict(decay=np.nan)),
    (ValueError, "decay", dict(decay=-np.inf)),
    (ValueError, "activation", dict(activation="step")),
    (TypeError, "activation", dict(activation=np.tanh)),
    (TypeError, "activation", dict(activation=None)),
    (ValueError, "g", dict(g="step_function")),
    (ValueError, "g", dict(g=ai.activations.StepFunction("sigmoid"))),
    (ValueError, "g", dict(g="softplus")),
    (TypeError, "g", dict(g=abs)),
    (ValueError, "lateral_inhibition", dict(lateral_inhibition="layer")),
    ((TypeError, ValueError), "lateral_inhibition", dict(lateral_inhibition=None)),
    ((TypeError, ValueError), "lateral_inhibition", dict(lateral_inhibition=[True])),
    ((TypeError, ValueError), "lateral_inhibition", dict(lateral_inhibition=2)),
    (ValueError, "kernel_initializer", dict(kernel_initializer="he_normal")),
    (ValueError, "recurrent_initializer", dict(recurrent_initializer="orthogonal")),
    (TypeError, "bias_initializer", dict(bias_initializer=1.0)),
    (TypeError, "name", dict(name=3)),
], ids=str)
def test_bad_arguments(error, argument, options):
    with pytest.raises(error, match=rf"SNU: .*\b{argument}\b"):
        SNU(**{"units": 2, **options})


@pytest.mark.parametrize("options, listed", [
    (dict(activation="step"), "step_function leaky_rel relu tanh sigmoid identity"),
    (dict(g=np.tanh), "leaky_rel relu tanh sigmoid identity"),
    (dict(lateral_inhibition="layer"), "False True batch sample"),
    (dict(kernel_initializer="normal"), "glorot_uniform ones zeros"),
])
def test_messages_list_what_there_is(options, listed):
    with pytest.raises((TypeError, ValueError)) as caught:
        SNU(2, **options)
    assert all(name in str(caught.value) for name in listed.split())


@pytest.mark.parametrize("g", ["gelu", np.tanh], ids=str)
def test_messages_about_g_do_not_offer_the_step(g):
    with pytest.raises((TypeError, ValueError), match="SNU: g must") as caught:
        SNU(2, g=g)
    assert "step_function" not in str(caught.value)


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((2, 3)), np.zeros((2, 3, 4, 1)), 3.0,
                               ai.Spikes.from_dense(np.zeros((2, 3, 4, 1)))], ids=np.shape)
def test_input_with_other_axes(x):
    with pytest.raises(ValueError, match=r"SNU: x must have the axes \(samples, steps, inputs\), got"):
        SNU(2)(x)


def test_last_output_of_no_steps():
    with pytest.raises(ValueError, match="SNU: x must have at least one step"):
        built(SNU(2))(np.zeros((3, 0, 5)))
    assert built(SNU(2, return_sequences=True))(np.zeros((3, 0, 5))).shape == (3, 0, 2)
    assert built(SNU(2))(np.zeros((0, 3, 5))).shape == (0, 2)


@pytest.mark.parametrize("state", [3, np.zeros((2, 4, 4)), (np.zeros((4, 4)),), (np.zeros((4, 3)),) * 2,
                                   (np.zeros((3, 4)),) * 2, (np.zeros((4, 4)), None),
                                   (np.zeros((4, 4)), "V")], ids=range(7))
def test_bad_initial_state(state):
    with pytest.raises((TypeError, ValueError), match="initial_state"):
        built(SNU(4))(binary(), initial_state=state)


def test_arguments_of_api():
    names = list(inspect.signature(SNU).parameters)
    assert names[:7] == ["units", "activation", "decay", "g", "recurrent", "lateral_inhibition",
                         "return_sequences"]
    assert {"kernel_initializer", "recurrent_initializer", "bias_initializer", "name"} <= set(names)


# ---- initializers ----------------------------------------------------------


@pytest.mark.parametrize("given, value", [("zeros", 0), ("ones", 1), (ai.initializers.Zeros(), 0),
                                          (ai.initializers.Ones(), 1),
                                          (ai.initializers.Constant(0.25), 0.25)])
def test_initializers(given, value):
    layer = SNU(4, recurrent=True, kernel_initializer=given, recurrent_initializer=given,
                bias_initializer=given)
    layer(binary())
    assert all((weight == value).all() for weight in layer.weights)


def test_glorot_uniform_by_name():
    ones = SNU(4, bias_initializer="glorot_uniform")
    ones(binary())
    assert len(set(ones.weights[1])) == 4


def test_an_initializer_of_ones_own():
    class Steps(ai.initializers.Initializer):
        def __call__(self, shape, rng):
            return np.arange(np.prod(shape), dtype=float).reshape(shape)

    layer = SNU(4, kernel_initializer=Steps())
    layer(binary())
    assert_same_bits(layer.weights[0], np.arange(20, dtype=np.float32).reshape(5, 4))


def test_an_initializer_in_another_layout():
    class Transposed(ai.initializers.Initializer):
        def __call__(self, shape, rng):
            return rng.random(shape[::-1]).T

    model = ai.Sequential([InputLayer([None, 5]), SNU(4, kernel_initializer=Transposed())], seed=0)
    model.compile()
    model.fit(binary(), np.zeros((4, 4)), verbose=0)
    assert model.get_weights()[0].flags.c_contiguous


@pytest.mark.parametrize("shape", [(2, 2), (5,), (4, 5)], ids=str)
def test_an_initializer_of_another_shape(shape):
    class Wrong(ai.initializers.Initializer):
        def __call__(self, _, rng):
            return np.zeros(shape)

    with pytest.raises(ValueError, match="kernel"):
        SNU(4, kernel_initializer=Wrong())(binary())


# ---- InputLayer, GlobalAveragePooling1D --------------------------------------


@pytest.mark.parametrize("shape, stored", [([None, 784], (None, 784)), ((20, 3), (20, 3)),
                                           ([np.int64(2), np.uint8(3)], (2, 3))])
def test_input_layer(shape, stored):
    assert InputLayer(input_shape=shape).input_shape == stored


@pytest.mark.parametrize("shape", [None, 784, [784], [None, None], [None, 0], [0, 5], [None, -1], [None, 2.5],
                                   ["a", 2], [None, None, 5], "ab", {}], ids=str)
def test_input_layer_of_a_bad_shape(shape):
    with pytest.raises((TypeError, ValueError), match="InputLayer: input_shape"):
        InputLayer(shape)


def test_average():
    x = np.random.default_rng(0).standard_normal((3, 7, 5))
    assert_close(GlobalAveragePooling1D()(x), x.mean(axis=1), TWIN)
    assert GlobalAveragePooling1D()(x.astype(np.float32)).dtype == np.float32
    assert GlobalAveragePooling1D()(binary()).dtype == np.float64
    assert_close(GlobalAveragePooling1D()(binary()), binary().mean(axis=1), TWIN)
    assert GlobalAveragePooling1D().weights == []


def test_average_of_spikes():
    assert_close(GlobalAveragePooling1D()(ai.Spikes.from_dense(binary())), binary().mean(axis=1), TWIN)


@pytest.mark.parametrize("x", [np.zeros((2, 3)), np.zeros((2, 0, 3)), np.full((1, 1, 1), "a"),
                               np.full((1, 1, 1), None), np.zeros((1, 1, 1), complex)], ids=range(5))
def test_average_of_something_else(x):
    with pytest.raises((TypeError, ValueError), match="x must"):
        GlobalAveragePooling1D()(x)


def test_an_attribute_set_later_counts_from_the_next_call():
    layer = SNU(3, activation="sigmoid")
    model = ai.Sequential([InputLayer([None, 5]), layer], seed=0, dtype="float64")
    x = binary()
    model.compile()
    model.predict(x, verbose=0)
    layer.decay = 0.1
    after = by_hand(layer, x)
    assert_close(layer(x), after, TWIN)
    assert_close(model.predict(x, verbose=0), after, TWIN)


@pytest.mark.parametrize("name, value, error", [
    ("decay", "0.8", TypeError),
    ("decay", np.nan, ValueError),
    ("activation", "softmax", ValueError),
    ("activation", 3, TypeError),
    ("g", "step_function", ValueError),
    ("g", None, TypeError),
    ("lateral_inhibition", "all", ValueError),
])
def test_a_bad_attribute_set_later_is_refused_and_changes_nothing(name, value, error):
    layer = SNU(3)
    before = getattr(layer, name)
    with pytest.raises(error, match=f"SNU: {name} must"):
        setattr(layer, name, value)
    assert getattr(layer, name) is before


def test_attributes_set_later_may_be_names():
    layer, desired = built(SNU(3)), built(SNU(3, activation="sigmoid", g="tanh", lateral_inhibition=True))
    layer.activation, layer.g, layer.lateral_inhibition = "sigmoid", "tanh", True
    for run in (layer, desired):
        run.set_weights(desired.get_weights())
    assert_same_bits(layer(binary()), desired(binary()))
    models = [ai.Sequential([InputLayer([None, 5]), run], dtype="float64") for run in (layer, desired)]
    assert_same_bits(*(model.predict(binary(), verbose=0) for model in models))


def test_repr_has_the_name():
    assert repr(SNU(3, name="hidden")) == "<SNU hidden>"
    assert repr(GlobalAveragePooling1D()) == "<GlobalAveragePooling1D>"
