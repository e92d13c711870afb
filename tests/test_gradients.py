"""Some of the random configurations of sweep.py; trust/gradients.py has a thousand more."""

import pytest
import sweep

COUNTS = dict(zip(sweep.KINDS, (14, 14, 12, 12, 8), strict=True))


@pytest.mark.parametrize("kind, seed", [(kind, seed) for kind, count in COUNTS.items()
                                        for seed in range(count)])
def test_gradients(kind, seed):
    for bound, part in sweep.measure(kind, seed).items():
        assert part <= 1, bound
    sweep.digest(kind, seed)
