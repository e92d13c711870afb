"""The interpreters that rivals run in, each a virtual environment of its own.

Their NumPy versions exclude one another, and PyTorch is installed first and alone: no other
package may bring another build of it.
"""

import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).parent.parent / ".benchmarks"

# environment: what pip is called with, one call after the other
ENVIRONMENTS = {
    "numba": [["numba==0.68.1", "scipy==1.17.1"]],
    "jax": [["jax==0.10.2"]],
    "torch": [
        ["torch==2.13.0"],
        ["torch==2.13.0", "snntorch==1.0.0", "norse==1.1.0", "loguru"],
        ["--no-deps", "spikingjelly==2.0.0"],
    ],
    "tensorflow": [["tensorflow-cpu==2.15.1"]],
}

# rival, a module of benchmarks.rivals: (title, environment; None is this interpreter's own)
RIVALS = {
    "neuroai_c": ("neuroai_c", None),
    "numba_events": ("Numba, event-driven", "numba"),
    "jax_scan": ("JAX, scan over batches and time", "jax"),
    "torch_events": ("PyTorch, embedding_bag + compile", "torch"),
    "torch_compile": ("PyTorch, torch.compile", "torch"),
    "torch_eager": ("PyTorch, eager", "torch"),
    "tensorflow_xla": ("toolkit's layers, XLA, 100 batches a call", "tensorflow"),
    "tensorflow_toolkit": ("toolkit's layers, as published", "tensorflow"),
    "snntorch_leaky": ("snnTorch, Leaky", "torch"),
    "norse_lif": ("Norse, LIF", "torch"),
    "spikingjelly_lif": ("SpikingJelly, LIF", "torch"),
    "numpy_plain": ("NumPy", None),
}


def python_of(rival):
    """The interpreter of a rival, or None where its environment is not there."""
    environment = RIVALS[rival][1]
    if environment is None:
        return sys.executable
    python = FOLDER / environment / "bin" / "python"
    return str(python) if python.exists() else None


def install(names):
    for name in names:
        folder = FOLDER / name
        print(f"{name}: {folder}", flush=True)
        venv.create(folder, with_pip=True)
        for packages in ENVIRONMENTS[name]:
            subprocess.run(
                [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages],
                check=True,
            )
