"""Random configurations of the kernels, and how far their numbers are from what they should be.

A configuration is a kind and a seed. What is measured of it is, by the name of a bound in
tolerances.py, how much of the bound is used: more than 1 is wrong. Of a unit (snu_forward and
snu_backward):

    SWEEP_EXTENDED       float64 against the twin in extended precision: y, V and all gradients
    SWEEP_NUMERIC        gradients against differences of the kernel's own y and V: h smooth
    SWEEP_ADJOINT        <C, J u> = <J^T C, u> with the tangent J u from the formulas, in float64
    SWEEP_ADJOINT32      the same of float32 gradients
    SWEEP_FLOAT32        float32 against float64: y, V and all gradients

Of a network the first, second and last, of the gradients of all weights as a step of SGD takes
them. A noisy one has Dropout with a rate, and is measured by differences with the same noise.
"""

import copy
import hashlib
import itertools

import neuroai_c as ai
import numpy as np
import tolerances
import twin
from bridge import twin_batch, twin_of
from test_network import BATCH, Drawn
from test_snu import run

# NumPy's longest float is no longer than float64 on some machines: then nothing is as precise.
EXTENDED = np.finfo(np.longdouble).eps < 1e-18

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 63, 64, 65, 69, 70)
SURROGATES = ("sigmoid", "relu", "identity", "leaky_rel", ai.activations.LeakyRel(0.3))
STEPS = ("step_function", *map(ai.activations.StepFunction, SURROGATES))
SMOOTH = ("sigmoid", "tanh", "relu", "identity", "leaky_rel", ai.activations.LeakyRel(0.3))
OPTIONS = dict(
    g=("identity", "leaky_rel", "relu", "tanh", "sigmoid", ai.activations.LeakyRel(0.3)),
    lateral_inhibition=(False, "batch", "sample"), recurrent=(False, True), state=(False, True),
    decay_per_unit=(False, True), binary=(False, True), masked=(False, True),
    go_backwards=(False, True), reset_gradient=(True, False))

# How far numbers stay from a kink where they are not too many: differences hardly reach it.
MARGIN = 5e-5
# How far they have to, for float32 to stay on its side.
MARGIN_FLOAT32 = 1e-5
# Of differences; a loss of a network has fewer digits than y and V.
STEP = 2e-5
STEP_NET = 1e-4


KINDS = "smooth units", "step units", "smooth nets", "step nets", "noisy nets"


def measure(kind, seed):
    name, what = kind.split()
    return measure_unit(seed, name == "smooth") if what == "units" else measure_net(seed, name)


def digest(kind, seed):
    """Of the bits of all results in both precisions, the same on any number of threads."""
    name, what = kind.split()
    results = unit_results(seed, name == "smooth") if what == "units" else net_results(seed, name)
    before, digests = ai.get_num_threads(), set()
    try:
        for threads in (1, 2, 3, 4):
            ai.set_num_threads(threads)
            sha = hashlib.sha256()
            for array in results():
                # -0 + 0 is 0: which of the two it is may differ
                sha.update((np.asarray(array) + 0).tobytes())
            digests.add(sha.hexdigest())
    finally:
        ai.set_num_threads(before)
    assert len(digests) == 1, f"{kind} {seed}: not the same bits on 1, 2, 3 and 4 threads"
    return digests.pop()


def print_digests(counts):
    """For another process: of the first seeds of every kind, behind the instruction set in use."""
    print(ai._core.ISA)
    for kind, count in counts.items():
        for seed in range(count):
            print(kind, seed, digest(kind, seed))


def distance(actual, desired, beside=0):
    """The largest difference, relative to the largest of `desired` and of a sum beside it."""
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.shape == desired.shape
    difference = np.max(np.abs(actual - desired), initial=0)
    largest = max(np.max(np.abs(desired), initial=0), np.max(np.abs(beside), initial=0))
    return float(difference / largest) if difference else 0.0


def part(name, measured):
    return float(measured) / getattr(tolerances, name)


def largest(parts):
    """NaN where one is: max would pass it over."""
    return float(np.max([*parts]))


# ---- units -----------------------------------------------------------------


def draw_options(seed, smooth):
    """Every option at random, with a step function or a smooth one."""
    rng = np.random.default_rng([seed, smooth])
    options = {name: values[rng.integers(len(values))] for name, values in OPTIONS.items()}
    options["activation"] = (SMOOTH if smooth else STEPS)[rng.integers(6)]
    options.update(
        B=int(rng.choice([1, 2, 3, 4, 5, 17], p=[0.1, 0.2, 0.3, 0.2, 0.1, 0.1])),
        T=int(rng.integers(1, 21)) if smooth else int(201 ** rng.random()),
        N=int(rng.choice(SIZES)), M=int(rng.choice(SIZES)))
    if smooth:                          # a kink is near one of very many numbers
        options["T"] = min(options["T"], 1 + 3000 // (options["B"] * options["M"]))
    if options["activation"] == "identity":     # a gate 1 - y above 1 drives V away
        options["T"] = min(options["T"], 8)
    if smooth and rng.random() < 0.8:   # what differences can follow
        options.update(reset_gradient=True, binary=False)
    return options


def draw_unit(seed, smooth, kinks=True):
    """The case, and its margin; without one where `kinks` do not matter."""
    options = draw_options(seed, smooth)
    name = twin.cases.name_of(options["activation"])
    gain = {"identity": 0.1, "leaky_rel": 0.25, "step_function": 1.0}.get(name, 0.5)
    margin = min(MARGIN, gain / (options["B"] * options["T"] * options["M"]))
    case = twin.random_case(seed, **options, margin=margin if kinks else 0, gain=gain)
    return case, margin


def measure_unit(seed, smooth):
    case, margin = draw_unit(seed, smooth)
    desired = run(case)
    rng = np.random.default_rng(seed)
    measured = dict(SWEEP_ADJOINT=adjoint(case, rng, "SWEEP_ADJOINT"),
                    SWEEP_ADJOINT32=adjoint(case.cast(np.float32), rng, "SWEEP_ADJOINT32"))
    if smooth and case.reset_gradient and case.x.dtype.kind == "f":
        measured["SWEEP_NUMERIC"] = numeric(case, rng)
    if margin >= MARGIN_FLOAT32:
        measured["SWEEP_FLOAT32"] = farthest(run(case.cast(np.float32)), desired, "SWEEP_FLOAT32")
    if EXTENDED:
        long = case.cast(np.longdouble)
        y, V = long.forward(twin)
        exact = dict(y=y, V=V, **twin.parameters(long.backward(twin, y, V)))
        measured["SWEEP_EXTENDED"] = farthest(desired, exact, "SWEEP_EXTENDED")
    return measured


def unit_results(seed, smooth):
    case, _ = draw_unit(seed, smooth, kinks=False)
    return lambda: [a for dtype in (np.float32, np.float64) for a in run(case.cast(dtype)).values()]


def farthest(actual, desired, bound):
    """Of arrays by name. The gradient of a decay is a sum over the same samples and steps as that
    of the threshold: where it cancels, its rounding is measured by that one's size.
    """
    assert actual.keys() == desired.keys()
    beside = {"decay": desired.get("bias", 0)}
    return largest(part(bound, distance(value, desired[name], beside.get(name, 0)))
                   for name, value in actual.items())


def adjoint(case, rng, bound):
    y, V = case.forward(ai.ops)
    gradients, double = case.backward(ai.ops, y, V), case.cast(np.float64)
    direction = twin.random_direction(double, rng)
    y, V = y.astype(np.float64), V.astype(np.float64)
    tangent = twin.snu_tangent(direction, double.x, *double.weights, y=y, V=V,
                               reset_gradient=case.reset_gradient, **double.options)
    forward, backward, size = twin.products(double, gradients, direction, *tangent)
    return part(bound, abs(forward - backward) / size if size else 0.0)


def numeric(case, rng):
    """Along a random direction of all at once, of each array, and of a few numbers of each."""
    y, V = case.forward(ai.ops)
    gradients = case.backward(ai.ops, y, V)
    names = list(twin.parameters(gradients))
    rounding = rounding_of(case, y, V) / STEP
    parts = []
    each = itertools.product([[name] for name in names], (False, True, True))
    for chosen, single in ((names, False), *each):
        for _ in range(20):
            direction = towards(case, rng, chosen, single)
            tangent = differences(case, direction)
            if tangent is not None:
                break
        else:
            raise AssertionError("every direction meets a kink")
        forward, backward, size = twin.products(case, gradients, direction, *tangent)
        bound = tolerances.SWEEP_NUMERIC * size + rounding
        parts.append(abs(forward - backward) / bound)
    return largest(parts)


def rounding_of(case, y, V):
    """How much of <C, (y, V)> the last digits of y and V may be, where they are independent."""
    above = [a for a in (case.dy, case.dy_state, case.dV_state) if a is not None]
    largest = max(1.0, np.max(np.abs(y)), np.max(np.abs(V)))
    return np.finfo(float).eps * largest * np.sqrt(sum(np.sum(a**2) for a in above))


def towards(case, rng, names, single):
    """A direction of length 1."""
    direction = twin.random_direction(case, rng, names)
    arrays = twin.parameters(direction)
    if single:
        flat = np.zeros(np.size(arrays[names[0]]))
        flat[rng.integers(flat.size)] = 1
        arrays[names[0]] = flat.reshape(np.shape(arrays[names[0]]))
    length = np.sqrt(sum(np.sum(array**2) for array in arrays.values()))
    arrays = {name: array / length for name, array in arrays.items()}
    state = (arrays["y_0"], arrays["V_0"]) if "y_0" in arrays else None
    return twin.Gradients(*(arrays.get(name) for name in twin.Gradients._fields[:-1]), state)


def moved(case, direction, distance):
    return case.replace(**{name: getattr(case, name) + distance * along
                           for name, along in twin.parameters(direction).items()})


def differences(case, direction):
    """Of (y, V), extrapolated to an error of STEP^4; None where a kink lies between."""
    sides = case.distances() > 0
    for k in (-2, 2):
        if not np.array_equal(moved(case, direction, k * STEP).distances() > 0, sides):
            return None
    at = {k: np.array(moved(case, direction, k * STEP).forward(ai.ops)) for k in (-2, -1, 1, 2)}
    return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * STEP)


# ---- networks --------------------------------------------------------------


class Net(Drawn):
    """One batch for a network: of step functions, of smooth ones, or with noise and no kink."""

    def __init__(self, seed, kind, **chosen):
        if kind != "step":
            chosen = {"OUTPUTS": SMOOTH[:3] + SMOOTH[4:], "ATTACHED": 1.0,
                      "DENSE": (None, "relu", "tanh", "sigmoid", "leaky_rel"), **chosen}
        if kind == "noisy":
            chosen = {**chosen, "OUTPUTS": ("sigmoid",), "GATES": (False,),
                      "DENSE": (None, "tanh", "sigmoid"),
                      "POTENTIALS": ("identity", "tanh", "sigmoid")}
        self.seed, self.noise = seed, 0.4 if kind == "noisy" else 0.0
        super().__init__(seed, large=seed % 3 == 0, **chosen)
        if isinstance(self.x, list):
            self.x = [rounded(row) for row in self.x]
        elif not isinstance(self.x, ai.Spikes):
            self.x = rounded(self.x)
        self.before, self.batch = (
            (self.x[part], self.y[part], None if self.weights is None else self.weights[part])
            for part in (slice(0, BATCH), slice(BATCH, 2 * BATCH)))
        if self.stateful:               # what the layers go on from
            self.model.predict(self.before[0], batch_size=BATCH, verbose=0)

    def optimizer(self):
        return ai.optimizers.SGD()

    def new_model(self):
        plain = super().new_model()
        plain.set_weights([rounded(weight) for weight in plain.get_weights()])
        parts = []
        for layer in plain.layers:
            parts.append(layer)
            if layer is plain.layers[0] or self.chance(0.3):
                parts.append(ai.layers.Dropout(self.noise))
        return self.assembled(parts, self.seed)

    def assembled(self, parts, seed=None, dtype="float64"):
        parts = [ai.layers.InputLayer([None, self.inputs]), *parts]
        model = ai.Sequential(parts, seed=seed, dtype=dtype)
        model.compile(self.optimizer(), self.loss)
        return model

    def single(self):
        """The same model in float32."""
        other = ai.Sequential.from_config({**self.model.get_config(), "dtype": "float32"})
        other.set_weights(self.model.get_weights())
        model = self.assembled(other.layers, self.seed, "float32")
        if self.stateful:
            model.predict(self.before[0], batch_size=BATCH, verbose=0)
        return model

    def twin(self, dtype=np.float64):
        """The same net in NumPy, at the same state; Dropout is not in it."""
        net = twin_of(self.assembled([layer for layer in self.model.layers
                                      if not isinstance(layer, ai.layers.Dropout)]))
        for layer in net.layers:
            for name, value in vars(layer).items():
                if isinstance(value, np.ndarray):
                    setattr(layer, name, value.astype(dtype))
        if self.stateful:
            x, _, mask = twin_batch(self.model, *self.before[:2])
            net.forward(x.astype(dtype), mask)
        return net

    def twin_arguments(self, dtype=np.float64):
        x, y, mask = twin_batch(self.model, *self.batch[:2])
        return x.astype(dtype), y, mask, self.batch[2]

    def gradients(self, model):
        """What a step of SGD subtracts. A power of two as rate leaves a gradient's digits as they
        are, a large one the weight's behind them; but a decay has to stay between 0 and 1.
        """
        names = [name for layer in model.layers for name in names_of(layer)]
        before, found = model.get_weights(), [None] * len(names)
        for rate in 2.0 ** np.arange(20, -9, -4):
            stepped = copy.deepcopy(model)
            stepped.optimizer.learning_rate = rate
            stepped.train_on_batch(*self.batch)
            for i, (old, new) in enumerate(zip(before, stepped.get_weights(), strict=True)):
                if found[i] is None and (names[i] != "decay" or np.all((new > 0) & (new < 1))):
                    found[i] = (old.astype(float) - new) / rate
            if all(gradient is not None for gradient in found):
                return found
        raise AssertionError("no step keeps the decays between 0 and 1")

    def loss_at(self, weights):
        """With the same noise and from the same states every time."""
        model = copy.deepcopy(self.model)
        model.set_weights(weights)
        return model.train_on_batch(*self.batch)


def draw_net(seed, kind):
    """The first net from the seed on, of the same loss and feed, whose potentials stay small."""
    for again in range(100):
        net = Net(seed + 105_000 * again, kind)
        numpy_net = net.twin()
        with np.errstate(all="ignore"):
            numpy_net.evaluate(*net.twin_arguments())
            potentials = [np.abs(layer.V) for layer in numpy_net.layers if hasattr(layer, "V")]
            if all(np.all(V < 10) for V in potentials):
                return net
    raise AssertionError("no seed keeps the potentials small")


def names_of(layer):
    """Of its weights, in their order."""
    if isinstance(layer, ai.layers.Dense):
        return ["kernel"] + ["bias"] * layer.use_bias
    if isinstance(layer, ai.layers.SNU):
        recurrent, decay = layer.recurrent, layer.trainable_decay
        return ["kernel"] + ["recurrent_kernel"] * recurrent + ["bias"] + ["decay"] * decay
    return []


def rounded(array):
    """Numbers that float32 has."""
    return np.asarray(array, np.float32).astype(np.float64) if array.dtype.kind == "f" else array


def net_distances(net):
    """Of all layers, as Case.distances, of what the net has seen last."""
    found = [np.empty(0)]
    for layer in net.layers:
        if isinstance(layer, twin.net.SNU):
            y_0, V_0 = layer.options["initial_state"] or (None, None)
            options = {**layer.options, "y_0": y_0, "V_0": V_0}
            del options["initial_state"]
            case = twin.Case(layer.x, layer.kernel, layer.bias, layer.recurrent_kernel, dy=None,
                             dy_state=None, dV_state=None, **options)
            found.append(case.distances())
            if layer.l1 and layer.activation.name not in ("step_function", "sigmoid"):
                found.append(layer.y.ravel())
        elif isinstance(layer, twin.net.Dense):
            if layer.activation.name in ("relu", "leaky_rel", "step_function"):
                found.append(np.ravel(twin.dense_forward(layer.x, layer.kernel, layer.bias)))
    return np.concatenate(found)


def measure_net(seed, kind):
    net = draw_net(seed, kind)
    gradients = net.gradients(net.model)
    measured = {}
    if kind == "noisy":
        measured["SWEEP_NUMERIC"] = net_numeric(net, gradients, lambda weights: np.empty(0))
        return measured
    if EXTENDED:
        long = net.twin(np.longdouble)
        _, dy, _ = long.evaluate(*net.twin_arguments(np.longdouble))
        measured["SWEEP_EXTENDED"] = net_farthest(net, gradients, long.gradients(dy),
                                                  "SWEEP_EXTENDED")
    double = net.twin()
    arguments = net.twin_arguments()
    double.evaluate(*arguments)
    if kind == "smooth":
        start = net.twin()

        def sides(weights):
            changed = copy.deepcopy(start)
            for array, value in zip(changed.weights, weights, strict=True):
                array[...] = value
            changed.evaluate(*arguments)
            return net_distances(changed) > 0

        measured["SWEEP_NUMERIC"] = net_numeric(net, gradients, sides)
    near = np.abs(net_distances(double))
    if np.min(near[near > 0], initial=np.inf) > MARGIN_FLOAT32:
        measured["SWEEP_FLOAT32"] = net_farthest(net, net.gradients(net.single()), gradients,
                                                 "SWEEP_FLOAT32")
    return measured


def net_results(seed, kind):
    net = draw_net(seed, kind)
    models = net.model, net.single()

    def results():
        for model in models:
            trained = copy.deepcopy(model)
            yield trained.train_on_batch(*net.batch)
            yield from trained.get_weights()
            yield from trained.predict(net.batch[0], batch_size=BATCH, verbose=0)
    return results


def net_farthest(net, actual, desired, bound):
    actual, desired, parts = iter(actual), iter(desired), []
    for layer in net.model.layers:
        names = names_of(layer)
        if names:
            parts.append(farthest({name: next(actual) for name in names},
                                  {name: next(desired) for name in names}, bound))
    return largest(parts)


def net_numeric(net, gradients, sides):
    """Along a random direction of all weights at once, and of each array."""
    rng = np.random.default_rng(net.seed)
    weights = net.model.get_weights()
    here, parts = sides(weights), []
    for chosen in (range(len(weights)), *[[i] for i in range(len(weights))]):
        for _ in range(20):
            direction = [rng.standard_normal(w.shape) * (i in chosen)
                         for i, w in enumerate(weights)]
            length = np.sqrt(sum(np.sum(u**2) for u in direction))
            direction = [u / length for u in direction]
            at = {k: [w + k * STEP_NET * u for w, u in zip(weights, direction, strict=True)]
                  for k in (-2, -1, 1, 2)}
            if all(np.array_equal(sides(at[k]), here) for k in (-2, 2)):
                break
        else:
            raise AssertionError("every direction meets a kink")
        loss = {k: net.loss_at(moved) for k, moved in at.items()}
        forward = (8 * (loss[1] - loss[-1]) - (loss[2] - loss[-2])) / (12 * STEP_NET)
        terms = np.concatenate(
            [np.ravel(g * u) for g, u in zip(gradients, direction, strict=True)])
        rounding = 16 * np.spacing(loss[1]) / STEP_NET
        parts.append(abs(forward - terms.sum())
                     / (tolerances.SWEEP_NUMERIC * np.abs(terms).sum() + rounding))
    return largest(parts)
