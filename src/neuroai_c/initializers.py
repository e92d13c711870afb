"""What weights begin with, by name or as objects: called with a shape and a generator."""

import numpy as np

from . import checks


class Initializer:
    """Draws or makes the first numbers of a weight."""

    def __call__(self, shape, rng):
        """A float64 array of `shape`, drawn from a numpy.random.Generator where it draws."""
        raise NotImplementedError


class GlorotUniform(Initializer):
    """Uniform in +-sqrt(6 / (rows + columns)).

    Source:
        X. Glorot and Y. Bengio, AISTATS 2010.

    Example:
        >>> w = GlorotUniform()((3, 3), np.random.default_rng(0))
        >>> bool((np.abs(w) <= 1).all())
        True
    """

    def __call__(self, shape, rng):
        limit = np.sqrt(6 / (shape[0] + shape[-1]))
        return rng.uniform(-limit, limit, shape)


class Constant(Initializer):
    """The same number everywhere.

    Args:
        value: that number.  Default 0.

    Example:
        >>> Constant(0.5)((2,), None)
        array([0.5, 0.5])
    """

    def __init__(self, value=0.0):
        self.value = checks.number("Constant", "value", value)

    def __call__(self, shape, rng):
        return np.full(shape, self.value)


class Ones(Constant):
    """Ones."""

    def __init__(self):
        super().__init__(1.0)


class Zeros(Constant):
    """Zeros."""

    def __init__(self):
        super().__init__(0.0)


_BY_NAME = {"glorot_uniform": GlorotUniform, "ones": Ones, "zeros": Zeros}


def get(identifier, where="initializers.get", argument="identifier"):
    """The initializer of a name, or the initializer itself.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an initializer.
    """
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier]()
    raise TypeError(
        f"{where}: {argument} must be an initializer of neuroai_c or one of its names "
        f"({', '.join(_BY_NAME)}), got {identifier!r}"
    )
