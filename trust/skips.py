"""Tests that pytest has skipped: each for a reason that is known here, or a check fails."""

import collections
import re

# Patterns of reasons, and why it is all right that the test is not run there.
KNOWN = {
    "could not import 'torch'": "PyTorch is optional",
    "root may write everywhere": "`files` has root become another",
    "chorales.* (not|neither)": "the chorales are optional",
    "all tests skipped by .SKIP option": "an example that downloads",
    "no locale with a comma": "no such locale is here",
    "the headers of NumPy 1": "a build needs the headers of NumPy 2",
}


def counted(printed, known=KNOWN):
    """How many tests are skipped and why, from what `pytest -rs` has printed."""
    counts, others = collections.Counter(), []
    for number, reason in re.findall(r"^SKIPPED \[(\d+)\] \S+ (.*)", printed, re.MULTILINE):
        whys = [why for pattern, why in known.items() if re.search(pattern, reason)]
        if whys:
            counts[whys[0]] += int(number)
        else:
            others.append(f"{number} x {reason}")
    assert not others, f"skipped for no reason that is known: {'; '.join(others)}"
    totals = re.findall(r"^(?:.* )?(\d+) skipped\b.* in [\d.]+s", printed, re.MULTILINE)
    assert sum(counts.values()) == sum(map(int, totals)), f"{counts} of {totals} skipped tests"
    return counts


def told(counts):
    """'3 skipped (2: PyTorch is optional; 1: ...)'."""
    whys = "; ".join(f"{number}: {why}" for why, number in counts.most_common())
    return f"{counts.total()} skipped" + (f" ({whys})" if whys else "")
