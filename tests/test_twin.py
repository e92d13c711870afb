"""The twin itself: against the recorded numbers, finite differences, and its own forward mode.

It needs nothing of the package, so a failure elsewhere with success here points at a kernel.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import twin
from tolerances import (ADJOINT, FLOAT32_GRADIENT, FLOAT32_VALUE, GOLDEN_GRADIENT, GOLDEN_VALUE,
                        NUMERIC, NUMERIC_MARGIN, NUMERIC_STEP, assert_close)

GATES = [False, "batch", "sample"]
POTENTIALS = ["identity", "leaky_rel", "relu", "tanh", "sigmoid"]


def activation(name, **parameters):
    return SimpleNamespace(name=name, **parameters)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("file", ["layers", "pseudo"])
def test_recorded_layers(file, dtype):
    value, gradient = {np.float64: (GOLDEN_VALUE, GOLDEN_GRADIENT),
                       np.float32: (FLOAT32_VALUE, FLOAT32_GRADIENT)}[dtype]
    for name in twin.golden(file)["cases"]:
        recorded = twin.golden(file)[str(name)]
        case = twin.golden_case(recorded, dtype, activation)
        y, V = case.forward(twin)
        gradients = case.backward(twin, y, V)

        desired = recorded["f64" if dtype == np.float64 else "f32"]
        assert_close(y, desired["y"], value, f"{name}: y")
        assert_close(V, recorded["f64"]["V"], value, f"{name}: V")
        for parameter in ("x", "kernel", "bias", "recurrent_kernel"):
            if f"d_{parameter}" in desired:
                assert_close(getattr(gradients, parameter), desired[f"d_{parameter}"], gradient,
                             f"{name}: {parameter}")


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("g", POTENTIALS)
@pytest.mark.parametrize("h", ["sigmoid", "relu"])
def test_finite_differences(g, h, lateral_inhibition):
    case = twin.random_case(g=g, activation=h, lateral_inhibition=lateral_inhibition, recurrent=True,
                            state=True, decay_per_unit=True, B=2, T=5, N=3, M=3, margin=NUMERIC_MARGIN)
    gradients = twin.parameters(case.backward(twin, *case.forward(twin)))
    assert len(gradients) == 7
    for name, gradient in gradients.items():
        numeric = twin.numeric_gradient(lambda a, name=name: case.replace(**{name: a}).loss(twin),
                                        getattr(case, name), NUMERIC_STEP)
        assert_close(gradient, numeric, NUMERIC, name)


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("g", POTENTIALS)
def test_backward_is_the_transpose_of_the_tangent(g, lateral_inhibition):
    case = twin.random_case(g=g, lateral_inhibition=lateral_inhibition, recurrent=True, state=True,
                            decay_per_unit=True, T=30)
    y, V = case.forward(twin)
    forward, backward, size = twin.dot_products(case, case.backward(twin, y, V), y, V)
    assert abs(forward - backward) <= ADJOINT * size


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_shared_decay_is_the_sum_over_units(lateral_inhibition):
    case = twin.random_case(lateral_inhibition=lateral_inhibition, decay_per_unit=False)
    per_unit = case.replace(decay=np.full(4, case.decay))
    y, V = case.forward(twin)
    assert_close(case.backward(twin, y, V).decay, per_unit.backward(twin, y, V).decay.sum(), GOLDEN_VALUE)
