"""What an object shows of itself."""

import inspect


class Shown:
    """Its repr is the call that makes it: `__init__` keeps its arguments under their names."""

    def __repr__(self):
        names = inspect.signature(type(self)).parameters
        shown = [f"{name}={getattr(self, name)!r}" for name in names if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(shown)})"
