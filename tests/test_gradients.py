"""Some of the random configurations of sweep.py; trust/gradients.py has a thousand more."""

import itertools

import numpy as np
import pytest
import sweep

COUNTS = dict(zip(sweep.KINDS, (14, 14, 12, 12, 8), strict=True))


@pytest.mark.parametrize("kind, seed", [(kind, seed) for kind, count in COUNTS.items()
                                        for seed in range(count)])
def test_gradients(kind, seed):
    for bound, part in sweep.measure(kind, seed).items():
        assert part <= 1, bound
    sweep.digest(kind, seed)


@pytest.mark.parametrize("kind", [kind for kind in sweep.KINDS if "nets" in kind])
def test_a_gradient_that_is_no_number_is_seen(kind, monkeypatch):
    gradients, found = sweep.Net.gradients, set()
    for place in itertools.count():
        def broken(net, model):
            arrays = gradients(net, model)
            if place < len(arrays):
                arrays[place][...] = np.nan
                found.add(place)
            return arrays

        monkeypatch.setattr(sweep.Net, "gradients", broken)
        parts = sweep.measure(kind, 0)
        if place not in found:
            break
        assert not all(part <= 1 for part in parts.values()), place
    assert len(found) >= 2 and all(part <= 1 for part in parts.values())
