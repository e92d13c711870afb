"""The spiking neural unit. Time t = 1..T, from the state (y_0, V_0), which is zero if not given:

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
Without `reset_gradient` the gate is a constant: what came through r_t, d V_t D_{t+1} with its sign and
share, is left out of dL/dy_t. The step is exactly 0 or 1 forward, and has the slope of another activation
backward.

`mask` (B, T) is true where a step counts. One that does not count, whatever its x holds,

    keeps the state     y_t = y_{t-1}, V_t = V_{t-1}, D_t = 0, dL/dV_{t-1} = dL/dV_t, and dL/dy_t goes on
                        to y_{t-1}, which besides takes part in the maximum of the batch as ever
    repeats the output  that of the step before, or zeros where none has counted yet, even if there is a
                        y_0; e_t joins that of the output repeated, and is lost at those zeros

`go_backwards` reads x and mask from the last step to the first. y, V and dy are in the order of processing,
x, mask and the gradient of x in that of the input.

S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020), arXiv 1812.07040.

Shapes: x (B, T, N); mask (B, T); kernel W (N, M); recurrent_kernel R (M, M); bias b (M,); decay () or (M,);
y, V (B, T, M); states (B, M).
"""

from collections import namedtuple

import numpy as np

from twin.activations import activation_pair

Gradients = namedtuple("Gradients", "x kernel bias recurrent_kernel decay initial_state")

# ---- the reset gate --------------------------------------------------------


def scope_of(lateral_inhibition):
    """Axes of (B, M) over which the maximum is taken; None for the plain gate."""
    return {False: None, True: (0, 1), "batch": (0, 1), "sample": (1,)}[lateral_inhibition]


def maximum(y, scope):
    return y.max(axis=scope, keepdims=True, initial=-np.inf)  # initial: an empty batch has no maximum


def gate(y, scope):
    """r (B, M), or something that broadcasts to it."""
    return 1 - (y if scope is None else maximum(y, scope))


def _share(y, scope):
    """The derivative of the maximum: 1/k for each of the k entries that attain it."""
    winners = (y == maximum(y, scope)).astype(y.dtype)
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


# ---- time ------------------------------------------------------------------


def in_order(x, mask, go_backwards):
    """x and mask in the order of processing; x is zero where a step does not count."""
    mask = np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    x, mask = (a[:, ::-1] if go_backwards else a for a in (x, mask))
    return np.where(mask[:, :, None], x, x.dtype.type(0)), mask


def _with_initial(y, V, initial_state):
    """y and V (B, T + 1, M) with the initial state in front, so that [:, t] is what step t starts from."""
    B, _, M = y.shape
    y_0, V_0 = (np.zeros((B, M)), np.zeros((B, M))) if initial_state is None else initial_state
    return (np.concatenate([np.asarray(first, y.dtype)[:, None], rest], axis=1)
            for first, rest in ((y_0, y), (V_0, V)))


def states(y, V, initial_state, mask):
    """The states (B, T + 1, M) before and after each step; y, V and mask in the order of processing.

    Where a step did not count, its output is not always the state: it may be the zeros before the first.
    """
    y, V = _with_initial(y, V, initial_state)
    for t in range(mask.shape[1]):
        counts = mask[:, t, None]
        y[:, t + 1] = np.where(counts, y[:, t + 1], y[:, t])
        V[:, t + 1] = np.where(counts, V[:, t + 1], V[:, t])
    return y, V


def final_state(y, V, initial_state=None, mask=None, go_backwards=False):
    """(y, V) after the last step, each (B, M)."""
    _, mask = in_order(y, mask, go_backwards)
    return tuple(state[:, -1] for state in states(y, V, initial_state, mask))


def drive(x_t, V_prev, y_prev, r_prev, kernel, recurrent_kernel, decay):
    """a_t (B, M)"""
    a = x_t @ kernel + decay * V_prev * r_prev
    return a if recurrent_kernel is None else a + y_prev @ recurrent_kernel


# ---- the unit --------------------------------------------------------------


def snu_forward(x, kernel, bias, recurrent_kernel=None, *, decay=0.8, activation="step_function",
                g="identity", lateral_inhibition=False, initial_state=None, mask=None, go_backwards=False):
    (h, _), (g, _), scope = activation_pair(activation), activation_pair(g), scope_of(lateral_inhibition)
    d = np.asarray(decay, kernel.dtype)
    x, mask = in_order(np.asarray(x, kernel.dtype), mask, go_backwards)
    (B, T, _), M = x.shape, kernel.shape[1]

    outputs = np.zeros((B, T, M), kernel.dtype)
    y, V = _with_initial(outputs, outputs, initial_state)
    output = np.zeros((B, M), kernel.dtype)
    for t in range(T):
        a = drive(x[:, t], V[:, t], y[:, t], gate(y[:, t], scope), kernel, recurrent_kernel, d)
        V_t = g(a)
        y_t = h(V_t - bias)

        counts = mask[:, t, None]
        V[:, t + 1] = np.where(counts, V_t, V[:, t])
        y[:, t + 1] = np.where(counts, y_t, y[:, t])
        outputs[:, t] = output = np.where(counts, y_t, output)
    return outputs, V[:, 1:]


def snu_backward(dy, x, kernel, bias, recurrent_kernel=None, *, y, V, dy_state=None, dV_state=None,
                 reset_gradient=True, decay=0.8, activation="step_function", g="identity",
                 lateral_inhibition=False, initial_state=None, mask=None, go_backwards=False):
    dtype = kernel.dtype
    (_, dh), (_, dg), scope = activation_pair(activation), activation_pair(g), scope_of(lateral_inhibition)
    d = np.asarray(decay, dtype)
    x, mask = in_order(np.asarray(x, dtype), mask, go_backwards)
    (B, T, _), M = x.shape, kernel.shape[1]
    y, V = states(y, V, initial_state, mask)

    dx, dW, db, dd = np.zeros_like(x), np.zeros_like(kernel), np.zeros(M, dtype), np.zeros(M, dtype)
    dR = None if recurrent_kernel is None else np.zeros_like(recurrent_kernel)
    # gradients of the state after step t, and of the output of step t as later steps repeated it
    dy_t = np.zeros((B, M), dtype) if dy_state is None else dy_state
    dV_t = np.zeros((B, M), dtype) if dV_state is None else dV_state
    repeated = np.zeros((B, M), dtype)

    for t in reversed(range(T)):
        counts = mask[:, t, None]
        y_prev, V_prev = y[:, t], V[:, t]
        r_prev = gate(y_prev, scope)
        a = drive(x[:, t], V_prev, y_prev, r_prev, kernel, recurrent_kernel, d)

        e = dy[:, t] + repeated
        v = np.where(counts, (e + dy_t) * dh(V[:, t + 1] - bias), 0)
        D = np.where(counts, (v + dV_t) * dg(a), 0)

        dx[:, t] = D @ kernel.T
        dW += x[:, t].T @ D
        db -= v.sum(axis=0)
        dd += (V_prev * r_prev * D).sum(axis=0)

        repeated = np.where(counts, 0, e)
        dV_t = np.where(counts, d * r_prev * D, dV_t)
        dy_t = np.where(counts, 0, dy_t)
        if reset_gradient:
            dy_t = dy_t + _gate_backward(d * V_prev * D, y_prev, scope)
        if dR is not None:
            dR += y_prev.T @ D
            dy_t = dy_t + D @ recurrent_kernel.T

    return Gradients(dx[:, ::-1] if go_backwards else dx, dW, db, dR, dd.sum() if d.ndim == 0 else dd,
                     None if initial_state is None else (dy_t, dV_t))


def snu_tangent(direction, x, kernel, bias, recurrent_kernel=None, *, y, V, reset_gradient=True, decay=0.8,
                activation="step_function", g="identity", lateral_inhibition=False, initial_state=None,
                mask=None, go_backwards=False):
    """Derivative of (y, V) along `direction` (a `Gradients`): forward mode, with the surrogate slope.

    It is the transpose of `snu_backward`, found without backpropagation, so the two check each other
    where finite differences cannot: at the step function, and where the gate is held constant.
    """
    (_, dh), (_, dg), scope = activation_pair(activation), activation_pair(g), scope_of(lateral_inhibition)
    d = np.asarray(decay, kernel.dtype)
    x_dot, _ = in_order(direction.x, mask, go_backwards)
    x, mask = in_order(np.asarray(x, kernel.dtype), mask, go_backwards)
    y, V = states(y, V, initial_state, mask)

    outputs_dot = np.zeros_like(y[:, 1:])
    y_dot, V_dot = _with_initial(outputs_dot, outputs_dot, direction.initial_state)
    output_dot = np.zeros_like(y[:, 0])
    for t in range(x.shape[1]):
        y_prev, V_prev = y[:, t], V[:, t]
        r_prev, r_dot = gate(y_prev, scope), _gate_tangent(y_dot[:, t], y_prev, scope)
        a = drive(x[:, t], V_prev, y_prev, r_prev, kernel, recurrent_kernel, d)

        a_dot = x_dot[:, t] @ kernel + x[:, t] @ direction.kernel
        a_dot += direction.decay * V_prev * r_prev + d * V_dot[:, t] * r_prev
        if reset_gradient:
            a_dot += d * V_prev * r_dot
        if recurrent_kernel is not None:
            a_dot += y_dot[:, t] @ recurrent_kernel + y_prev @ direction.recurrent_kernel
        V_dot_t = dg(a) * a_dot
        y_dot_t = dh(V[:, t + 1] - bias) * (V_dot_t - direction.bias)

        counts = mask[:, t, None]
        V_dot[:, t + 1] = np.where(counts, V_dot_t, V_dot[:, t])
        y_dot[:, t + 1] = np.where(counts, y_dot_t, y_dot[:, t])
        outputs_dot[:, t] = output_dot = np.where(counts, y_dot_t, output_dot)
    return outputs_dot, V_dot[:, 1:]
