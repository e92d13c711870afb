"""Prints the mean and the range over runs of `neuroai-c reproduce` as a Markdown table.

    for seed in 0 1 2 3 4; do
        neuroai-c reproduce lateral-inhibition --seed $seed --output results/seed-$seed
    done
    python scripts/seeds_table.py --page lateral-inhibition results/seed-*/results.json
"""

import argparse
import json
import statistics
from pathlib import Path

from neuroai_c.reproduce import PAGES
from neuroai_c.reproduce.common import shown


def main(arguments=None):
    parser = argparse.ArgumentParser(description="The table of seeds of a page.")
    parser.add_argument("--page", choices=PAGES, default="lateral-inhibition")
    parser.add_argument("results", nargs="+", type=Path, help="the runs' results.json")
    options = parser.parse_args(arguments)
    page = PAGES[options.page]
    runs = [json.loads(path.read_text()) for path in options.results]
    seeds = [run["config"]["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        parser.error(f"the runs must have different seeds, got {seeds}")
    for path, run in zip(options.results, runs):
        if not _is_of(page, run):
            parser.error(f"{path}: must be of the page {options.page}")
        if list(run["models"]) != list(runs[0]["models"]):
            parser.error(f"{path}: must have the models {', '.join(runs[0]['models'])}, "
                         f"got {', '.join(run['models'])}")

    print(f"Seeds {', '.join(map(str, seeds))}; {runs[0]['config']['epochs']} epochs.\n")
    heads = ["model"]
    for measure in page.MEASURES:
        heads += [f"published {measure.name}", "obtained"]
    print(f"| {' | '.join(heads)} |")
    print("|" + "---|" * len(heads))
    for name in runs[0]["models"]:
        cells = [page.MODELS[name]]
        for measure in page.MEASURES:
            values = [run["models"][name][measure.key] for run in runs]
            cells += [shown(page.PUBLISHED.get(name, {}), measure), _obtained(values, measure.form)]
        print(f"| {' | '.join(cells)} |")


def _is_of(page, run):
    keys = {measure.key for measure in page.MEASURES}
    return all(name in page.MODELS and keys <= run["models"][name].keys() for name in run["models"])


def _obtained(values, form):
    """Mean and range of the runs' numbers; the median where each run has several."""
    if isinstance(values[0], list):
        return f"{statistics.median(value for run in values for value in run):{form}}"
    return f"**{statistics.fmean(values):{form}}** ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main()
