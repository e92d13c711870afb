"""Spiking neural units as a layer."""

import numbers

import numpy as np

from .. import activations, checks, initializers, ops, regularizers
from ..spikes import Spikes
from ..use import calling, changing
from .base import MOST_UNITS, Layer, _as_rows, _drawn, _need_sequence


class SNU(Layer):
    """Spiking neural units: leaky integrators that their output resets.

    a_t = x_t W + y_{t-1} R + d V_{t-1} r_{t-1},  V_t = g(a_t),  y_t = h(V_t - b),
    r_t = 1 - y_t; under lateral inhibition r_t = 1 - max(y_t).

    The arguments are attributes.  A new decay, activation, g or lateral_inhibition is checked
    when it is set and counts from the next call; the others are fixed once there are weights.

    Args:
        units: M, 1 or more.
        activation: h, a name or an activation.  Default the step; "sigmoid" is the soft unit.
        decay: d, a number or one per unit.  Default 0.8.
        g: a name or an activation, not the step.  Default identity.
        recurrent: whether there is R.  Default False.
        lateral_inhibition: False, True or "batch", "sample".  "batch" takes the maximum over
            all units of all samples of a batch, as the toolkit does and as the published
            numbers need: a prediction then depends on the batch that it is in, and on the
            batch's size.  "sample" takes it over the units of each sample, as the toolkit's
            text says: predictions depend on nothing else.  Default False.
        return_sequences: the output of every step (B, T, M), or of the last (B, M).
            Default False.
        return_state: whether a call of the layer alone returns (output, y, V), the state after
            the last step too.  Not in a model.  Default False.
        go_backwards: whether the last step comes first; outputs are in the order of processing.
            Default False.
        stateful: whether a batch goes on from the state that the batch before ended with, sample
            by sample, until reset_states.  Batches then have one size.  Default False.
        kernel_initializer, recurrent_initializer: Default "glorot_uniform".
        bias_initializer: of the threshold b.  Default "ones".
        trainable_decay: whether d is trained, one per unit; it stays in [0, 1] and is the last of
            the weights.  Default False.
        reset_gradient: whether the gradient passes through the reset gate.  Default True.
        activity_regularizer: None, "l1" or regularizers.L1: what output costs.  Default None.
        name: Default None.

    Raises:
        TypeError, ValueError: an argument of another kind; an unknown name.

    Source:
        S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).

    Example:
        >>> layer = SNU(2, decay=0.9, return_sequences=True)
        >>> layer(np.ones((1, 3, 4))).shape
        (1, 3, 2)
        >>> [w.shape for w in layer.weights]
        [(4, 2), (2,)]
    """

    _kinds = {
        "activation": "activation",
        "g": "activation",
        "kernel_initializer": "initializer",
        "recurrent_initializer": "initializer",
        "bias_initializer": "initializer",
        "activity_regularizer": "regularizer",
    }
    _trained = ("_kernel_rows", "_recurrent_kernel", "_bias", "_decay")
    _free = ("decay", "activation", "g", "lateral_inhibition")
    _checks = {
        "units": (checks.integer, 1, MOST_UNITS),
        "activation": (checks.got_by(activations.get),),
        "g": (activations._with_slope,),
        "lateral_inhibition": (ops._inhibition,),
        **dict.fromkeys(("recurrent", "return_sequences", "return_state", "go_backwards",
                         "stateful", "trainable_decay", "reset_gradient"), (checks.boolean,)),
        **dict.fromkeys(("kernel_initializer", "recurrent_initializer", "bias_initializer"),
                        (checks.got_by(initializers.get),)),
        "activity_regularizer": (checks.got_by(regularizers.get),),
    }

    def __init__(self, units, activation="step_function", decay=0.8, g="identity",
                 recurrent=False, lateral_inhibition=False, return_sequences=False,
                 return_state=False, go_backwards=False, stateful=False,
                 kernel_initializer="glorot_uniform", recurrent_initializer="glorot_uniform",
                 bias_initializer="ones", trainable_decay=False, reset_gradient=True,
                 activity_regularizer=None, name=None):
        super().__init__(name)
        self.units = units
        self.trainable_decay = trainable_decay
        self.activation = activation
        self.decay = decay
        self.g = g
        self.recurrent = recurrent
        self.lateral_inhibition = lateral_inhibition
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.kernel_initializer = kernel_initializer
        self.recurrent_initializer = recurrent_initializer
        self.bias_initializer = bias_initializer
        self.reset_gradient = reset_gradient
        self.activity_regularizer = activity_regularizer
        self._kernel_rows = self._recurrent_kernel = self._bias = self._decay = None
        self._state = None
        self._small_decay = None        # a decay of which is known that float32 has it

    def _set(self, name, value):
        if name == "decay":
            if self.trainable_decay and self._built:
                raise ValueError(f"{self!r}: decay cannot change, as it is trained: set_weights")
            value = self._checked_decay(value, self.units, self.trainable_decay)
        elif name in ("units", "trainable_decay") and hasattr(self, "decay") and not self._built:
            check, *more = self._checks[name]
            value = check("SNU", name, value, *more)
            other = {"units": self.units, "trainable_decay": self.trainable_decay, name: value}
            self._checked_decay(self.decay, **other)
        super()._set(name, value)

    def _checked_decay(self, value, units, trainable_decay):
        """A number, or a tuple of one per unit."""
        alone = isinstance(value, numbers.Real)
        if alone:
            values = (checks.number("SNU", "decay", value),)
        else:
            array = checks.real("SNU", "decay", value, np.dtype(np.float64))
            checks.finite("SNU", "decay", array)
            if array.shape != (units,):
                raise ValueError(
                    f"SNU: decay must be a number or one per unit, ({units},), "
                    f"got shape {array.shape}"
                )
            values = tuple(array.tolist())
        if trainable_decay and not all(0 <= d <= 1 for d in values):
            raise ValueError(
                f"SNU: decay must be from 0 to 1 to be trained, got {checks.shown(value)}"
            )
        return values[0] if alone else values

    @calling
    def __call__(self, x, mask=None, initial_state=None):
        """Runs the layer alone.

        Args:
            x: (B, T, N) numbers or Spikes.  The first call builds the layer in float32 if no
                model has.
            mask: (B, T) bool, true where a step counts.  A step that does not keeps the state
                and repeats the output before it.  Default None: all count.
            initial_state: (y_0, V_0), each (B, M).  Default zeros, or where a stateful layer is.

        Returns:
            (B, T, M), or (B, M) without return_sequences; with return_state (output, y, V).

        Raises:
            TypeError, ValueError: an argument of another kind or shape; no step to return.

        Example:
            >>> layer = SNU(1, kernel_initializer="ones", return_sequences=True)
            >>> layer([[[0.75], [0.75], [0.75]]]).ravel()
            array([0., 1., 0.], dtype=float32)
        """
        if not isinstance(x, Spikes):
            x = checks.numeric("SNU", "x", x)
        if x.ndim != 3 or x.shape[2] == 0:
            raise ValueError(
                f"SNU: x must have the axes (samples, steps, inputs), got shape {x.shape}"
            )
        if x.shape[1] == 0 and not self.return_sequences:
            raise ValueError("SNU: x must have at least one step, got none")
        self._check_decay("SNU", np.float32 if not self.built else self._bias.dtype)
        fresh = not self.built
        if fresh:
            self._build(x.shape[1:], np.random.default_rng(), np.dtype(np.float32))
        try:
            return self._called(x, mask, initial_state)
        except BaseException:
            if fresh:
                self._unbuild()
            raise

    def _called(self, x, mask, initial_state):
        if x.shape[2] != len(self._kernel):
            raise ValueError(
                f"SNU: x must have {len(self._kernel)} inputs as the layer has, got {x.shape[2]}"
            )
        if self.stateful and initial_state is None:
            self._check_state("SNU", len(x))
            initial_state = self._state or tuple(
                np.zeros((len(x), self.units), self._kernel.dtype) for _ in range(2)
            )
        y, V = ops.snu_forward(
            x, self._kernel, self._bias, self._recurrent_kernel, decay=self._decay_now(),
            activation=self.activation, g=self.g, lateral_inhibition=self.lateral_inhibition,
            initial_state=initial_state, mask=mask, go_backwards=self.go_backwards,
        )
        output = y if self.return_sequences else y[:, -1]
        if not (self.return_state or self.stateful):
            return output
        state = _final_state(y, V, mask, initial_state)
        if self.stateful:
            self._state = state
        return (output, *(array.copy() for array in state)) if self.return_state else output

    @changing
    def reset_states(self):
        """Forgets the state of a stateful layer: what comes next starts from zeros.

        Example:
            >>> layer = SNU(1, decay=1.0, stateful=True, kernel_initializer="ones")
            >>> [layer([[[0.75]]]).item() for _ in range(2)]
            [0.0, 1.0]
            >>> layer.reset_states()
            >>> layer([[[0.75]]]).item()
            0.0
        """
        self._state = None

    def _check_state(self, where, samples):
        """ValueError where a stateful layer has the states of another number of samples."""
        if self.stateful and self._state is not None and len(self._state[0]) != samples:
            raise ValueError(
                f"{where}: a batch of x must have the {len(self._state[0])} samples whose states "
                f"the stateful {self!r} has, or reset_states be called, got {samples}"
            )

    def _state_for(self, samples):
        """The state of a stateful layer for a batch of that size, zeros at first."""
        if self._state is None:
            shape = (samples, self.units)
            self._state = tuple(np.zeros(shape, self._kernel.dtype) for _ in range(2))
        return self._state

    def _unbuild(self):
        super()._unbuild()
        self._state = None

    def _check_decay(self, where, dtype):
        """ValueError where the decay is no number of the precision."""
        if dtype == np.float32 and self.decay is not self._small_decay:
            with np.errstate(all="ignore"):
                checks.finite(where, f"decay of {self!r}", np.float32(self.decay), converted=True)
            self._small_decay = self.decay

    def _decay_now(self):
        return self.decay if self._decay is None else self._decay

    @property
    def _kernel(self):
        return None if self._kernel_rows is None else self._shown(self._kernel_rows)

    def _settings(self):
        # A regularizer is an object that may itself be changed.
        penalty = self.activity_regularizer
        return (*super()._settings(), None if penalty is None else penalty.l1)

    def _output_shape(self, input_shape):
        _need_sequence(self, input_shape)
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def _shapes(self, inputs):
        units = self.units
        return [
            (inputs, units),
            *[(units, units)] * self.recurrent,
            (units,),
            *[(units,)] * self.trainable_decay,
        ]

    def _build(self, input_shape, rng, dtype):
        units = (self.units,)
        shape = (input_shape[-1], self.units)
        kernel = _drawn("SNU", "kernel", self.kernel_initializer, shape, rng, dtype)
        recurrent_kernel = None
        if self.recurrent:
            recurrent_kernel = _drawn(
                "SNU", "recurrent_kernel", self.recurrent_initializer, units * 2, rng, dtype
            )
        bias = _drawn("SNU", "bias", self.bias_initializer, units, rng, dtype)
        decay = np.full(units, self.decay, dtype) if self.trainable_decay else None
        self._kernel_rows = _as_rows(kernel)
        self._recurrent_kernel, self._bias, self._decay = recurrent_kernel, bias, decay
        self._built = True

    def _core_spec(self, counted, slots, inputs):
        kernel, recurrent_kernel, bias, decay = self._raw()
        if decay is None:
            decay = np.full(self.units, self.decay, kernel.dtype)
        return (
            "snu",
            counted,
            kernel,
            recurrent_kernel,
            bias,
            decay,
            self.activation._spec(),
            self.g._spec(),
            ops._INHIBITION[self.lateral_inhibition],
            self.return_sequences,
            self.trainable_decay,
            not self.reset_gradient,
            self.go_backwards,
            0.0 if self.activity_regularizer is None else self.activity_regularizer.l1,
            *(self._state if self.stateful else (None, None)),
            slots,
        )


def _final_state(y, V, mask, initial_state):
    """The pair (y, V) after the last step."""
    if y.shape[1] == 0:
        zeros = np.zeros((y.shape[0], y.shape[2]), y.dtype)
        pair = (zeros, zeros) if initial_state is None else initial_state
        return tuple(checks.real("SNU", "initial_state", array, y.dtype).copy() for array in pair)
    last_y, last_V = y[:, -1].copy(), V[:, -1].copy()
    if mask is not None and initial_state is not None:
        untouched = ~np.asarray(mask).any(axis=1)
        y_0 = checks.real("SNU", "initial_state", initial_state[0], y.dtype)
        last_y[untouched] = y_0[untouched]
    return last_y, last_V
