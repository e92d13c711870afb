"""What may be done to a layer or a network without changing its numbers, or with a known change.

To the bit where the mathematics and the order of sums say so, else by rounding only. Where a sum
has another order it is also tried on numbers whose sums are exact: there every relation holds to
the bit.
"""

import copy
import functools

import neuroai_c as ai
import numpy as np
import pytest
import sweep
import twin
from test_network import BATCH
from test_snu import assert_same_run, run, with_spikes
from tolerances import FLOAT32_GRADIENT, TWIN, assert_close, assert_same_bits

PLAIN = pytest.param(False, id="plain")
ALONE = pytest.mark.parametrize("gate", [PLAIN, "sample"])
GATES = pytest.mark.parametrize("gate", [PLAIN, "sample", "batch"])
SEEDS = pytest.mark.parametrize("seed", range(12))
DTYPES = (np.float32, np.float64)

# By name of an array, its axes of samples, of units and of inputs.
STATES = ("y_0", "V_0", "dy_state", "dV_state")
SAMPLES = dict.fromkeys(("x", "y", "V", "dy", "mask", *STATES), (0,))
UNITS = dict.fromkeys(("kernel", "bias", "decay", "y", "V", "dy", *STATES), (-1,))
UNITS["recurrent_kernel"] = (0, 1)
INPUTS = {"x": (-1,), "kernel": (0,)}

# What has a gradient that is a sum over samples.
WEIGHTS = {"kernel", "bias", "recurrent_kernel", "decay"}


def draw(seed, gate, **options):
    """A small float64 unit with every option at random but those given, and a generator."""
    rng = np.random.default_rng(seed)
    drawn = sweep.draw_options(seed, smooth=seed % 2 == 0)
    drawn.update(B=int(rng.integers(2, 8)), T=int(rng.integers(1, 10)), N=int(rng.integers(1, 40)),
                 M=int(rng.integers(1, 40)), lateral_inhibition=gate, margin=0, gain=0.3)
    return twin.random_case(seed, **{**drawn, **options}), rng


def exact(seed, gate, **options):
    """The same of small multiples of 1/8, with slopes and a decay of 1/2: all sums are exact.

    The share of a maximum is not, so that no gradient passes through it.
    """
    step = ai.activations.StepFunction(ai.activations.LeakyRel(0.5))
    case, rng = draw(seed, gate, activation=step, g="identity", decay_per_unit=False, T=4,
                     reset_gradient=not gate, **options)
    eighths = {name: np.round(8 * value) / 8 for name, value in vars(case).items()
               if isinstance(value, np.ndarray) and value.dtype == np.float64}
    return case.replace(decay=0.5, **eighths), rng


def take(named, axes, places):
    """The arrays of a dictionary, of each what is at `places` of its axes."""
    def taken(name, value):
        for axis in axes.get(name, ()) if np.ndim(value) else ():
            value = np.take(value, places, axis)
        return value
    return {name: taken(name, value) for name, value in named.items()}


def arrange(case, axes, places):
    return case.replace(**take(arrays_of(case), axes, places))


def arrays_of(case):
    return {name: value for name, value in vars(case).items() if isinstance(value, np.ndarray)}


def assert_same_results(actual, desired, rounded=()):
    """To the bit, but for the sums named, which have another order."""
    assert actual.keys() == desired.keys()
    for name, value in actual.items():
        if name not in rounded:
            assert_same_bits(value, desired[name], name)
        else:
            tolerance = TWIN if value.dtype == np.float64 else FLOAT32_GRADIENT
            beside = desired["bias"] if name == "decay" else 0  # a sum beside it, where it cancels
            assert sweep.distance(value, desired[name], beside) <= tolerance, name


# ---- samples ---------------------------------------------------------------


@GATES
@SEEDS
def test_order_of_samples(seed, gate):
    """Under "batch" what passes through the maximum is a sum over the samples too."""
    case, rng = draw(seed, gate)
    order = rng.permutation(len(case.x))
    for dtype in DTYPES:
        found, desired = run(arrange(case.cast(dtype), SAMPLES, order)), run(case.cast(dtype))
        shared = gate == "batch" and case.reset_gradient
        assert_same_results(found, take(desired, SAMPLES, order),
                            found.keys() - {"y", "V"} if shared else WEIGHTS)


@ALONE
@SEEDS
def test_parts_of_a_batch(seed, gate):
    case, rng = draw(seed, gate)
    B = len(case.x)
    for dtype in DTYPES:
        whole = run(case.cast(dtype))
        for edges in ([0, int(rng.integers(1, B)), B], range(B + 1)):
            parts = [run(arrange(case.cast(dtype), SAMPLES, range(first, last)))
                     for first, last in zip(edges[:-1], edges[1:], strict=True)]
            together = joined(parts)
            # thresholds and decays are summed over the steps of a sample, then over samples
            ordered = {"bias", "decay"} if len(parts) == B and np.ndim(case.decay) else set()
            assert_same_results(together, whole, WEIGHTS - ordered)


def joined(parts):
    """The results of batches one after the other as of one."""
    return {name: functools.reduce(np.add, [part[name] for part in parts]) if name in WEIGHTS
            else np.concatenate([part[name] for part in parts]) for name in parts[0]}


@GATES
@SEEDS
def test_every_sample_twice(seed, gate):
    case, _ = draw(seed, gate)
    twice = np.repeat(range(len(case.x)), 2)
    for dtype in DTYPES:
        found, desired = run(arrange(case.cast(dtype), SAMPLES, twice)), run(case.cast(dtype))
        desired = take(desired, SAMPLES, twice)
        desired.update({name: 2 * desired[name] for name in WEIGHTS & desired.keys()})
        # a share of the batch's maximum is half as large, and of twice the sum
        shared = gate == "batch" and case.reset_gradient
        assert_same_results(found, desired, found.keys() - {"y", "V"} if shared else WEIGHTS)


# ---- units and inputs ------------------------------------------------------


@GATES
@SEEDS
def test_order_of_units(seed, gate):
    """A gradient that passes through a maximum is a sum over the units, and that by x always is."""
    case, rng = draw(seed, gate, recurrent=False)
    order = rng.permutation(case.kernel.shape[1])
    for dtype in DTYPES:
        found, desired = run(arrange(case.cast(dtype), UNITS, order)), run(case.cast(dtype))
        rounded = {"x"} if np.ndim(case.decay) else {"x", "decay"}
        if gate and case.reset_gradient:
            rounded = found.keys() - {"y", "V"}
        assert_same_results(found, take(desired, UNITS, order), rounded)


@GATES
@SEEDS
def test_order_of_recurrent_units_and_of_inputs(seed, gate):
    case, rng = draw(seed, gate, recurrent=True, margin=1e-5)
    for axes, count in ((UNITS, case.kernel.shape[1]), (INPUTS, case.x.shape[2])):
        order = rng.permutation(count)
        for dtype in DTYPES:
            found, desired = run(arrange(case.cast(dtype), axes, order)), run(case.cast(dtype))
            spikes = {"y"} if isinstance(case.activation, ai.activations.StepFunction) else set()
            assert_same_results(found, take(desired, axes, order), found.keys() - spikes)


@ALONE
@SEEDS
def test_order_where_sums_are_exact(seed, gate):
    case, rng = exact(seed, gate, recurrent=True)
    desired = run(case)
    assert all(np.all(value * 2.0**45 % 1 == 0) for value in desired.values())
    for axes, count in zip((SAMPLES, UNITS, INPUTS), (len(case.x), *case.kernel.shape[::-1]),
                           strict=True):
        order = rng.permutation(count)
        assert_same_results(run(arrange(case, axes, order)), take(desired, axes, order))
    B, cut = len(case.x), int(rng.integers(1, len(case.x)))
    parts = [run(arrange(case, SAMPLES, part)) for part in (range(cut), range(cut, B))]
    assert_same_results(joined(parts), desired)


@ALONE
@SEEDS
def test_a_unit_that_nobody_hears(seed, gate):
    """Its threshold is out of reach and no gradient comes to it. Under "sample" it shares in the
    maximum of silent units, so that only the outputs are as before.
    """
    case, rng = draw(seed, gate, activation="step_function")
    M = case.kernel.shape[1]
    more = {name: np.concatenate([value, rng.standard_normal((*value.shape[:-1], 1))], axis=-1)
            for name, value in arrays_of(case).items() if name in UNITS}
    for name in {"dy", *STATES} & more.keys():
        more[name][..., M] = 0
    more["bias"][M] = 1e6
    if case.recurrent_kernel is not None:
        more["recurrent_kernel"] = np.concatenate([more["recurrent_kernel"], np.zeros((1, M + 1))])
    for dtype in DTYPES:
        found, desired = run(case.replace(**more).cast(dtype)), run(case.cast(dtype))
        found = take(found, UNITS, range(M))
        if gate:
            found, desired = ({name: named[name] for name in ("y", "V")}
                              for named in (found, desired))
        assert_same_results(found, desired, () if np.ndim(case.decay) else {"decay"})


@GATES
@SEEDS
def test_inputs_without_effect(seed, gate):
    """Zeros, and those of a row of zeros, wherever they stand among the others."""
    case, rng = draw(seed, gate)
    N = case.kernel.shape[0]
    place = int(rng.integers(N + 1))
    rest = [i + (i >= place) for i in range(N)]
    row = np.insert(case.kernel, place, rng.standard_normal(case.kernel.shape[1]), axis=0)
    silent = case.replace(x=np.insert(case.x, place, 0, axis=2), kernel=row)
    noise = rng.integers(0, 2, case.x.shape[:2])
    cut = case.replace(x=np.insert(case.x, place, noise, axis=2),
                       kernel=row * (np.arange(N + 1) != place)[:, None])
    for dtype in DTYPES:
        desired = run(case.cast(dtype))
        for other in (silent, cut):
            found = run(other.cast(dtype))
            assert_same_results(take(found, INPUTS, rest), desired)
            assert not np.any(found["kernel"][place] if other is silent else found["x"][..., place])


@GATES
@SEEDS
def test_a_kernel_of_zeros(seed, gate):
    case, rng = draw(seed, gate)
    blind = case.replace(kernel=np.zeros_like(case.kernel))
    silent = case.replace(x=np.zeros_like(case.x))
    for dtype in DTYPES:
        found, desired = run(blind.cast(dtype)), run(silent.cast(dtype))
        assert not found.pop("x").any() and not desired.pop("kernel").any()
        del found["kernel"], desired["x"]
        assert_same_results(found, desired)


# ---- time ------------------------------------------------------------------


@GATES
@pytest.mark.parametrize("end", [False, True], ids=["before", "behind"])
@SEEDS
def test_padding(seed, end, gate):
    """Masked steps at either end, whatever they hold; at the first ones whatever dy is."""
    case, rng = draw(seed, gate)
    B, T, N = case.x.shape
    pad = int(rng.integers(1, 40))
    mask = np.ones((B, T), bool) if case.mask is None else case.mask
    # where the steps begin, in the order of processing, and where they are in that of the input
    first = pad if end == case.go_backwards else 0
    places = np.arange(T) + (0 if end else pad)

    def around(array, places, fill):
        wider = np.full((B, T + pad, *array.shape[2:]), fill, array.dtype)
        wider[:, places] = array
        return wider

    done = first + np.arange(T)
    padded = case.replace(x=around(case.x, places, 1 if case.x.dtype == np.uint8 else np.nan),
                          mask=around(mask, places, False), dy=around(case.dy, done, 0))
    if first:
        padded.dy[:, :first] = rng.standard_normal(padded.dy[:, :first].shape)
    for dtype in DTYPES:
        found, desired = run(padded.cast(dtype)), run(case.cast(dtype))
        assert not np.delete(found["x"], places, axis=1).any()
        y, V = found["y"], found["V"]
        found.update(x=found["x"][:, places], y=y[:, done], V=V[:, done])
        assert_same_results(found, desired)
        if first:
            assert not y[:, :first].any()
        else:
            assert_same_bits(y[:, T:], np.repeat(y[:, T - 1:T], pad, axis=1))
            assert_same_bits(V[:, T:], np.repeat(V[:, T - 1:T], pad, axis=1))


@GATES
@SEEDS
def test_two_parts_in_time_are_the_whole(seed, gate):
    """The first part hands its states on, the second the gradients by them."""
    case, rng = draw(seed, gate, state=True, masked=False, T=9)
    cut = int(rng.integers(1, 9))
    for dtype in DTYPES:
        whole = case.cast(dtype)
        steps = np.arange(9)[::-1] if case.go_backwards else np.arange(9)
        parts = [whole.replace(x=whole.x[:, sorted(steps[part])], dy=whole.dy[:, part])
                 for part in (slice(0, cut), slice(cut, 9))]
        y, V = parts[0].forward(ai.ops)
        parts[1] = parts[1].replace(y_0=y[:, -1], V_0=V[:, -1])
        second = run(parts[1])
        parts[0] = parts[0].replace(dy_state=second["y_0"], dV_state=second["V_0"])
        first = run(parts[0])
        found = dict(first)
        found.update({name: first[name] + second[name] for name in WEIGHTS & first.keys()})
        for name in ("y", "V", "x"):
            order = -1 if name == "x" and case.go_backwards else 1
            found[name] = np.concatenate([first[name], second[name]][::order], axis=1)
        # by the state between the parts, dL/dy and dL/dV are added up before they meet e_t and h'
        assert_same_results(found, run(whole), found.keys() - {"y", "V"})


@GATES
@SEEDS
def test_backwards_is_the_reversed_input(seed, gate):
    case, _ = draw(seed, gate, go_backwards=False)
    mask = None if case.mask is None else case.mask[:, ::-1]
    other = case.replace(x=case.x[:, ::-1], mask=mask, go_backwards=True)
    for dtype in DTYPES:
        found = run(other.cast(dtype))
        found["x"] = found["x"][:, ::-1]
        assert_same_results(found, run(case.cast(dtype)), {"kernel"})   # in the order of the input


# ---- size ------------------------------------------------------------------


@GATES
@SEEDS
def test_gradients_are_linear_in_what_comes_from_above(seed, gate):
    case, rng = draw(seed, gate)
    above = [name for name in ("dy", "dy_state", "dV_state") if getattr(case, name) is not None]
    other = case.replace(**{name: rng.standard_normal(getattr(case, name).shape) for name in above})
    for dtype in DTYPES:
        one, two = case.cast(dtype), other.cast(dtype)
        y, V = one.forward(ai.ops)

        def gradients(*factors):
            mixed = {name: factors[0] * getattr(one, name) + factors[1] * getattr(two, name)
                     for name in above}
            return twin.parameters(one.replace(**mixed).backward(ai.ops, y, V))

        desired = gradients(1, 0)
        for power in (-40, -1, 3, 40):
            scaled = {name: value * dtype(2.0**power) for name, value in desired.items()}
            assert_same_results(gradients(dtype(2.0**power), 0), scaled)
        assert not any(np.any(value) for value in gradients(0, 0).values())
        sums = {name: dtype(3) * desired[name] - dtype(0.7) * value
                for name, value in gradients(0, 1).items()}
        assert_same_results(gradients(dtype(3), -dtype(0.7)), sums, sums.keys())


@GATES
@SEEDS
def test_a_power_of_two_between_inputs_and_weights(seed, gate):
    case, rng = draw(seed, gate, binary=False)
    power = 2.0 ** rng.integers(-8, 9)
    moved = case.replace(x=case.x * power, kernel=case.kernel / power)
    for dtype in DTYPES:
        desired = run(case.cast(dtype))
        desired.update(x=desired["x"] / dtype(power), kernel=desired["kernel"] * dtype(power))
        assert_same_results(run(moved.cast(dtype)), desired)


@GATES
@SEEDS
def test_potentials_in_another_unit(seed, gate):
    """Where the thresholds are too, the spikes are the same."""
    g = ("identity", "relu", "leaky_rel")[seed % 3]
    case, rng = draw(seed, gate, activation="step_function", g=g)
    power = 2.0 ** rng.integers(-8, 9)
    scaled = {"kernel", "bias", "recurrent_kernel", "V_0"} & arrays_of(case).keys()
    other = case.replace(**{name: getattr(case, name) * power for name in scaled})
    for dtype in DTYPES:
        (found_y, found_V), (y, V) = (c.cast(dtype).forward(ai.ops) for c in (other, case))
        assert_same_bits(found_y, y)
        assert_same_bits(found_V, V * dtype(power))


# ---- what x is -------------------------------------------------------------


@GATES
@SEEDS
def test_kinds_of_spikes(seed, gate):
    """Numbers of any kind, at any place of memory, and packed spikes."""
    case, rng = draw(seed, gate, binary=True)
    for single in (case, case.cast(np.float32)):
        for dtype in (bool, np.int64, np.float16, np.float32, np.float64):
            assert_same_run(single.replace(x=case.x.astype(dtype)), single)
        assert_same_run(single.replace(x=np.asfortranarray(case.x)), single)
        assert_same_run(with_spikes(single), single)


# ---- networks --------------------------------------------------------------


class Net(sweep.Net):
    """A network whose samples do not depend on each other, and a batch with weights."""

    def __init__(self, seed, kind="step", **chosen):
        super().__init__(seed, kind, GATES=(False, "sample"), STATEFUL=0.0, **chosen)
        self.batch = (*self.batch[:2], np.arange(1, BATCH + 1) / 2)

    def model_of(self, dtype):
        return self.model if dtype == "float64" else self.single()


NETWORKS = pytest.mark.parametrize("dtype", ["float32", "float64"])
NETS = pytest.mark.parametrize("seed", range(10))


def trained(model, x, y, weights=None, rate=2.0**-6):
    """The weights after a step of SGD."""
    model = copy.deepcopy(model)
    model.optimizer.learning_rate = rate
    model.train_on_batch(x, y, weights)
    return model.get_weights()


def pick(data, places):
    """Samples of arrays, Spikes or lists."""
    return [data[i] for i in places] if isinstance(data, list) else data[np.asarray(places)]


def outputs(model, x, batch_size=BATCH):
    return list(model.predict(x, batch_size=batch_size, verbose=0))


def assert_same_rows(actual, desired):
    for row, wanted in zip(actual, desired, strict=True):
        assert_same_bits(row, wanted)


@NETWORKS
@NETS
def test_samples_of_a_network(seed, dtype):
    """In any order and in batches of any size: the same outputs, and gradients that add up."""
    net = Net(seed)
    model, (x, y, weights) = net.model_of(dtype), net.batch
    desired = outputs(model, net.x)
    order = np.random.default_rng(seed).permutation(len(desired))
    for batch_size in (1, 3, len(desired)):
        assert_same_rows(outputs(model, net.x, batch_size), desired)
        assert_same_rows(outputs(model, pick(net.x, order), batch_size),
                         [desired[i] for i in order])

    whole = trained(model, x, y, weights)
    order = order[order < BATCH]
    other = trained(model, pick(x, order), pick(y, order), weights[order])
    halves = [trained(model, pick(x, part), pick(y, part), weights[part])
              for part in (range(2), range(2, 4))]
    tolerance = TWIN if dtype == "float64" else FLOAT32_GRADIENT
    for new, permuted, *parts in zip(whole, other, *halves, strict=True):
        assert_close(permuted, new, tolerance)
        assert_close(np.mean(parts, axis=0), new, tolerance)


@NETWORKS
@NETS
def test_weights_of_samples(seed, dtype):
    """Twice the weights are twice the rate; of weight 0 a sample is as if it were not there."""
    net = Net(seed, PENALTIES=(None,))                          # a penalty has no weight
    model, (x, y, weights) = net.model_of(dtype), net.batch
    assert_same_rows(trained(model, x, y, 2 * weights), trained(model, x, y, weights, rate=2.0**-5))
    assert_same_rows(trained(model, x, y, 0 * weights), model.get_weights())
    half = trained(model, pick(x, [0, 2]), pick(y, [0, 2]), weights[[0, 2]])
    assert_same_rows(trained(model, x, y, weights * [1, 0, 1, 0], rate=2.0**-5), half)


@pytest.mark.parametrize("kind", ["step", "smooth"])
@NETS
def test_units_and_inputs_of_a_network(seed, kind):
    """In another order, along with the weights to what they feed: rounding only."""
    net = Net(seed, kind)
    model, (x, y, weights) = net.model, net.batch
    rng = np.random.default_rng(seed)
    if kind == "step":
        double = net.twin()
        double.evaluate(*net.twin_arguments())
        near = np.abs(sweep.net_distances(double))
        assert np.min(near[near > 0], initial=1) > 1e-9         # no spike hangs by a thread
    layered = [layer for layer in model.layers if layer.get_weights()]
    orders = [rng.permutation(len(layer.get_weights()[0])) for layer in layered]
    orders.append(np.arange(layered[-1].units))                 # the outputs stay
    if net.masking:
        orders[0] = np.arange(len(orders[0]))

    def permuted(arrays):
        arrays = iter(arrays)
        return [take({name: next(arrays)}, {**UNITS, "kernel": (-1,)}, after)[name]
                if name != "kernel" else next(arrays)[before][:, after]
                for layer, before, after in zip(layered, orders[:-1], orders[1:], strict=True)
                for name in sweep.names_of(layer)]

    other = copy.deepcopy(model)
    other.set_weights(permuted(model.get_weights()))
    with_weights = (layer for layer in other.layers if layer.get_weights())
    for layer, after in zip(with_weights, orders[1:], strict=True):
        if isinstance(layer, ai.layers.SNU) and not layer.trainable_decay and np.ndim(layer.decay):
            layer.decay = np.array(layer.decay)[after]
    moved = [np.asarray(row)[:, orders[0]] for row in x]
    moved = moved if isinstance(x, list) else np.array(moved)
    for row, wanted in zip(outputs(other, moved), outputs(model, x), strict=True):
        assert_close(row, wanted, TWIN)
    after = permuted(trained(model, x, y, weights))
    for found, desired in zip(trained(other, moved, y, weights), after, strict=True):
        assert_close(found, desired, TWIN)


@NETWORKS
@NETS
def test_a_sample_beside_longer_ones(seed, dtype):
    net = Net(seed)
    model, rows = net.model_of(dtype), [np.asarray(row) for row in net.x]
    desired = [outputs(model, row[None])[0] for row in rows]
    other = rows[0].repeat(3, axis=0)
    assert_same_rows(outputs(model, [*rows, other])[:-1], desired)


@NETWORKS
@NETS
def test_padding_of_a_network(seed, dtype):
    """Steps at the end that Masking leaves out."""
    net = Net(seed, FEEDS=("real", "binary", "lists"), TAILS=("average", "last"), BACKWARDS=0.0,
              MASKING=1.0)
    model, (x, y, weights) = net.model_of(dtype), net.batch
    padding = np.full((5, net.inputs), model.layers[0].mask_value)
    longer = [np.concatenate([row, padding]) for row in x]
    assert_same_rows(outputs(model, longer), outputs(model, x))
    assert_same_rows(trained(model, longer, y, weights), trained(model, x, y, weights))


@NETWORKS
@NETS
def test_kinds_of_spikes_for_a_network(seed, dtype):
    net = Net(seed, FEEDS=("binary",))
    model, (x, y, weights) = net.model_of(dtype), net.batch
    dense = np.asarray(x)
    desired, after = outputs(model, dense), trained(model, dense, y, weights)
    numbers = map(dense.astype, (bool, np.int64, np.float32, np.float64))
    for other in (ai.Spikes.from_dense(dense), *numbers, list(dense)):
        assert_same_rows(outputs(model, other), desired)
        targets = list(y) if isinstance(other, list) else y
        assert_same_rows(trained(model, other, targets, weights), after)


@NETWORKS
@NETS
def test_a_network_in_two_parts_of_time(seed, dtype):
    """Stateful units go on where the first part has ended."""
    net = Net(seed, FEEDS=("real", "binary", "Spikes"), TAILS=("sequences",), BACKWARDS=0.0,
              MASKING=0.0)
    model, x = net.model_of(dtype), np.asarray(net.x)
    desired = outputs(model, x, len(x))
    config = model.get_config()
    for layer in config["layers"]:
        if "stateful" in layer["config"]:
            layer["config"]["stateful"] = True
    parts = ai.Sequential.from_config(config)
    parts.set_weights(model.get_weights())
    cut = 1 + seed % (x.shape[1] - 1)
    found = [outputs(parts, part, len(x)) for part in (x[:, :cut], x[:, cut:])]
    assert_same_rows([np.concatenate(halves) for halves in zip(*found, strict=True)], desired)


@NETWORKS
@NETS
def test_threads_of_a_network(seed, dtype):
    net = sweep.Net(seed, ("step", "smooth", "noisy")[seed % 3])
    model = net.model if dtype == "float64" else net.single()
    before, runs = ai.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 4):
            ai.set_num_threads(threads)
            runs.append([*trained(model, *net.batch), *outputs(copy.deepcopy(model), net.batch[0])])
    finally:
        ai.set_num_threads(before)
    for run_of_threads in runs[1:]:
        assert_same_rows(run_of_threads, runs[0])
