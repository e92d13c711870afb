"""How much memory a step of a long sequence takes in training.

    python -m benchmarks.memory

Trains on one sequence of 10,000 steps and on one of 20,000, each in a process of its own, and
prints the difference of their peaks, a unit and step.  In float32 y, V and D take 12 bytes.
"""

import argparse
import subprocess
import sys

import numpy as np

STEPS = (10_000, 20_000)
INPUTS = OUTPUTS = 88
NETS = {
    "150, dense 88": ((150,), True, {}),
    "256, 88": ((256,), False, {}),
    "256 backwards, recurrent, 88": ((256,), False, {"go_backwards": True, "recurrent": True}),
}


def main():
    for name, (hidden, dense, _) in NETS.items():
        peaks = [
            int(subprocess.check_output([sys.executable, "-m", "benchmarks.memory", name, str(T)]))
            for T in STEPS
        ]
        growth = (peaks[1] - peaks[0]) / (STEPS[1] - STEPS[0]) / (sum(hidden) + OUTPUTS)
        print(f"{name}: {growth:.3f} bytes a unit and step")


def peak(name, steps):
    """Bytes that training on one sequence adds to the process, at their peak."""
    import neuroai_c as ai

    hidden, dense, options = NETS[name]
    rng = np.random.default_rng(0)
    x = ai.Spikes.from_dense(rng.random((1, steps, INPUTS)) < 0.05)
    y = (rng.random((1, steps, OUTPUTS)) < 0.05).astype(np.float32)
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS])], seed=0)
    for units in hidden:
        # Recurrence that begins at zero stays in range over many steps.
        model.add(ai.layers.SNU(units, g="leaky_rel", return_sequences=True,
                                recurrent_initializer="zeros", **options))
    model.add(ai.layers.Dense(OUTPUTS) if dense
              else ai.layers.SNU(OUTPUTS, g="leaky_rel", return_sequences=True))
    model.compile("adam", "mse")
    before = status("VmRSS")
    model.train_on_batch(x, y)
    return status("VmHWM") - before


def status(entry):
    """Bytes, as Linux counts them for this process."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(entry))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", help=argparse.SUPPRESS)     # for a process of its own
    part = parser.parse_args().part
    if part:
        print(peak(part[0], int(part[1])))
    else:
        main()
