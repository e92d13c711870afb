"""Data sets: `mnist`, which comes with the package, and `JSB`, which is downloaded."""

from . import mnist
from .jsb import JSB

__all__ = ["JSB", "mnist"]
