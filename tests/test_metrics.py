"""metrics: their names; what they measure is in test_models.py."""

import neuroai_c as ai
import pytest
from neuroai_c.layers import SNU

METRICS = {
    "Accuracy": ai.metrics.Accuracy,
    "MeanSquaredError": ai.metrics.MeanSquaredError,
    "SpikeCount": lambda **options: ai.metrics.SpikeCount(SNU(2), **options),
}


@pytest.mark.parametrize("kind", METRICS)
def test_name(kind):
    assert METRICS[kind](name="mine").name == "mine"
    for name in (None, 3, b"acc"):
        with pytest.raises(TypeError, match=f"{kind}: name must be a string, got {name!r}"):
            METRICS[kind](name=name)
