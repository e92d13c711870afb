"""Recorded numbers; golden/README.md says what each array is."""

import functools
import pathlib

import numpy as np

from twin.cases import Case


@functools.lru_cache(maxsize=None)
def golden(name):
    """All arrays of a recorded file, nested: `golden("layers")[case]["f64"]["y"]`."""
    nested = {}
    with np.load(pathlib.Path(__file__).parents[1] / "golden" / f"{name}.npz") as arrays:
        for key in arrays:
            *folders, last = key.split("/")
            functools.reduce(lambda d, folder: d.setdefault(folder, {}), folders, nested)[last] = arrays[key]
    return nested


def named_activation(name, dtype, activation):
    """`activation` makes one from a name and its parameters, where it has any."""
    # float64 was recorded with TensorFlow's float32 alpha
    alpha = float(np.float32(0.1)) if dtype == np.float64 else 0.1
    return activation(name, alpha=alpha) if name == "leaky_rel" else name


def golden_case(recorded, dtype, activation):
    """The `Case` of a recorded layer; `activation` makes one from a name and its parameters."""
    h = named_activation(str(recorded["activation"]), dtype, activation)
    if h == "step_function":
        slope = named_activation(str(recorded["pseudoderivative_of"]), dtype, activation)
        h = activation(h, pseudoderivative_of=slope)
    case = Case(x=recorded["x"], kernel=recorded["kernel"], bias=recorded["bias"],
                recurrent_kernel=recorded.get("recurrent_kernel"), decay=float(recorded["decay"]),
                y_0=recorded.get("initial_y"), V_0=recorded.get("initial_V"), dy=recorded["C"],
                dy_state=None, dV_state=None, activation=h,
                g=named_activation(str(recorded["g"]), dtype, activation),
                lateral_inhibition=bool(recorded["lateral_inhibition"]), mask=recorded.get("mask"))
    return case.cast(dtype)
