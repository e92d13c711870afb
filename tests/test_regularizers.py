"""regularizers: names, numbers, and what is refused."""

import numpy as np
import pytest
from neuroai_c import regularizers


def test_get():
    assert regularizers.get("l1") == regularizers.L1() == regularizers.L1(l1=0.01)
    assert regularizers.get(None) is None
    mine = regularizers.L1(0.5)
    assert regularizers.get(mine) is mine


@pytest.mark.parametrize("identifier, error", [("l2", ValueError), ("L1", ValueError), (0.1, TypeError),
                                               (regularizers.L1, TypeError), (abs, TypeError)], ids=str)
def test_unknown(identifier, error):
    with pytest.raises(error, match="SNU: activity_regularizer must be .*l1"):
        regularizers.get(identifier, "SNU", "activity_regularizer")


@pytest.mark.parametrize("l1, error", [(-1e-5, ValueError), (np.nan, ValueError), (np.inf, ValueError),
                                       ("0.1", TypeError), (None, TypeError), (True, TypeError)], ids=str)
def test_bad_l1(l1, error):
    with pytest.raises(error, match="L1: l1 must be"):
        regularizers.L1(l1)
    assert regularizers.L1(0).l1 == 0
