"""What an object shows of itself: the call that makes it, as text and as data."""

import inspect

from . import checks
from .serialization import deserialize, serialize


class Shown:
    """Its repr is the call that makes it: `__init__` keeps its arguments under their names.

    Objects are equal that are of one class and have equal attributes.

    Example:
        >>> from neuroai_c.optimizers import SGD
        >>> SGD(learning_rate=0.5)
        SGD(learning_rate=0.5, momentum=0.0, nesterov=False)
        >>> SGD(learning_rate=0.5) == SGD(learning_rate=0.1)
        False
    """

    # The kinds (see serialization.py) of the arguments that are such objects themselves.
    _kinds = {}

    # How attributes are checked whenever they are set: a function of checks.py, or one that takes
    # the same, and what it takes besides (where, argument, value).
    _checks = {}

    # The attributes that stay as they are made, where many may have the object.
    _fixed = ()

    def __setattr__(self, name, value):
        if name in self._fixed and hasattr(self, name):
            raise ValueError(f"{self!r}: {name} cannot change: make another one")
        if name in self._checks:
            check, *more = self._checks[name]
            value = check(type(self).__name__, name, value, *more)
        super().__setattr__(name, value)

    def _arguments(self):
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def __repr__(self):
        arguments = self._arguments().items()
        shown = [f"{name}={value!r}" for name, value in arguments if value is not None]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    # Most attributes can be set anew, so there is no hash that lasts.
    __hash__ = None

    def get_config(self):
        """The arguments of the call that makes the object, as data that JSON can hold.

        Returns:
            A dict; an argument that is an object itself: {"class_name": ..., "config": ...}.

        Example:
            >>> from neuroai_c.initializers import Constant
            >>> Constant(0.5).get_config()
            {'value': 0.5}
        """
        return {
            name: serialize(value) if isinstance(value, Shown) else value
            for name, value in self._arguments().items()
        }

    @classmethod
    def from_config(cls, config):
        """The object that has this configuration.

        Args:
            config: what get_config returned.

        Raises:
            TypeError, ValueError: what the constructor refuses.

        Example:
            >>> from neuroai_c.initializers import Constant
            >>> Constant.from_config({"value": 0.5})
            Constant(value=0.5)
        """
        known = inspect.signature(cls).parameters
        if not isinstance(config, dict) or not all(
            isinstance(name, str) and name in known for name in config
        ):
            raise ValueError(
                f"{cls.__name__}: config must be a dict with keys of {', '.join(known) or 'none'}, "
                f"got {checks.shown(config)}"
            )
        arguments = dict(config)
        for name, kind in cls._kinds.items():
            if isinstance(arguments.get(name), dict):
                arguments[name] = deserialize(kind, arguments[name], f"{cls.__name__}: {name}")
        return cls(**arguments)
