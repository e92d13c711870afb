"""Every kernel once more, in plain NumPy: slow, short, and close to the formulas.

One unit, time t = 1..T, from the state (y_0, V_0), which is zero if not given:

    a_t = x_t W + d V_{t-1} r_{t-1} [+ y_{t-1} R]        d: decay
    V_t = g(a_t)                                         membrane potential
    y_t = h(V_t - b)                                     output; b is the threshold
    r_t = 1 - y_t                                        reset gate of the plain unit
    r_t = 1 - max(y_t)                                   with lateral inhibition: the maximum over
                                                         one sample, or over the whole batch

With e_t = dL/dy_t from above and D_t = dL/da_t, D_{T+1} = 0, backpropagation through time is

    dL/dy_t = e_t - d V_t D_{t+1} [+ D_{t+1} R^T]        plain gate
    dL/dy_t = e_t - share sum(d V_t D_{t+1}) [+ ...]     inhibited: each of the k entries that attain
                                                         the maximum has the share 1/k, others 0
    dL/dV_t = dL/dy_t h'(V_t - b) + d r_t D_{t+1}
    D_t     = dL/dV_t g'(a_t)
    dW += x_t^T D_t    dR += y_{t-1}^T D_t    db -= dL/dy_t h'(V_t - b)
    dx_t = D_t W^T     dd += V_{t-1} r_{t-1} D_t

Gradients of the final states enter at T; dL/dy_0 and dL/dV_0 are the same formulas without e and h'.
The step is exactly 0 or 1 forward, and has the slope of another activation backward.

S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020), arXiv 1812.07040.

Shapes: x (B, T, N); kernel W (N, M); recurrent_kernel R (M, M); bias b (M,); y, V (B, T, M).
Everything is computed in the dtype of `kernel` (of `y`, `x` and `w` where there is none).
"""

import dataclasses
import functools
import pathlib
from collections import namedtuple
from types import SimpleNamespace

import numpy as np

# ---- activations -----------------------------------------------------------


def _sigmoid(x):
    z = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1 / (1 + z), z / (1 + z))


def activation_pair(activation):
    """(f, f') of an activation: a name, or an object with `name` and its parameters."""
    name = getattr(activation, "name", activation)
    if name == "step_function":
        _, slope = activation_pair(getattr(activation, "pseudoderivative_of", "tanh"))
        return lambda x: (x > 0).astype(x.dtype), slope
    if name == "leaky_rel":
        alpha = getattr(activation, "alpha", 0.1)
        return (
            lambda x: np.where(x > 0, x, alpha * x),
            lambda x: np.where(x > 0, 1, alpha).astype(x.dtype),
        )
    return {
        "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x))),
        "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        "relu": (lambda x: np.where(x > 0, x, 0 * x), lambda x: (x > 0).astype(x.dtype)),
        "identity": (lambda x: x, np.ones_like),
    }[name]


# ---- the reset gate --------------------------------------------------------


def _scope(lateral_inhibition):
    """Axes of (B, M) over which the maximum is taken; None for the plain gate."""
    return {False: None, True: (0, 1), "batch": (0, 1), "sample": (1,)}[lateral_inhibition]


def _maximum(y, scope):
    return y.max(axis=scope, keepdims=True, initial=-np.inf)  # initial: an empty batch has no maximum


def _gate(y, scope):
    """r (B, M), or something that broadcasts to it."""
    return 1 - (y if scope is None else _maximum(y, scope))


def _share(y, scope):
    """The derivative of the maximum: 1/k for each of the k entries that attain it."""
    winners = (y == _maximum(y, scope)).astype(y.dtype)
    return winners / winners.sum(axis=scope, keepdims=True)


def _gate_backward(dr, y, scope):
    """dL/dy from dL/dr, where dr (B, M) has not been summed over the scope yet."""
    if scope is None:
        return -dr
    return -_share(y, scope) * dr.sum(axis=scope, keepdims=True)


def _gate_tangent(y_dot, y, scope):
    if scope is None:
        return -y_dot
    return -(_share(y, scope) * y_dot).sum(axis=scope, keepdims=True)


# ---- the unit --------------------------------------------------------------

Gradients = namedtuple("Gradients", "x kernel bias recurrent_kernel decay initial_state")


def _drive(x_t, V_prev, y_prev, r_prev, kernel, recurrent_kernel, decay):
    """a_t (B, M)"""
    a = x_t @ kernel + decay * V_prev * r_prev
    return a if recurrent_kernel is None else a + y_prev @ recurrent_kernel


def _with_initial(y, V, initial_state):
    """y and V (B, T + 1, M) with the initial state in front, so that [:, t] is what step t starts from."""
    B, _, M = y.shape
    y_0, V_0 = (np.zeros((B, M)), np.zeros((B, M))) if initial_state is None else initial_state
    return (np.concatenate([np.asarray(first, y.dtype)[:, None], rest], axis=1)
            for first, rest in ((y_0, y), (V_0, V)))


def snu_forward(x, kernel, bias, recurrent_kernel=None, *, decay=0.8, activation="step_function",
                g="identity", lateral_inhibition=False, initial_state=None):
    x, decay = np.asarray(x, kernel.dtype), np.asarray(decay, kernel.dtype)
    (h, _), (g, _), scope = activation_pair(activation), activation_pair(g), _scope(lateral_inhibition)
    (B, T, _), M = x.shape, kernel.shape[1]

    empty = np.zeros((B, T, M), kernel.dtype)
    y, V = _with_initial(empty, empty, initial_state)
    for t in range(T):
        a = _drive(x[:, t], V[:, t], y[:, t], _gate(y[:, t], scope), kernel, recurrent_kernel, decay)
        V[:, t + 1] = g(a)
        y[:, t + 1] = h(V[:, t + 1] - bias)
    return y[:, 1:], V[:, 1:]


def snu_backward(dy, x, kernel, bias, recurrent_kernel=None, *, y, V, dy_state=None, dV_state=None,
                 decay=0.8, activation="step_function", g="identity", lateral_inhibition=False,
                 initial_state=None):
    dtype = kernel.dtype
    x, d = np.asarray(x, dtype), np.asarray(decay, dtype)
    (_, dh), (_, dg), scope = activation_pair(activation), activation_pair(g), _scope(lateral_inhibition)
    (B, T, _), M = x.shape, kernel.shape[1]
    y, V = _with_initial(y, V, initial_state)

    dx, dW, db, dd = np.zeros_like(x), np.zeros_like(kernel), np.zeros(M, dtype), np.zeros(M, dtype)
    dR = None if recurrent_kernel is None else np.zeros_like(recurrent_kernel)
    dy_t = np.zeros((B, M), dtype) if dy_state is None else dy_state
    dV_t = np.zeros((B, M), dtype) if dV_state is None else dV_state

    for t in reversed(range(T)):
        y_prev, V_prev = y[:, t], V[:, t]
        r_prev = _gate(y_prev, scope)
        a = _drive(x[:, t], V_prev, y_prev, r_prev, kernel, recurrent_kernel, d)

        v = (dy[:, t] + dy_t) * dh(V[:, t + 1] - bias)
        D = (v + dV_t) * dg(a)

        dx[:, t] = D @ kernel.T
        dW += x[:, t].T @ D
        db -= v.sum(axis=0)
        dd += (V_prev * r_prev * D).sum(axis=0)

        dV_t = d * r_prev * D
        dy_t = _gate_backward(d * V_prev * D, y_prev, scope)
        if dR is not None:
            dR += y_prev.T @ D
            dy_t = dy_t + D @ recurrent_kernel.T

    return Gradients(dx, dW, db, dR, dd.sum() if d.ndim == 0 else dd,
                     None if initial_state is None else (dy_t, dV_t))


def snu_tangent(direction, x, kernel, bias, recurrent_kernel=None, *, y, V, decay=0.8,
                activation="step_function", g="identity", lateral_inhibition=False,
                initial_state=None):
    """Derivative of (y, V) along `direction` (a `Gradients`): forward mode, with the surrogate slope.

    It is the transpose of `snu_backward`, found without backpropagation, so the two check each other
    where finite differences cannot: at the step function.
    """
    dtype = kernel.dtype
    x, d = np.asarray(x, dtype), np.asarray(decay, dtype)
    (_, dh), (_, dg), scope = activation_pair(activation), activation_pair(g), _scope(lateral_inhibition)
    y, V = _with_initial(y, V, initial_state)

    empty = np.zeros_like(y[:, 1:])
    y_dot, V_dot = _with_initial(empty, empty, direction.initial_state)
    for t in range(x.shape[1]):
        y_prev, V_prev = y[:, t], V[:, t]
        r_prev, r_dot = _gate(y_prev, scope), _gate_tangent(y_dot[:, t], y_prev, scope)
        a = _drive(x[:, t], V_prev, y_prev, r_prev, kernel, recurrent_kernel, d)

        a_dot = direction.x[:, t] @ kernel + x[:, t] @ direction.kernel
        a_dot += direction.decay * V_prev * r_prev + d * V_dot[:, t] * r_prev + d * V_prev * r_dot
        if recurrent_kernel is not None:
            a_dot += y_dot[:, t] @ recurrent_kernel + y_prev @ direction.recurrent_kernel

        V_dot[:, t + 1] = dg(a) * a_dot
        y_dot[:, t + 1] = dh(V[:, t + 1] - bias) * (V_dot[:, t + 1] - direction.bias)
    return y_dot[:, 1:], V_dot[:, 1:]


# ---- around it -------------------------------------------------------------


def matmul(x, kernel):
    return np.asarray(x, kernel.dtype) @ kernel


def mse_forward(y, target):
    return float(np.mean((y - np.asarray(target, y.dtype)) ** 2))


def mse_backward(y, target):
    return 2 * (y - np.asarray(target, y.dtype)) / max(y.size, 1)


def average_forward(x):
    return x.mean(axis=1)


def average_backward(dy, T):
    return np.repeat(dy[:, None] / T, T, axis=1)


def sgd_step(w, g, velocity=None, *, learning_rate=0.01, momentum=0.0, nesterov=False):
    if velocity is None:
        w -= learning_rate * g
        return
    velocity[...] = momentum * velocity - learning_rate * g
    w += momentum * velocity - learning_rate * g if nesterov else velocity


def rmsprop_step(w, g, v, u=None, *, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
    v[...] = rho * v + (1 - rho) * g**2
    step = learning_rate * g / (np.sqrt(v) + epsilon)
    if u is None:
        w -= step
        return
    u[...] = momentum * u + step
    w -= u


def adam_step(w, g, m, v, *, step, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m[...] = beta_1 * m + (1 - beta_1) * g
    v[...] = beta_2 * v + (1 - beta_2) * g**2
    rate = learning_rate * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
    w -= rate * m / (np.sqrt(v) + epsilon)


def rate_encode(data2D, N_ts, max_is_present_for, seed=0):
    data = np.asarray(data2D, np.float64)
    random = np.random.RandomState(seed)
    spikes = np.zeros((data.shape[0], N_ts, *data.shape[1:]), np.uint8)
    for t in range(N_ts):
        spikes[:, t] = (data * max_is_present_for) / N_ts > random.random_sample(data.shape)
    return spikes


# ---- what the tests run on -------------------------------------------------


@dataclasses.dataclass
class Case:
    """A layer, its input, and the gradients that come from above."""

    x: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    recurrent_kernel: np.ndarray | None
    decay: float | np.ndarray
    y_0: np.ndarray | None
    V_0: np.ndarray | None
    dy: np.ndarray
    dy_state: np.ndarray | None
    dV_state: np.ndarray | None
    activation: object
    g: object
    lateral_inhibition: bool | str

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)

    def cast(self, dtype):
        """The same numbers in another precision; a binary x stays uint8."""
        arrays = {name: value.astype(dtype) for name, value in vars(self).items()
                  if isinstance(value, np.ndarray) and value.dtype != np.uint8}
        return self.replace(**arrays)

    @property
    def weights(self):
        return self.kernel, self.bias, self.recurrent_kernel

    @property
    def options(self):
        state = None if self.y_0 is None else (self.y_0, self.V_0)
        return dict(decay=self.decay, activation=self.activation, g=self.g,
                    lateral_inhibition=self.lateral_inhibition, initial_state=state)

    def forward(self, ops):
        return ops.snu_forward(self.x, *self.weights, **self.options)

    def backward(self, ops, y, V):
        return ops.snu_backward(self.dy, self.x, *self.weights, y=y, V=V, dy_state=self.dy_state,
                                dV_state=self.dV_state, **self.options)

    def loss(self, ops):
        """The number whose gradients `backward` returns."""
        y, V = self.forward(ops)
        loss = np.sum(self.dy * y)
        if self.dy_state is not None:
            loss += np.sum(self.dy_state * y[:, -1]) + np.sum(self.dV_state * V[:, -1])
        return loss

    def margin(self):
        """Distance from the nearest jump, kink or near-tie of a maximum; exact hits do not count.

        An exact a = 0 (no input) or an exact tie (spikes) stays what it is in any precision.
        """
        kinked = ("step_function", "relu", "leaky_rel")
        scope = _scope(self.lateral_inhibition)
        outputs, potentials = self.forward(SimpleNamespace(snu_forward=snu_forward))
        y, V = _with_initial(outputs, potentials, self.options["initial_state"])
        distances = [np.inf]
        for t in range(self.x.shape[1]):
            if getattr(self.activation, "name", self.activation) in kinked:
                distances.append(V[:, t + 1] - self.bias)
            if getattr(self.g, "name", self.g) in kinked:
                distances.append(_drive(self.x[:, t].astype(V.dtype), V[:, t], y[:, t],
                                        _gate(y[:, t], scope), self.kernel, self.recurrent_kernel,
                                        self.decay))
            if scope is not None:
                distances.append(_maximum(y[:, t], scope) - y[:, t])
        distances = np.abs(np.concatenate([np.ravel(d) for d in distances]))
        return distances[distances > 0].min()


def parameters(gradients):
    """What has a gradient, by the names of `Case`."""
    named = gradients._asdict()
    state = named.pop("initial_state")
    named["y_0"], named["V_0"] = (None, None) if state is None else state
    return {name: value for name, value in named.items() if value is not None}


def random_case(seed=0, *, g="identity", activation="step_function", lateral_inhibition=False,
                recurrent=False, state=False, decay_per_unit=False, binary=False,
                B=3, T=8, N=5, M=4, density=0.4, margin=1e-4, largest=10.0):
    """A float64 case of float32 numbers, the first from `seed` on that keeps `margin` and stays finite."""
    def numbers(array):
        return np.asarray(array, np.float32).astype(np.float64)

    name = getattr(activation, "name", activation)
    gain = 0.3 if name == "identity" else 1.0  # 1 - y is above 1 for y < 0, and drives V away
    for attempt in range(1000):
        rng = np.random.default_rng([seed, attempt])
        x = rng.random((B, T, N)) < density if binary else rng.standard_normal((B, T, N))
        fan_in = max(N * density, 1.0) if binary else N
        start = rng.integers(0, 2, (B, M)) if name == "step_function" else rng.random((B, M))
        case = Case(
            x=x.astype(np.uint8) if binary else numbers(x),
            kernel=numbers(rng.standard_normal((N, M)) * gain / np.sqrt(fan_in)),
            bias=numbers(rng.uniform(0.1, 0.5, M)),
            recurrent_kernel=numbers(rng.standard_normal((M, M)) / (2 * np.sqrt(M))) if recurrent else None,
            decay=numbers(rng.uniform(0.4, 0.9, M)) if decay_per_unit else 0.7,
            y_0=numbers(start) if state else None,
            V_0=numbers(rng.standard_normal((B, M)) * gain) if state else None,
            dy=numbers(rng.standard_normal((B, T, M))),
            dy_state=numbers(rng.standard_normal((B, M))) if state else None,
            dV_state=numbers(rng.standard_normal((B, M))) if state else None,
            activation=activation, g=g, lateral_inhibition=lateral_inhibition)
        with np.errstate(all="ignore"):
            _, V = case.forward(SimpleNamespace(snu_forward=snu_forward))
            if np.all(np.abs(V) < largest) and case.margin() > margin:
                return case
    raise AssertionError(f"no seed keeps a margin of {margin}")


def dot_products(case, gradients, y, V, seed=0):
    """<C, J u> forward and <J^T C, u> backward for a random direction u, and the size of their terms."""
    rng = np.random.default_rng(seed)

    def like(array):
        return rng.standard_normal(np.shape(array))

    state = None if case.y_0 is None else (like(case.y_0), like(case.V_0))
    recurrent = None if case.recurrent_kernel is None else like(case.recurrent_kernel)
    direction = Gradients(like(case.x), like(case.kernel), like(case.bias), recurrent,
                          like(case.decay), state)
    y_dot, V_dot = snu_tangent(direction, case.x, *case.weights, y=y, V=V, **case.options)
    forward = [case.dy * y_dot]
    if case.dy_state is not None:
        forward += [case.dy_state * y_dot[:, -1], case.dV_state * V_dot[:, -1]]
    backward = [along * gradient for along, gradient
                in zip(parameters(direction).values(), parameters(gradients).values(), strict=True)]
    size = sum(np.sum(np.abs(term)) for term in forward + backward)
    return sum(map(np.sum, forward)), sum(map(np.sum, backward)), size


def numeric_gradient(f, a, step):
    """df/da, element by element: central differences, extrapolated to an error of step^4."""
    a = np.asarray(a, np.float64)
    gradient = np.empty_like(a)
    for i in np.ndindex(a.shape):
        def at(k, i=i):
            moved = a.copy()
            moved[i] += k * step
            return f(moved)
        gradient[i] = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
    return gradient


def odd_versions(a):
    """The same numbers, otherwise laid out: (name, array) pairs.

    Integer dtypes join in where they hold the numbers exactly.
    """
    spread = np.zeros((*a.shape[:-1], 2 * a.shape[-1] + 1), a.dtype)
    spread[..., 1::2] = a
    frozen = a.copy()
    frozen.flags.writeable = False
    yield "strided", spread[..., 1::2]
    yield "reversed", a[::-1].copy()[::-1]
    yield "Fortran-ordered", np.asfortranarray(a)
    yield "read-only", frozen
    yield "big-endian", a.astype(a.dtype.newbyteorder(">"))
    for dtype in ("float16", "int64", "uint8", "bool", ">i4", ">f2"):
        with np.errstate(invalid="ignore", over="ignore"):
            other = a.astype(dtype)
        if np.array_equal(other.astype(a.dtype), a):
            yield dtype, other


# ---- recorded numbers ------------------------------------------------------


@functools.lru_cache(maxsize=None)
def golden(name):
    """All arrays of a recorded file, nested: `golden("layers")[case]["f64"]["y"]`."""
    nested = {}
    with np.load(pathlib.Path(__file__).parent / "golden" / f"{name}.npz") as arrays:
        for key in arrays:
            *folders, last = key.split("/")
            functools.reduce(lambda d, folder: d.setdefault(folder, {}), folders, nested)[last] = arrays[key]
    return nested


def golden_case(recorded, dtype, activation):
    """The `Case` of a recorded layer; `activation` makes one from a name and its parameters."""
    def named(name):
        # float64 was recorded with TensorFlow's float32 alpha
        alpha = float(np.float32(0.1)) if dtype == np.float64 else 0.1
        return activation(name, alpha=alpha) if name == "leaky_rel" else name

    h = named(str(recorded["activation"]))
    if h == "step_function":
        h = activation(h, pseudoderivative_of=named(str(recorded["pseudoderivative_of"])))
    case = Case(x=recorded["x"], kernel=recorded["kernel"], bias=recorded["bias"],
                recurrent_kernel=recorded.get("recurrent_kernel"), decay=float(recorded["decay"]),
                y_0=None, V_0=None, dy=recorded["C"], dy_state=None, dV_state=None,
                activation=h, g=named(str(recorded["g"])),
                lateral_inhibition=bool(recorded["lateral_inhibition"]))
    return case.cast(dtype)
