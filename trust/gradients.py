"""Gradients by four other ways, and bits by threads and instruction sets: a random sweep."""

import itertools
import os
import statistics
import subprocess
import sys

from .tools import ROOT, Missing, instruction_sets

sys.path.insert(0, str(ROOT / "tests"))         # whose sweep.py has the configurations

COUNTS = {"smooth units": 700, "step units": 700, "smooth nets": 300, "step nets": 200,
          "noisy nets": 100}
WORDS = {
    "SWEEP_EXTENDED": "float64 off extended precision by",
    "SWEEP_NUMERIC": "differences by",
    "SWEEP_ADJOINT": "adjoint by",
    "SWEEP_ADJOINT32": "in float32 by",
    "SWEEP_FLOAT32": "float32 off float64 by",
}


def check(quick=False):
    import sweep
    import tolerances

    if os.environ.get("NEUROAI_C_ISA"):
        raise Missing("chooses the instruction sets itself: NEUROAI_C_ISA must not be set")
    counts = {kind: count // 10 if quick else count for kind, count in COUNTS.items()}
    used, wrong = {}, []
    for kind, count in counts.items():
        for seed in range(count):
            for bound, part in sweep.measure(kind, seed).items():
                used.setdefault(bound, []).append((part, f"{kind} {seed}"))
                if not part <= 1:
                    wrong.append(f"{kind} {seed}: {part:.3g} times {bound}")
    for bound, parts in used.items():
        print(f"{bound} is {getattr(tolerances, bound):g}, used at most {max(parts)[0]:.2g} by "
              f"{max(parts)[1]}, half of {len(parts)} below {_median(parts):.2g}", flush=True)
    assert not wrong, "; ".join(wrong)

    pairs = _pairs(sweep, counts, every=not quick)
    sets = _same_bits(counts)
    worst = (f"{WORDS[bound]} {max(parts)[0] * getattr(tolerances, bound):.1g} "
             f"(median {_median(parts) * getattr(tolerances, bound):.1g}, {len(parts)} times)"
             for bound, parts in used.items() if bound != "SWEEP_NUMERIC")
    return (f"{sum(counts.values()):,} configurations, {pairs} pairs of options; "
            f"{', '.join(worst)}; "
            f"{len(used['SWEEP_NUMERIC'])} by differences within {tolerances.SWEEP_NUMERIC:g} "
            f"and the rounding of the differences; same bits on {', '.join(sets)} "
            "and on 1 to 4 threads")


def _median(parts):
    return statistics.median(part for part, _ in parts)


def _pairs(sweep, counts, every):
    """How many pairs of options the units have met, each with each of its values."""
    names = ["activation", *sweep.OPTIONS]
    values = {"activation": sweep.STEPS + sweep.SMOOTH, **sweep.OPTIONS}
    met = {
        (a, str(options[a]), b, str(options[b]))
        for kind, smooth in (("smooth units", True), ("step units", False))
        for options in (sweep.draw_options(seed, smooth) for seed in range(counts[kind]))
        for a, b in itertools.combinations(names, 2)
    }
    wanted = sum(len(values[a]) * len(values[b]) for a, b in itertools.combinations(names, 2))
    assert len(met) == wanted or not every, f"{len(met)} of {wanted} pairs of options"
    return len(met)


def _same_bits(counts):
    """The instruction sets of this machine, on which every configuration has the same bits."""
    available = instruction_sets()
    digests = {name: _digests(name, counts) for name in available}
    for name, lines in digests.items():
        assert len(lines) == sum(counts.values()), f"{len(lines)} digests on {name}"
        different = [line for line, wanted in zip(lines, digests["baseline"]) if line != wanted]
        assert not different, f"other bits on {name} than on baseline: {'; '.join(different)}"
    return available


def _digests(name, counts):
    done = subprocess.run(
        [sys.executable, "-c", f"import sweep; sweep.print_digests({counts})"],
        env={**os.environ, "NEUROAI_C_ISA": name,
             "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    used, *lines = done.stdout.splitlines()
    assert used == name, f"wanted {name}, ran on {used}"
    return lines
