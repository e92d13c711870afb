"""The kernels as functions of NumPy arrays.

float32 or float64 by the dtype of the weights; other arguments are converted to it, in
whatever layout and type of real numbers they come, and are not changed.  The steps of the
optimizers work in place and convert nothing.  NaN is computed with: it compares false and
gives no spike.
"""

from collections import namedtuple

import numpy as np

from . import _core, activations, checks
from .optimizers import SGD, Adam, RMSprop
from .spikes import Spikes, _size

# By letters: NumPy may fail to hash a dtype where memory is short, and then fails for ever.
_KERNELS = {"f": _core.f32, "d": _core.f64}

# The numbers that csrc/kernels/neuroai.h gives the reset gates.
_INHIBITION = {False: 0, "batch": 1, "sample": 2}

Gradients = namedtuple(
    "Gradients", ["x", "kernel", "bias", "recurrent_kernel", "decay", "initial_state"]
)
Gradients.__doc__ = """dL/dz of each z that snu_backward was given; None where there is none.

Attributes:
    x: (B, T, N).
    kernel: (N, M).
    bias: (M,).
    recurrent_kernel: (M, M).
    decay: a number or (M,), as decay was given.
    initial_state: the pair by (y_0, V_0), each (B, M).

Example:
    >>> Gradients._fields
    ('x', 'kernel', 'bias', 'recurrent_kernel', 'decay', 'initial_state')
"""


def _inhibition(where, argument, value):
    """False, "batch" (for True) or "sample"."""
    if isinstance(value, (bool, np.bool_)):
        return "batch" if value else False
    if isinstance(value, str) and value in _INHIBITION:
        return value
    raise ValueError(
        f'{where}: {argument} must be False, True, "batch" or "sample", '
        f'got {checks.shown(value)}'
    )


def _input(where, x, dtype):
    """x as the kernels take it: packed spikes or an array of `dtype`."""
    if isinstance(x, Spikes):
        if x.ndim != 3:
            raise ValueError(
                f"{where}: x must have the axes (samples, steps, features), got shape {x.shape}"
            )
        return x._events
    return checks.real(where, "x", x, dtype)


def _mask(where, mask):
    """A mask (samples, steps) of bool as the kernels take it, or None."""
    if mask is None:
        return None
    mask = checks.numeric(where, "mask", mask)
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise ValueError(
            f"{where}: mask must be an array (samples, steps) of bool, "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    # A bool can hold other bytes than 0 and 1.
    return (np.ascontiguousarray(mask).view(np.uint8) != 0).view(np.uint8)


def _counting(where, x, mask, dtype):
    """x as the kernels take it, zeros where no step counts: nothing depends on what is there."""
    x = _input(where, x, dtype)
    fits = isinstance(x, np.ndarray) and x.ndim == 3
    if mask is not None and fits and x.shape[:2] == np.shape(mask):
        x = np.where(np.asarray(mask)[..., None], x, dtype.type(0))
    return x


def _unit(where, kernel, bias, recurrent_kernel, decay, activation, g, lateral_inhibition,
          initial_state, mask, go_backwards):
    """What snu_forward and snu_backward share, as the kernels take it."""
    dtype = checks.precision(where, "kernel", kernel)
    kernel = checks.real(where, "kernel", kernel, dtype)
    if kernel.ndim != 2:
        raise ValueError(
            f"{where}: kernel must have the axes (inputs, units), got shape {kernel.shape}"
        )
    if recurrent_kernel is not None:
        recurrent_kernel = checks.real(where, "recurrent_kernel", recurrent_kernel, dtype)
    decay = checks.real(where, "decay", decay, dtype)
    if decay.ndim == 0:
        decay = np.full(kernel.shape[1], decay)
    y_0 = V_0 = None
    if initial_state is not None:
        if not isinstance(initial_state, (tuple, list)) or len(initial_state) != 2:
            raise TypeError(f"{where}: initial_state must be the pair (y_0, V_0)")
        y_0 = checks.real(where, "initial_state y_0", initial_state[0], dtype)
        V_0 = checks.real(where, "initial_state V_0", initial_state[1], dtype)
    h = activations.get(activation, where, "activation")
    g = activations._with_slope(where, "g", g)
    return dtype, (
        kernel,
        checks.real(where, "bias", bias, dtype),
        recurrent_kernel,
        decay,
        y_0,
        V_0,
        h._spec(),
        g._spec(),
        _INHIBITION[_inhibition(where, "lateral_inhibition", lateral_inhibition)],
        _mask(where, mask),
        checks.boolean(where, "go_backwards", go_backwards),
    )


def matmul(x, kernel):
    """The matrix product x kernel.

    Args:
        x: (rows, inputs).
        kernel: (inputs, units), float32 or float64.

    Returns:
        (rows, units), every sum in rising input index.

    Raises:
        TypeError, ValueError: another dtype or shape.

    Example:
        >>> matmul(np.array([[1, 2]]), np.array([[1.0], [0.5]]))
        array([[2.]])
    """
    dtype = checks.precision("matmul", "kernel", kernel)
    return _KERNELS[dtype.char].matmul(
        checks.real("matmul", "x", x, dtype), checks.real("matmul", "kernel", kernel, dtype)
    )


def snu_forward(x, kernel, bias, recurrent_kernel=None, *, decay=0.8, activation="step_function",
                g="identity", lateral_inhibition=False, initial_state=None, mask=None,
                go_backwards=False):
    """A layer of spiking neural units over time.

    a_t = x_t W + y_{t-1} R + d V_{t-1} r_{t-1},  V_t = g(a_t),  y_t = h(V_t - b), with the
    reset gate r_t = 1 - y_t or, inhibited, r_t = 1 - max(y_t).

    Args:
        x: (B, T, N) numbers, or Spikes of that shape.
        kernel: W (N, M), float32 or float64: the precision of all.
        bias: b (M,), thresholds.
        recurrent_kernel: R (M, M).  Default None: no recurrence.
        decay: d, a number or (M,).  Default 0.8.
        activation: h, a name or an activation.  Default the step.
        g: a name or an activation, not the step.  Default identity.
        lateral_inhibition: False, True or "batch" (the maximum over all units of all samples:
            a sample's result depends on its batch), "sample" (over its own units).
        initial_state: (y_0, V_0), each (B, M).  Default zeros.
        mask: (B, T) bool, true where a step counts.  A step that does not keeps the state and
            repeats the output before it (zeros before the first).  Default None: all count.
        go_backwards: whether the last step of x comes first; then y and V are in the order of
            processing, x and mask in that of the input.  Default False.

    Returns:
        y, V: outputs and membrane potentials (B, T, M).

    Raises:
        TypeError, ValueError: an argument of another dtype, shape or name.

    Source:
        S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).

    Example:
        >>> x = np.ones((1, 4, 1))
        >>> y, V = snu_forward(x, np.array([[0.6]]), np.array([1.0]), decay=1.0)
        >>> y.ravel(), V.ravel()
        (array([0., 1., 0., 1.]), array([0.6, 1.2, 0.6, 1.2]))
    """
    dtype, unit = _unit("snu_forward", kernel, bias, recurrent_kernel, decay, activation, g,
                        lateral_inhibition, initial_state, mask, go_backwards)
    return _KERNELS[dtype.char].snu_forward(_counting("snu_forward", x, mask, dtype), *unit)


def snu_backward(dy, x, kernel, bias, recurrent_kernel=None, *, y, V, dy_state=None,
                 dV_state=None, reset_gradient=True, decay=0.8, activation="step_function",
                 g="identity", lateral_inhibition=False, initial_state=None, mask=None,
                 go_backwards=False):
    """The gradients of a layer by backpropagation through time.

    With D_t = dL/da_t, going back from t = T:
    dL/dy_t = dy_t + D_{t+1} R^T - d V_t D_{t+1},  dL/dV_t = dL/dy_t h'(V_t - b) + d r_t D_{t+1},
    D_t = dL/dV_t g'(a_t).  The gradient passes through the reset gate; inhibited, through the
    maximum, in equal shares to all entries that attain it.  At a step that a mask leaves out
    D_t = 0, and its dy_t counts for the output that it repeats.

    Args:
        dy: (B, T, M), the loss's gradient by y.
        x, kernel, bias, recurrent_kernel, and all options: as snu_forward was given them.
        y, V: what it returned.
        dy_state, dV_state: (B, M), the loss's gradient by the states after the last step.
            Default zeros.
        reset_gradient: whether the gradient passes through the reset gate.  Default True.

    Returns:
        Gradients (x, kernel, bias, recurrent_kernel, decay, initial_state), each in the shape of
        what it belongs to; of decay a number where decay is one.

    Raises:
        TypeError, ValueError: an argument of another dtype, shape or name.

    Source:
        S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).

    Example:
        >>> x, W, b = np.ones((1, 1, 2)), np.array([[0.5], [0.5]]), np.array([1.0])
        >>> y, V = snu_forward(x, W, b)
        >>> grads = snu_backward(np.ones((1, 1, 1)), x, W, b, y=y, V=V)
        >>> grads.kernel.ravel(), grads.bias
        (array([1., 1.]), array([-1.]))
    """
    where = "snu_backward"
    dtype, unit = _unit(where, kernel, bias, recurrent_kernel, decay, activation, g,
                        lateral_inhibition, initial_state, mask, go_backwards)
    dx, dW, db, dR, dd, dy_0, dV_0 = _KERNELS[dtype.char].snu_backward(
        checks.real(where, "dy", dy, dtype),
        None if dy_state is None else checks.real(where, "dy_state", dy_state, dtype),
        None if dV_state is None else checks.real(where, "dV_state", dV_state, dtype),
        _counting(where, x, mask, dtype),
        checks.real(where, "y", y, dtype),
        checks.real(where, "V", V, dtype),
        *unit,
        checks.boolean(where, "reset_gradient", reset_gradient),
    )
    with np.errstate(all="ignore"):
        of_decay = dd if np.ndim(decay) else dd.sum()
    return Gradients(
        x=dx,
        kernel=dW,
        bias=db,
        recurrent_kernel=dR,
        decay=of_decay,
        initial_state=None if initial_state is None else (dy_0, dV_0),
    )


def average_forward(x, mask=None):
    """The mean over time, over the steps that count.

    Args:
        x: (B, T, N), float32 or float64, T at least 1.
        mask: (B, T) bool, true where a step counts, of each sample at least one.  Default None:
            all count.

    Returns:
        (B, N).

    Raises:
        TypeError, ValueError: another dtype or shape; a sample of which no step counts.

    Example:
        >>> average_forward(np.array([[[0.0], [1.0]]]))
        array([[0.5]])
    """
    dtype = checks.precision("average_forward", "x", x)
    return _KERNELS[dtype.char].average_forward(
        checks.real("average_forward", "x", x, dtype), _some_steps("average_forward", mask)
    )


def _some_steps(where, mask):
    """A mask of which every sample has a step that counts."""
    mask = _mask(where, mask)
    if mask is not None and not mask.any(axis=1).all():
        sample = int(np.argmin(mask.any(axis=1)))
        raise ValueError(f"{where}: mask must have a step that counts in every sample, "
                         f"sample {sample} has none")
    return mask


def average_backward(dy, T, mask=None):
    """The gradient of the mean over time: dx_t = dy / T, or dy / n at the n steps that count.

    Args:
        dy: (B, N), float32 or float64, the loss's gradient by the mean.
        T: time steps, at least 1.
        mask: as average_forward was given it.

    Returns:
        (B, T, N).

    Raises:
        TypeError, ValueError: another dtype or shape.

    Example:
        >>> average_backward(np.array([[1.0]]), 2)
        array([[[0.5],
                [0.5]]])
    """
    dtype = checks.precision("average_backward", "dy", dy)
    T = checks.integer("average_backward", "T", T, 1, np.iinfo(np.intp).max)
    return _KERNELS[dtype.char].average_backward(
        checks.real("average_backward", "dy", dy, dtype), T, _some_steps("average_backward", mask)
    )


def _outputs(where, y, target):
    """y and target (B, ...) as (B, outputs), in the precision of y."""
    dtype = checks.precision(where, "y", y)
    y = checks.real(where, "y", y, dtype)
    target = checks.real(where, "target", target, dtype)
    if y.ndim == 0:
        raise ValueError(f"{where}: y must have the axes (samples, ...), got a number")
    if y.shape != target.shape:
        raise ValueError(
            f"{where}: target must have the shape of y, {y.shape}, got {target.shape}"
        )
    shape = (len(y), _size(y.shape[1:]))
    return dtype, y.reshape(shape), target.reshape(shape)


def mse_forward(y, target):
    """The mean squared error over outputs and samples.

    Args:
        y: (B, ...), float32 or float64, B at least 1.
        target: of the same shape.

    Returns:
        mean (y - target)^2, a float.

    Raises:
        TypeError, ValueError: another dtype or shape.

    Example:
        >>> mse_forward(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
        0.5
    """
    dtype, y, target = _outputs("mse_forward", y, target)
    return _KERNELS[dtype.char].mse_forward(y, target)


def mse_backward(y, target):
    """The gradient of the mean squared error by y.

    Args:
        y: (B, ...), float32 or float64.
        target: of the same shape.

    Returns:
        2 (y - target) / (numbers of y), in the shape of y.

    Raises:
        TypeError, ValueError: another dtype or shape.

    Example:
        >>> mse_backward(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
        array([[1., 0.]])
    """
    shape = checks.numeric("mse_backward", "y", y).shape
    dtype, y, target = _outputs("mse_backward", y, target)
    return _KERNELS[dtype.char].mse_backward(y, target).reshape(shape)


def _step(where, w, g, slots, optimizer, step=1):
    """Runs the optimizer's kernel on arrays of any shape, in place."""
    arrays = {"w": w, **{name: slot for name, slot in slots.items() if slot is not None}}
    dtype = checks.precision(where, "w", w)
    g = checks.real(where, "g", g, dtype)
    for name, array in arrays.items():
        checks.in_place(where, name, array, dtype)
        if array.shape != g.shape:
            raise ValueError(f"{where}: {name} has shape {array.shape} but g has {g.shape}")
    names = list(arrays)
    for i, name in enumerate(names):
        for other in names[:i]:
            if np.may_share_memory(arrays[name], arrays[other]):
                raise ValueError(f"{where}: {name} and {other} must not overlap")
        if np.may_share_memory(arrays[name], g):
            raise ValueError(f"{where}: {name} and g must not overlap")
    flat = [None if slot is None else slot.reshape(-1) for slot in slots.values()]
    flat += [None] * (2 - len(flat))
    _KERNELS[dtype.char].optimizer_step(
        where, w.reshape(-1), g.reshape(-1), *flat, optimizer._spec(), float(step)
    )


def sgd_step(w, g, velocity=None, *, learning_rate=0.01, momentum=0.0, nesterov=False):
    """A step of gradient descent, in place: w -= lr g.

    With a velocity v: v = m v - lr g, w += v; with `nesterov` w += m v - lr g.

    Args:
        w: weights, float32 or float64, C-contiguous; changed.
        g: the gradient, of the same shape.
        velocity: v, like w; changed.  Needed where momentum is not 0.
        learning_rate, momentum, nesterov: as optimizers.SGD.

    Raises:
        TypeError, ValueError: another dtype or shape, a missing velocity.

    Example:
        >>> w = np.array([1.0])
        >>> sgd_step(w, np.array([0.5]), learning_rate=0.1)
        >>> w
        array([0.95])
    """
    optimizer = SGD(learning_rate, momentum, nesterov)
    if optimizer.momentum and velocity is None:
        raise ValueError("sgd_step: momentum needs a velocity, got None")
    _step("sgd_step", w, g, {"velocity": velocity}, optimizer)


def rmsprop_step(w, g, v, u=None, *, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
    """A step of RMSprop, in place: v = rho v + (1 - rho) g^2, w -= lr g / (sqrt(v) + eps).

    With u: u = m u + lr g / (sqrt(v) + eps), w -= u.

    Args:
        w: weights, float32 or float64, C-contiguous; changed.
        g: the gradient, of the same shape.
        v, u: the running mean and the momentum, like w; changed.  u is needed where momentum
            is not 0.
        learning_rate, rho, momentum, epsilon: as optimizers.RMSprop.

    Raises:
        TypeError, ValueError: another dtype or shape, a missing u.

    Example:
        >>> w, v = np.array([1.0]), np.array([0.0])
        >>> rmsprop_step(w, np.array([2.0]), v, learning_rate=0.1, epsilon=0)
        >>> w.round(4), v
        (array([0.6838]), array([0.4]))
    """
    optimizer = RMSprop(learning_rate, rho, momentum, epsilon)
    if v is None or (optimizer.momentum and u is None):
        missing = "v must be an array" if v is None else "momentum needs u"
        raise ValueError(f"rmsprop_step: {missing}, got None")
    _step("rmsprop_step", w, g, {"v": v, "u": u}, optimizer)


def adam_step(w, g, m, v, *, step, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """A step of Adam, in place.

    m = beta_1 m + (1 - beta_1) g,  v = beta_2 v + (1 - beta_2) g^2,
    w -= lr_t m / (sqrt(v) + eps),  lr_t = lr sqrt(1 - beta_2^t) / (1 - beta_1^t).

    Args:
        w: weights, float32 or float64, C-contiguous; changed.
        g: the gradient, of the same shape.
        m, v: the running means, like w; changed.
        step: t, from 1.
        learning_rate, beta_1, beta_2, epsilon: as optimizers.Adam.

    Raises:
        TypeError, ValueError: another dtype or shape.

    Example:
        >>> w, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
        >>> adam_step(w, np.array([3.0]), m, v, step=1, learning_rate=0.1)
        >>> w.round(6)
        array([0.9])
    """
    step = checks.integer("adam_step", "step", step, 1, 2**53)
    for name, slot in (("m", m), ("v", v)):
        if slot is None:
            raise ValueError(f"adam_step: {name} must be an array, got None")
    optimizer = Adam(learning_rate, beta_1, beta_2, epsilon)
    _step("adam_step", w, g, {"m": m, "v": v}, optimizer, step)


def rate_encode(data2D, N_ts, max_is_present_for, seed=0):
    """Rate coding into Spikes: the kernel of utils.transform_rate, which says all about it.

    Args:
        data2D: (examples, ...) numbers.
        N_ts: T, time steps.
        max_is_present_for: spikes of a 1 in N_ts steps.
        seed: of the generator, 0 to 2^32 - 1.  Default 0.

    Returns:
        Spikes (examples, N_ts, ...).

    Raises:
        TypeError, ValueError: an argument that is no such thing.

    Example:
        >>> rate_encode(np.array([[1.0]]), 2, 2).shape
        (1, 2, 1)
    """
    arguments, features = _to_encode("rate_encode", data2D, N_ts, max_is_present_for, seed)
    return Spikes._from_events(_core.f64.rate_encode(*arguments), features)


def _to_encode(where, data2D, N_ts, max_is_present_for, seed):
    """Arguments of the kernel, and the axes of the features.

    Whoever asks for them calls the C: after Ctrl-C a notebook takes long to draw each frame.
    """
    data = checks.real(where, "data2D", data2D, np.dtype(np.float64))
    if data.ndim < 1:
        raise ValueError(f"{where}: data2D must have the axes (examples, ...), got a number")
    N_ts = checks.integer(where, "N_ts", N_ts, 0, np.iinfo(np.intp).max)
    most = checks.number(where, "max_is_present_for", max_is_present_for)
    seed = checks.integer(where, "seed", seed, 0, 2**32 - 1)
    features = data.shape[1:]
    return (data.reshape(len(data), _size(features)), N_ts, most, seed), features
