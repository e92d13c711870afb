"""Prints the mean and the range over runs of `neuroai-c reproduce` as a Markdown table.

    for seed in 0 1 2 3 4; do
        neuroai-c reproduce lateral-inhibition --seed $seed --output results/seed-$seed
    done
    python scripts/seeds_table.py results/seed-*/results.json
"""

import json
import statistics
import sys
from pathlib import Path

from neuroai_c.reproduce.lateral_inhibition import MODELS, PUBLISHED


def main(paths):
    runs = [json.loads(Path(path).read_text()) for path in paths]
    seeds = [run["config"]["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise SystemExit(f"the runs must have different seeds, got {seeds}")
    print(f"Seeds {', '.join(map(str, seeds))}; {runs[0]['config']['epochs']} epochs.\n")
    print("| model | published accuracy | obtained | published spikes | obtained | published "
          "seconds an epoch | obtained |")
    print("|---|---|---|---|---|---|---|")
    for name in runs[0]["models"]:
        results = [run["models"][name] for run in runs]
        seconds = [value for result in results for value in result["epoch_seconds"]]
        cells = [MODELS[name][0]]
        accuracy, spikes, published = PUBLISHED.get(name, (None, None, None))
        cells.append(f"{accuracy:.4f}" if accuracy else "-")
        cells.append(_mean_and_range([r["test_accuracy"] for r in results], ".4f"))
        cells.append(f"{spikes:.1f}" if spikes else "-")
        cells.append(_mean_and_range([r["test_spikes"] for r in results], ".1f"))
        cells.append(f"{min(published)}-{max(published)}" if published else "-")
        cells.append(f"{statistics.median(seconds):.2f}")
        print("| " + " | ".join(cells) + " |")


def _mean_and_range(values, form):
    mean = statistics.fmean(values)
    return f"**{mean:{form}}** ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main(sys.argv[1:])
