"""Data sets that come with the package: `mnist`."""

from . import mnist

__all__ = ["mnist"]
