"""What the tests run on: layers with their inputs and gradients from above, and ways to check gradients."""

import dataclasses
from types import SimpleNamespace

import numpy as np

from twin.snu import (Gradients, drive, final_state, gate, in_order, maximum, scope_of, snu_forward,
                      snu_tangent, states)


def name_of(activation):
    return getattr(activation, "name", activation)


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
    mask: np.ndarray | None = None
    go_backwards: bool = False
    reset_gradient: bool = True

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)

    def cast(self, dtype):
        """The same numbers in another precision; a binary x and the mask stay as they are."""
        arrays = {name: value.astype(dtype) for name, value in vars(self).items()
                  if isinstance(value, np.ndarray) and value.dtype not in (np.uint8, np.bool_)}
        return self.replace(**arrays)

    @property
    def weights(self):
        return self.kernel, self.bias, self.recurrent_kernel

    @property
    def initial_state(self):
        return None if self.y_0 is None else (self.y_0, self.V_0)

    @property
    def options(self):
        """Of the last two only what is asked for, so that their defaults are tested too."""
        options = dict(decay=self.decay, activation=self.activation, g=self.g,
                       lateral_inhibition=self.lateral_inhibition, initial_state=self.initial_state)
        asked = dict(mask=self.mask) if self.mask is not None else {}
        return options | asked | (dict(go_backwards=True) if self.go_backwards else {})

    def forward(self, ops):
        return ops.snu_forward(self.x, *self.weights, **self.options)

    def backward(self, ops, y, V):
        asked = {} if self.reset_gradient else dict(reset_gradient=False)
        return ops.snu_backward(self.dy, self.x, *self.weights, y=y, V=V, dy_state=self.dy_state,
                                dV_state=self.dV_state, **asked, **self.options)

    def final_state(self, y, V):
        return final_state(y, V, self.initial_state, self.mask, self.go_backwards)

    def loss(self, ops):
        """The number whose gradients `backward` returns."""
        y, V = self.forward(ops)
        loss = np.sum(self.dy * y)
        if self.dy_state is not None:
            y_T, V_T = self.final_state(y, V)
            loss += np.sum(self.dy_state * y_T) + np.sum(self.dV_state * V_T)
        return loss

    def distances(self):
        """From every jump, kink and tie of a maximum: its sign says on which side a number is."""
        kinked = ("step_function", "relu", "leaky_rel")
        scope = scope_of(self.lateral_inhibition)
        x, mask = in_order(self.x.astype(self.kernel.dtype), self.mask, self.go_backwards)
        outputs, potentials = self.forward(SimpleNamespace(snu_forward=snu_forward))
        y, V = states(outputs, potentials, self.initial_state, mask)
        distances = []
        for t in range(x.shape[1]):
            counts = mask[:, t]
            if name_of(self.activation) in kinked:
                distances.append((V[:, t + 1] - self.bias)[counts])
            if name_of(self.g) in kinked:
                a = drive(x[:, t], V[:, t], y[:, t], gate(y[:, t], scope), self.kernel,
                          self.recurrent_kernel, self.decay)
                distances.append(a[counts])
            if scope is not None:
                distances.append(maximum(y[:, t], scope) - y[:, t])
        return np.concatenate([np.ravel(d) for d in distances]) if distances else np.empty(0)

    def margin(self):
        """Distance from the nearest jump, kink or near-tie of a maximum; exact hits do not count.

        An exact a = 0 (no input) or an exact tie (spikes) stays what it is in any precision.
        """
        distances = np.abs(self.distances())
        return np.min(distances[distances > 0], initial=np.inf)


def parameters(gradients):
    """What has a gradient, by the names of `Case`."""
    named = gradients._asdict()
    state = named.pop("initial_state")
    named["y_0"], named["V_0"] = (None, None) if state is None else state
    return {name: value for name, value in named.items() if value is not None}


def random_mask(rng, B, T):
    """(B, T), true where a step counts: each row of one kind, among them padding and rows without a step."""
    t = np.arange(T)
    mask = np.zeros((B, T), bool)
    for row in mask:
        edge = rng.integers(0, T + 1)
        kinds = [rng.random(T) < 0.6, t >= edge, t < edge, t >= 0, t < 0]
        row[:] = kinds[rng.choice(len(kinds), p=[0.4, 0.2, 0.2, 0.1, 0.1])]
    return mask


def random_case(seed=0, *, g="identity", activation="step_function", lateral_inhibition=False,
                recurrent=False, state=False, decay_per_unit=False, binary=False, masked=False,
                go_backwards=False, reset_gradient=True, B=3, T=8, N=5, M=4, density=0.4, margin=1e-4,
                largest=10.0, gain=None):
    """A float64 case of float32 numbers, the first from `seed` on that keeps `margin` and stays finite."""
    def numbers(array):
        return np.asarray(array, np.float32).astype(np.float64)

    name = name_of(activation)
    if gain is None:
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
            activation=activation, g=g, lateral_inhibition=lateral_inhibition,
            mask=random_mask(rng, B, T) if masked else None, go_backwards=go_backwards,
            reset_gradient=reset_gradient)
        with np.errstate(all="ignore"):
            _, V = case.forward(SimpleNamespace(snu_forward=snu_forward))
            if np.all(np.abs(V) < largest) and case.margin() > margin:
                return case
    raise AssertionError(f"no seed keeps a margin of {margin}")


def random_direction(case, rng, names=None):
    """Numbers for all that has a gradient, as `Gradients`; zeros where `names` leave it out."""
    def like(name):
        array = getattr(case, name)
        if array is None:
            return None
        along = rng.standard_normal(np.shape(array))
        return along if names is None or name in names else np.zeros_like(along)

    state = None if case.y_0 is None else (like("y_0"), like("V_0"))
    return Gradients(*(like(name) for name in Gradients._fields[:-1]), state)


def products(case, gradients, direction, y_dot, V_dot):
    """<C, J u> of a tangent J u and <J^T C, u> of gradients, and the size of their terms."""
    forward = [case.dy * y_dot]
    if case.dy_state is not None:
        y_dot_T, V_dot_T = final_state(y_dot, V_dot, direction.initial_state, case.mask, case.go_backwards)
        forward += [case.dy_state * y_dot_T, case.dV_state * V_dot_T]
    backward = [along * gradient for along, gradient
                in zip(parameters(direction).values(), parameters(gradients).values(), strict=True)]
    size = sum(np.sum(np.abs(term)) for term in forward + backward)
    return sum(map(np.sum, forward)), sum(map(np.sum, backward)), size


def dot_products(case, gradients, y, V, seed=0):
    """`products` along a random direction, with the tangent from the formulas."""
    direction = random_direction(case, np.random.default_rng(seed))
    y_dot, V_dot = snu_tangent(direction, case.x, *case.weights, y=y, V=V,
                               reset_gradient=case.reset_gradient, **case.options)
    return products(case, gradients, direction, y_dot, V_dot)


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
