"""Layers without weights."""

import numpy as np

from .. import checks, ops
from ..spikes import Spikes
from .base import Layer, _need_sequence


def _sequences(where, x):
    x = checks.numeric(where, "x", x)
    if x.ndim != 3:
        raise ValueError(
            f"{where}: x must have the axes (samples, steps, inputs), got shape {x.shape}"
        )
    return x


class GlobalAveragePooling1D(Layer):
    """The mean over the steps that count: y = sum_t x_t / n; (B, T, N) becomes (B, N).

    Args:
        name: Default None.

    Raises:
        TypeError: the name is not a string.

    Example:
        >>> GlobalAveragePooling1D()(np.array([[[0.0], [1.0]]]))
        array([[0.5]])
    """

    def __call__(self, x, mask=None):
        """The mean over time.

        Args:
            x: (B, T, N) numbers, T at least 1.
            mask: (B, T) bool, true where a step counts, of each sample at least one.  Default
                None: all count.

        Returns:
            (B, N): float32 stays, all else becomes float64.

        Raises:
            TypeError, ValueError: another kind or shape; a sample of which no step counts.

        Example:
            >>> GlobalAveragePooling1D()([[[0, 1], [1, 1]]], mask=[[True, False]])
            array([[0., 1.]])
        """
        x = _sequences("GlobalAveragePooling1D", x)
        if x.shape[1] == 0:
            raise ValueError(
                f"GlobalAveragePooling1D: x must have at least one step, got shape {x.shape}"
            )
        dtype = np.dtype(np.float32 if x.dtype == np.float32 else np.float64)
        x = checks.real("GlobalAveragePooling1D", "x", x, dtype)
        return ops.average_forward(x, mask=mask)

    def _output_shape(self, input_shape):
        _need_sequence(self, input_shape)
        return (input_shape[1],)

    def _core_spec(self, counted, slots, inputs):
        return ("average",)


class Dropout(Layer):
    """In training, zeros with probability `rate`; the others grow by 1 / (1 - rate).

    Else the input as it is.  A model's generator draws one number an epoch, of which the noise
    is made: it depends on the seed and on nothing else.

    Args:
        rate: from 0 to below 1.
        name: Default None.

    Raises:
        TypeError, ValueError: not such a number.

    Source:
        N. Srivastava et al., JMLR 15, 1929-1958 (2014).

    Example:
        >>> Dropout(0.5)([[1.0, 2.0]])
        array([[1., 2.]])
    """

    _checks = {"rate": (checks.fraction,)}

    def __init__(self, rate, name=None):
        super().__init__(name)
        self.rate = rate

    def __call__(self, x):
        """The input: alone, the layer does not train.

        Args:
            x: (..., N) numbers.

        Returns:
            An array of the same numbers.

        Raises:
            TypeError: another kind.

        Example:
            >>> Dropout(0.5)([[1.0, 2.0]])
            array([[1., 2.]])
        """
        return checks.numeric("Dropout", "x", x).copy()

    def _output_shape(self, input_shape):
        return input_shape

    def _core_spec(self, counted, slots, inputs):
        return ("dropout", self.rate, inputs)


class Masking(Layer):
    """Leaves out the steps at which all inputs are `mask_value`; the first layer of a model.

    Units keep their state there and repeat their output, means and losses do not count it.

    Args:
        mask_value: Default 0.
        name: Default None.

    Raises:
        TypeError, ValueError: not a number.

    Example:
        >>> Masking()([[[0, 1], [0, 0]]])
        array([[ True, False]])
    """

    _checks = {"mask_value": (checks.number,)}

    def __init__(self, mask_value=0.0, name=None):
        super().__init__(name)
        self.mask_value = mask_value

    def __call__(self, x):
        """The mask.

        Args:
            x: (B, T, N) numbers or Spikes.

        Returns:
            (B, T) bool, true where a step counts.

        Raises:
            TypeError, ValueError: another kind or shape.

        Example:
            >>> Masking(mask_value=-1)([[[-1, 1], [-1, -1]]])
            array([[ True, False]])
        """
        if not isinstance(x, Spikes):
            return (_sequences("Masking", x) != self.mask_value).any(axis=-1)
        parts = [_sequences("Masking", x[i : i + 256]) for i in range(0, len(x), 256)]
        masks = [(part != self.mask_value).any(axis=-1) for part in parts]
        return np.concatenate(masks) if masks else np.zeros(x.shape[:2], bool)

    def _output_shape(self, input_shape):
        _need_sequence(self, input_shape)
        return input_shape
