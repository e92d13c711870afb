"""The package's version, as its metadata has it."""

from importlib import metadata

__version__ = metadata.version("neuroai_c")
