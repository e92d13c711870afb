"""Sequences of different lengths, and in parts: equal to the bit to each alone, and to the whole."""

import neuroai_c as ai
import numpy as np
import pytest
from bridge import padded, runs_backwards, twin_batch, twin_of
from neuroai_c import data, models
from tolerances import FLOAT32_GRADIENT, GOLDEN_VALUE, TRAINED, assert_close, assert_same_bits

layers = ai.layers

INPUTS, OUTPUTS = 6, 3
LENGTHS = [5, 1, 9, 4, 9, 2, 7]
DTYPES = ["float32", "float64"]
THREADS = [1, 2, 3, 4, 7]
GATES = [False, "sample"]
TAILS = ["average", "last", "sequences"]


@pytest.fixture(autouse=True)
def threads_as_before():
    before = ai.get_num_threads()
    yield
    ai.set_num_threads(before)


def sequences(binary=False, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    real = [rng.standard_normal((length, INPUTS)) for length in lengths]
    return [(row > 0.6).astype(np.uint8) for row in real] if binary else real


def new_net(*, gate=False, tail="sequences", backwards=(False, False), dense=True, masking=False,
            stateful=False, dropout=0.0, l1=None, dtype="float32", optimizer=None):
    """A net of everything that sequences pass through."""
    options = dict(decay=0.85, g="leaky_rel", recurrent=True, trainable_decay=True,
                   bias_initializer=ai.initializers.Constant(0.2), stateful=stateful)
    model = ai.Sequential(seed=0, dtype=dtype)
    model.add(layers.InputLayer([None, INPUTS]))
    if masking:
        model.add(layers.Masking())
    if dense:
        model.add(layers.Dense(5, "tanh"))
    model.add(layers.SNU(9, **options, lateral_inhibition=gate, return_sequences=True,
                         go_backwards=backwards[0], activity_regularizer=l1))
    if dropout:
        model.add(layers.Dropout(dropout))
    if dense:
        model.add(layers.Dense(7, "relu"))
    model.add(layers.SNU(OUTPUTS, **options, return_sequences=tail != "last", go_backwards=backwards[1]))
    if tail == "average":
        model.add(layers.GlobalAveragePooling1D())
    if dense:
        model.add(layers.Dense(OUTPUTS))
    model.compile(optimizer or ai.optimizers.SGD(0.1), "mse", ["acc", "mse"])
    return model


def targets(x, tail="sequences", seed=1):
    rng = np.random.default_rng(seed)
    if tail == "sequences":
        return [rng.random((len(row), OUTPUTS)) for row in x]
    return rng.random((len(x), OUTPUTS))


def outputs(model, x, **options):
    """predict, as a list of the samples' outputs."""
    return list(model.predict(x, verbose=0, **options))


def copy_of(model):
    """The same weights and settings, with states and an optimizer that begin anew."""
    other = ai.Sequential.from_config(model.get_config())
    other.set_weights(model.get_weights())
    other.compile(type(model.optimizer).from_config(model.optimizer.get_config()), model.loss,
                  ["acc", "mse"])
    return other


# ---- different lengths -----------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("binary", [False, True], ids=["real", "binary"])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("backwards", [(False, False), (True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("dense", [False, True], ids=["", "dense"])
def test_each_as_if_alone(dense, backwards, tail, gate, binary, dtype):
    model = new_net(dense=dense, backwards=backwards, tail=tail, gate=gate, dtype=dtype)
    x = sequences(binary)
    alone = [model.predict(row[None], verbose=0)[0] for row in x]
    assert any(np.any(row) for row in alone)
    for batch_size in (1, 2, 3, None):
        for row, wanted in zip(outputs(model, x, batch_size=batch_size), alone, strict=True):
            assert_same_bits(row, wanted)


@pytest.mark.parametrize("gate", GATES)
def test_every_layer_as_if_alone(gate):
    """The outputs of the layers one by one, as parts of the model and by themselves."""
    x = sequences()
    whole = new_net(gate=gate, backwards=(True, False))
    whole.layers[0].activation = "leaky_rel"        # tanh alone is NumPy's
    for count in range(1, len(whole.layers) + 1):
        part = ai.Sequential([layers.InputLayer([None, INPUTS]), *whole.layers[:count]])
        rows = outputs(part, x)
        for row, sequence in zip(rows, x, strict=True):
            assert_same_bits(row, part.predict(sequence[None], verbose=0)[0])
            y = sequence[None]
            for layer in part.layers:
                y = layer(y)
            assert_same_bits(row, y[0])


@pytest.mark.parametrize("gate", GATES)
def test_a_layer_alone_and_its_mask(gate):
    """Padded and masked, a layer says of each row what it says of the row by itself."""
    x = sequences()
    whole, mask = padded(x, fill=5.0)
    for backwards in (False, True):
        layer = layers.SNU(9, "tanh", g="sigmoid", recurrent=True, lateral_inhibition=gate,
                           return_sequences=True, return_state=True, go_backwards=backwards)
        y, *state = layer(whole, mask=mask)
        for i, row in enumerate(x):
            alone, *final = layer(row[None])
            part = slice(9 - len(row), 9) if backwards else slice(0, len(row))
            assert_same_bits(y[i, part], alone[0])
            for found, wanted in zip(state, final, strict=True):
                assert_same_bits(found[i], wanted[0])


def test_the_order_of_samples_does_not_matter():
    model, x = new_net(backwards=(True, False)), sequences()
    rows = outputs(model, x)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(x))
        for i, found in zip(order, outputs(model, [x[i] for i in order], batch_size=3), strict=True):
            assert_same_bits(found, rows[i])


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("backwards", [(False, False), (True, False)], ids=str)
def test_measures_of_a_batch_are_means_of_each_alone(tail, gate, backwards):
    x, weights = sequences(), np.arange(1.0, 8.0)
    y = targets(x, tail)
    model = new_net(tail=tail, gate=gate, backwards=backwards, dtype="float64", l1=ai.regularizers.L1(0.01))
    snu = model.layers[1]
    model.compile("sgd", "mse", ["acc", "mse", ai.metrics.SpikeCount(snu)])
    for weight in (None, weights):
        alone = np.array([
            model.evaluate(x[i][None], y[i][None], verbose=0,
                           sample_weight=None if weight is None else weight[i:i + 1]) for i in range(len(x))])
        for batch_size in (1, 3, 32):
            found = model.evaluate(x, y, batch_size=batch_size, verbose=0, sample_weight=weight)
            assert_close(found, alone.mean(axis=0), GOLDEN_VALUE)


@pytest.mark.parametrize("tail", TAILS)
def test_measures_by_hand(tail):
    """Steps that do not count are in none of them."""
    x = sequences(binary=True)
    y = targets(x, tail)
    model = new_net(tail=tail, masking=True, dense=False, dtype="float64")
    hidden = model.layers[1]
    model.compile("sgd", "mse", ["acc", "mse", ai.metrics.SpikeCount(hidden)])
    for row in x:
        row[len(row) // 2] = 0
        row[0, 0] = 1
    masks = [row.any(axis=1) for row in x]
    assert not all(mask.all() for mask in masks)

    losses, hits, spikes = [], [], []
    for row, mask, target, output in zip(x, masks, y, outputs(model, x), strict=True):
        counts = mask if tail == "sequences" else slice(None)
        output, target = np.atleast_2d(output)[counts], np.atleast_2d(target)[counts]
        losses.append(np.mean((output - target) ** 2))
        hits.append(np.mean(output.argmax(axis=1) == target.argmax(axis=1)))
        spikes.append(hidden(row[None], mask=mask[None])[0][mask].sum())
    wanted = [np.mean(losses), np.mean(hits), np.mean(losses), np.mean(spikes)]
    assert wanted[3] > 0
    assert_close(model.evaluate(x, y, verbose=0), wanted, GOLDEN_VALUE)
    assert_close(model.train_on_batch(x, y), wanted, GOLDEN_VALUE)


def gradient(model, x, y):
    """What a step of rate 1 subtracts."""
    model = copy_of(model)
    before = model.get_weights()
    model.optimizer.learning_rate = 1.0
    model.train_on_batch(x, y)
    return [old - new for old, new in zip(before, model.get_weights(), strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("backwards", [(False, False), (True, False), (True, True)], ids=str)
def test_gradient_of_a_batch_is_the_mean_of_each_alone(backwards, gate, tail, dtype):
    """A decay of 0.85 stays far enough from 1 for its own gradient to show."""
    model = new_net(tail=tail, gate=gate, backwards=backwards, dtype=dtype, l1=ai.regularizers.L1(0.01))
    x = sequences()
    y = targets(x, tail)
    for row in y:
        row /= 50
    alone = [gradient(model, x[i][None], y[i][None]) for i in range(len(x))]
    for found, *parts in zip(gradient(model, x, y), *alone, strict=True):
        tolerance = TRAINED if dtype == "float64" else FLOAT32_GRADIENT
        largest = max(np.abs(parts).max(), 1e-3)        # a gradient is told from weights of about 1
        np.testing.assert_allclose(found, np.mean(parts, axis=0), rtol=0, atol=tolerance * max(largest, 1))


@pytest.mark.parametrize("tail", TAILS)
def test_what_is_behind_a_sequence_does_not_matter(tail):
    """A list is a padded array with Masking, to the bit."""
    x = sequences(binary=True)
    for row in x:
        row[:, 0] = 1                   # every step counts
    y = targets(x, tail)
    whole, mask = padded(x)
    whole_y, _ = padded(y) if tail == "sequences" else (y, None)
    lists, arrays = (new_net(masking=masked, tail=tail) for masked in (False, True))
    for row, of_array, counts in zip(outputs(lists, x), outputs(arrays, whole), mask, strict=True):
        assert_same_bits(row, of_array[counts] if tail == "sequences" else of_array)
    assert lists.fit(x, y, batch_size=3, epochs=2, verbose=0).history == arrays.fit(
        whole, whole_y, batch_size=3, epochs=2, verbose=0).history
    for weight, wanted in zip(lists.get_weights(), arrays.get_weights(), strict=True):
        assert_same_bits(weight, wanted)


@pytest.mark.parametrize("dense", [False, True], ids=["units", "dense"])
def test_what_a_run_leaves_in_memory_does_not_matter(dense):
    """NaN of a batch that diverged lies where the steps behind a shorter sequence are."""
    x = sequences(lengths=[9, 2, 9, 1])
    y = targets(x)
    model = new_net(dense=dense)
    good = model.get_weights()
    kernel = np.where(np.arange(good[0].size).reshape(good[0].shape) % 2, 3e38, -3e38)
    model.set_weights([kernel, *good[1:]])      # inf - inf with what follows
    with pytest.raises(FloatingPointError):
        model.train_on_batch([np.full((T, INPUTS), 10.0) for T in (9, 9, 9, 8)],
                             [np.zeros((T, OUTPUTS)) for T in (9, 9, 9, 8)])
    model.set_weights(good)
    other = copy_of(model)
    assert model.train_on_batch(x, y) == other.train_on_batch(x, y)
    for weight, desired in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_same_bits(weight, desired)
        assert np.isfinite(weight).all()


def test_sequences_of_one_length_are_an_array():
    x = sequences(lengths=[4, 4, 4])
    model = new_net()
    y = model.predict(x, verbose=0)
    assert isinstance(y, np.ndarray)
    assert_same_bits(y, model.predict(np.array(x), verbose=0))


def test_a_tuple_of_sequences_of_other_kinds():
    x = sequences(binary=True)
    model = new_net()
    wanted = outputs(model, x)
    others = [row.tolist() if i % 2 else row.astype(">f4") for i, row in enumerate(x)]
    for row, desired in zip(outputs(model, tuple(others)), wanted, strict=True):
        assert_same_bits(row, desired)


def test_arguments_are_left_alone():
    x = sequences()
    y = targets(x)
    before = [row.copy() for row in x + y]
    new_net(backwards=(True, False)).fit(x, y, verbose=0)
    for row, wanted in zip(x + y, before, strict=True):
        np.testing.assert_array_equal(row, wanted)


@pytest.mark.parametrize("ratio", [1, 40])
def test_long_beside_short(ratio):
    """Events and dense rows, whichever the padded form is laid out as, say the same."""
    x = sequences(binary=True, lengths=[3, 3 * ratio + 1, 1])
    model = new_net()
    wanted = [model.predict(row[None], verbose=0)[0] for row in x]
    for row, desired in zip(outputs(model, x), wanted, strict=True):
        assert_same_bits(row, desired)


def test_lists_too_long_to_be_padded(monkeypatch):
    """Above a number of bytes they stay rows: the same bits."""
    x = sequences(binary=True)
    y = targets(x)
    events, rows = new_net(dense=False), new_net(dense=False)
    history = events.fit(x, y, epochs=2, batch_size=2, verbose=0).history
    monkeypatch.setattr(data, "_PADDED_BYTES", 1)
    assert rows.fit(x, y, epochs=2, batch_size=2, verbose=0).history == history
    for weight, wanted in zip(rows.get_weights(), events.get_weights(), strict=True):
        assert_same_bits(weight, wanted)


# ---- backwards -------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("binary", [False, True], ids=["real", "binary"])
@pytest.mark.parametrize("gate", [False, "batch", "sample"])
@pytest.mark.parametrize("tail", TAILS)
def test_backwards_is_the_reversed_input(tail, gate, binary, dtype):
    """Outputs are in the order of processing; so is what a layer behind is fed."""
    x = sequences(binary, lengths=[8] * 5)
    backwards, forwards = (new_net(tail=tail, gate=gate, dense=False, backwards=(b, False), dtype=dtype,
                                   optimizer=ai.optimizers.Adam(0.05)) for b in (True, False))
    x, y = np.array(x), np.array(targets(x, tail))
    assert_same_bits(backwards.predict(x, verbose=0), forwards.predict(x[:, ::-1], verbose=0))
    losses = [model.fit(fed, y, batch_size=2, epochs=3, verbose=0).history["loss"]
              for model, fed in ((backwards, x), (forwards, x[:, ::-1]))]
    assert_close(losses[0], losses[1], GOLDEN_VALUE if dtype == "float64" else 1e-6)
    tolerance = TRAINED if dtype == "float64" else FLOAT32_GRADIENT
    for weight, wanted in zip(backwards.get_weights(), forwards.get_weights(), strict=True):
        assert_close(weight, wanted, tolerance)


@pytest.mark.parametrize("tail", TAILS)
def test_backwards_of_different_lengths_is_the_reversed_input(tail):
    x = sequences()
    backwards, forwards = (new_net(tail=tail, backwards=(b, False)) for b in (True, False))
    reversed_x = [row[::-1] for row in x]
    for row, wanted in zip(outputs(backwards, x), outputs(forwards, reversed_x), strict=True):
        assert_same_bits(row, wanted)
    y = targets(x, tail)
    found = backwards.evaluate(x, y, verbose=0)
    assert found == forwards.evaluate(reversed_x, y, verbose=0)


def test_twice_backwards_is_forwards_for_a_unit_without_memory():
    """The output of two layers backwards is in the order of the input again."""
    x = sequences()
    model = ai.Sequential([layers.InputLayer([None, INPUTS])], seed=0)
    for _ in range(2):
        model.add(layers.SNU(4, "tanh", decay=0.0, return_sequences=True, go_backwards=True))
    first, second = model.layers
    assert not runs_backwards(model)
    for row, sequence in zip(outputs(model, x), x, strict=True):
        forwards = [layers.SNU(4, "tanh", decay=0.0, return_sequences=True) for _ in range(2)]
        y = sequence[None].astype(np.float32)
        for layer, of in zip(forwards, (first, second)):
            layer(y)
            layer.set_weights(of.get_weights())
            y = layer(y)
        assert_same_bits(row, y[0])


# ---- states ----------------------------------------------------------------


def halves(x, at=3):
    return [row[:at] for row in x], [row[at:] for row in x]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gate", [False, "batch", "sample"])
@pytest.mark.parametrize("masking", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("dense", [False, True], ids=["", "dense"])
def test_two_halves_are_one_whole(dense, masking, gate, dtype):
    x = np.array(sequences(binary=True, lengths=[8] * 5))
    if masking:
        x[np.random.default_rng(2).random(x.shape[:2]) < 0.4] = 0
    whole = new_net(gate=gate, masking=masking, dense=dense, dtype=dtype)
    parts = new_net(gate=gate, masking=masking, dense=dense, dtype=dtype, stateful=True)
    wanted = whole.predict(x, verbose=0)
    if masking:                         # before the first step that counts a new call puts out zeros
        counts = np.maximum.accumulate(x[:, 3:].any(axis=2), axis=1)
        found = parts.predict(x[:, :3], verbose=0), parts.predict(x[:, 3:], verbose=0)
        if not dense:
            assert_same_bits(found[1][counts], wanted[:, 3:][counts])
    else:
        found = parts.predict(x[:, :3], verbose=0), parts.predict(x[:, 3:], verbose=0)
        assert_same_bits(np.concatenate(found, axis=1), wanted)
    parts.reset_states()
    if not masking:
        thirds = [parts.predict(x[:, part], verbose=0) for part in (slice(0, 1), slice(1, 6), slice(6, 8))]
        assert_same_bits(np.concatenate(thirds, axis=1), wanted)


@pytest.mark.parametrize("gate", [False, "sample"])
@pytest.mark.parametrize("tail", ["last", "sequences"])
def test_two_halves_of_different_lengths(tail, gate):
    """Padding leaves the state where a sequence ended."""
    x = sequences(lengths=[5, 4, 9, 4, 7])
    whole = new_net(gate=gate, tail=tail)
    parts = new_net(gate=gate, tail=tail, stateful=True)
    first, second = halves(x)
    found = outputs(parts, first), outputs(parts, second)
    for row, one, two in zip(outputs(whole, x), *found, strict=True):
        assert_same_bits(two if tail == "last" else np.concatenate([one, two]), row)
    parts.reset_states()
    found = [outputs(parts, part) for part in zip(*[(row[:1], row[1:3], row[3:]) for row in x])]
    for row, *pieces in zip(outputs(whole, x), *found, strict=True):
        assert_same_bits(pieces[-1] if tail == "last" else np.concatenate(pieces), row)


def test_evaluate_over_two_halves():
    x = np.array(sequences(lengths=[8] * 5))
    y = np.array(targets(x))
    whole, parts = new_net(dtype="float64"), new_net(stateful=True, dtype="float64")
    found = [parts.evaluate(x[:, part], y[:, part], verbose=0) for part in (slice(0, 4), slice(4, 8))]
    assert_close(np.mean(found, axis=0), whole.evaluate(x, y, verbose=0), GOLDEN_VALUE)


def test_training_goes_on_from_the_state():
    """What a step of training ends with is what predict begins with, and the other way round."""
    x = np.array(sequences(lengths=[8] * 5))
    y = np.array(targets(x))
    trained = new_net(stateful=True, optimizer=ai.optimizers.SGD(0.0))
    whole = new_net().predict(x, verbose=0)
    trained.fit(x[:, :4], y[:, :4], batch_size=5, shuffle=False, verbose=0)
    assert_same_bits(trained.predict(x[:, 4:], verbose=0), whole[:, 4:])
    trained.reset_states()
    trained.predict(x[:, :4], verbose=0)
    trained.train_on_batch(x[:, 4:6], y[:, 4:6])
    assert_same_bits(trained.predict(x[:, 6:], verbose=0), whole[:, 6:])


def test_training_over_two_halves_is_the_twin():
    x = np.array(sequences(lengths=[8] * 4))
    y = np.array(targets(x))
    model = new_net(stateful=True, dtype="float64", dense=False, optimizer=ai.optimizers.SGD(0.05))
    net = twin_of(model)
    for begin in (0, 4):
        part = slice(begin, begin + 4)
        loss, _, _ = model.train_on_batch(x[:, part], y[:, part])
        assert_close(loss, net.train_on_batch(x[:, part], y[:, part])[0], GOLDEN_VALUE)
    for weight, wanted in zip(model.get_weights(), net.weights, strict=True):
        assert_close(weight, wanted, TRAINED)


def test_batches_of_a_call_share_the_states():
    """As in Keras: sample i of a batch goes on from sample i of the batch before."""
    x = np.array(sequences(lengths=[4] * 6))
    model, alone = new_net(stateful=True), new_net()
    found = model.predict(x, batch_size=2, verbose=0)
    for row in range(2):
        wanted = alone.predict(x[row::2].reshape(1, -1, INPUTS), verbose=0)
        assert_same_bits(found[row::2].reshape(1, -1, OUTPUTS), wanted)


def test_states_and_layers_alone_go_on_from_each_other():
    """The state belongs to the layer, whoever runs it."""
    x = np.array(sequences(lengths=[8] * 5))
    model = new_net(dense=False, stateful=True)
    wanted = new_net(dense=False).predict(x, verbose=0)
    first, second = model.layers
    y = second(first(x[:, :3]))
    assert_same_bits(y, wanted[:, :3])
    assert_same_bits(model.predict(x[:, 3:6], verbose=0), wanted[:, 3:6])
    assert_same_bits(second(first(x[:, 6:])), wanted[:, 6:])


def test_reset_of_one_layer():
    x = np.array(sequences(lengths=[4] * 5))
    model = new_net(dense=False, stateful=True)
    model.predict(x, verbose=0)
    for layer in model.layers:
        layer.reset_states()
    assert_same_bits(model.predict(x, verbose=0), new_net(dense=False).predict(x, verbose=0))


def test_a_model_without_states_has_nothing_to_reset():
    model, x = new_net(), sequences()
    before = outputs(model, x)
    model.reset_states()
    for row, wanted in zip(outputs(model, x), before, strict=True):
        assert_same_bits(row, wanted)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch",
                                    "predict_on_batch"])
def test_another_batch_size_needs_a_reset(method):
    x = np.array(sequences(lengths=[4] * 6))
    y = np.array(targets(x))
    model = new_net(stateful=True)
    before = [weight.copy() for weight in model.get_weights()]
    model.predict(x[:4, :2], verbose=0)
    call = getattr(model, method)
    given = (x,) if "predict" in method else (x, y)
    options = {} if method.endswith("batch") else dict(verbose=0)
    with pytest.raises(ValueError, match="the 4 samples whose states.* got 6"):
        call(*given, **options)
    wanted = new_net().predict(x[:4], verbose=0)
    assert_same_bits(model.predict(x[:4, 2:], verbose=0), wanted[:, 2:])
    for weight, desired in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, desired)
    model.reset_states()
    call(*given, **options)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_smaller_last_batch_is_refused_before_anything_is_done(method):
    x = np.array(sequences(lengths=[4] * 6))
    y = np.array(targets(x))
    model = new_net(stateful=True)
    given = (x,) if method == "predict" else (x, y)
    with pytest.raises(ValueError, match=rf"{method}: x must have whole batches of 4 samples.* got 6"):
        getattr(model, method)(*given, batch_size=4, verbose=0)
    assert_same_bits(model.predict(x, verbose=0), new_net().predict(x, verbose=0))


def test_validation_of_another_size_is_refused_before_training():
    x = np.array(sequences(lengths=[4] * 6))
    y = np.array(targets(x))
    model = new_net(stateful=True)
    before = model.get_weights()
    with pytest.raises(ValueError, match="validation"):
        model.fit(x, y, batch_size=3, validation_data=(x[:4], y[:4]), verbose=0)
    with pytest.raises(ValueError, match="validation"):
        model.fit(x, y, batch_size=3, validation_data=(x[:2], y[:2]), verbose=0)
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)


def test_validation_goes_by_the_batches_of_the_states():
    """More samples than were trained on, which are one batch of the default size."""
    x = np.array(sequences(lengths=[4] * 6))
    y = np.array(targets(x))
    model, twin = new_net(stateful=True), new_net(stateful=True)
    history = model.fit(x[:2], y[:2], validation_data=(x, y), verbose=0).history
    twin.fit(x[:2], y[:2], verbose=0)
    assert history["val_loss"] == [twin.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)["loss"]]


def test_lists_that_are_too_long_together():
    rows = [np.broadcast_to(np.int8(1), (2**59, INPUTS)), np.ones((1, INPUTS))]
    with pytest.raises((ValueError, MemoryError), match="predict: x cannot be made an array|alloc"):
        new_net().predict(rows, verbose=0)


# ---- the same bits however the work is done --------------------------------


def trained(model, x, y, weights, **options):
    history = model.fit(x, y, verbose=0, epochs=2, sample_weight=weights, **options).history
    results = model.evaluate(x, y, batch_size=3, verbose=0, sample_weight=weights)
    return model.get_weights(), history, results, outputs(model, x, batch_size=3)


def assert_same_run(actual, desired):
    assert actual[1] == desired[1]
    assert actual[2] == desired[2]
    for index in (0, 3):
        for row, wanted in zip(actual[index], desired[index], strict=True):
            assert_same_bits(row, wanted)


def everything(gate, dtype, masking, **options):
    """All at once: clipping needs all gradients, inhibition all samples, dropout their places."""
    return new_net(gate=gate, dtype=dtype, masking=masking, dropout=0.3, backwards=(True, False),
                   l1=ai.regularizers.L1(1e-3), optimizer=ai.optimizers.Adam(
                       ai.optimizers.schedules.CosineDecay(0.05, 5), clipnorm=0.1, weight_decay=0.01),
                   **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("masking", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("gate", [False, "batch", "sample"])
@pytest.mark.parametrize("binary", [False, True], ids=["real", "binary"])
@pytest.mark.parametrize("tail", TAILS)
def test_same_bits_on_any_number_of_threads_and_in_pieces(tail, binary, gate, masking, dtype, monkeypatch):
    x = sequences(binary)
    if masking:
        for row in x:
            row[len(row) // 2] = 0
            row[0] = 1
    y, weights = targets(x, tail), np.arange(7) / 3
    runs = []
    for threads, seconds in [(threads, models._SECONDS) for threads in THREADS] + [(1, 0), (3, 0)]:
        ai.set_num_threads(threads)
        monkeypatch.setattr(models, "_SECONDS", seconds)
        model = everything(gate, dtype, masking, tail=tail)
        runs.append(trained(model, x, y, weights, batch_size=4))
    for run in runs[1:]:
        assert_same_run(run, runs[0])


@pytest.mark.parametrize("gate", [False, "batch", "sample"])
def test_same_bits_of_large_batches(gate, monkeypatch):
    """Enough numbers a step for all threads to take part in it."""
    lengths = np.random.default_rng(0).integers(1, 12, 90)
    x = sequences(True, lengths)
    y = targets(x)
    runs = []
    for threads, seconds in [(1, 10), (2, 10), (3, 0), (7, 10)]:
        ai.set_num_threads(threads)
        monkeypatch.setattr(models, "_SECONDS", seconds)
        runs.append(trained(everything(gate, "float32", False), x, y, None, batch_size=64))
    for run in runs[1:]:
        assert_same_run(run, runs[0])


@pytest.mark.parametrize("gate", [False, "batch"])
def test_same_bits_batch_by_batch(gate):
    """Callbacks for batches cut the run; train_on_batch has other noise, so here is none."""
    x = sequences()
    y = targets(x)

    class Looking(ai.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.get_weights()

    runs = [trained(everything(gate, "float32", False), x, y, None, batch_size=3, callbacks=callbacks)
            for callbacks in ([], [Looking()])]
    assert_same_run(*runs)


def test_same_bits_of_stateful_runs(monkeypatch):
    x = sequences(lengths=[5, 4, 9, 4, 7, 3])
    y = targets(x)
    runs = []
    for threads, seconds in [(1, 10), (2, 0), (3, 10), (7, 10)]:
        ai.set_num_threads(threads)
        monkeypatch.setattr(models, "_SECONDS", seconds)
        runs.append(trained(everything("batch", "float32", False, stateful=True), x, y, None, batch_size=3))
    for run in runs[1:]:
        assert_same_run(run, runs[0])


def test_the_twin_pads_as_lists_are():
    """The bridge itself: padding before the steps of a net that runs backwards."""
    model = new_net(backwards=(True, False), dtype="float64")
    x = sequences()
    padded_x, padded_y, mask = twin_batch(model, x, targets(x))
    assert padded_x.shape == (7, 9, INPUTS) and padded_y.shape == (7, 9, OUTPUTS)
    assert mask.sum(axis=1).tolist() == LENGTHS
    assert np.all(padded_y[1, :8] == 0) and np.all(padded_y[1, 8] > 0)
