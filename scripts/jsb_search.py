"""Looks for settings of scripts/jsb_nll.py, by random search on the validation split.

    python scripts/jsb_search.py --net "sSNU recurrent" --trials 60 --output sssnu.jsonl

A trial draws a setting from SPACE, trains once with a seed of its own and adds a line to the
file: the setting, and the validation NLL of the best epoch, null where training diverged.  The
test split is not looked at.  Started again with the same file, the search makes the trials that
are missing: a trial depends on its number only.  One process at a time writes to a file.  At the
end the best trials are printed as a Markdown table.
"""

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import jsb_nll
import numpy as np

# What is drawn, each by itself; of the rate the logarithm is uniform between two ends.  g, the
# activation and the recurrence are those of the net.
SPACE = {
    "units": (100, 200, 400),
    "decay": (0.5, 0.8, 0.9),
    "trainable_decay": (False, True),
    "threshold": (0.0, 0.5, 1.0),
    "dropout": (0.0, 0.2, 0.4),
    "weight_decay": (0.001, 0.01, 0.1),
    "batch_size": (1, 2, 4),
    "epochs": (20, 30, 40, 50),
}
RATES = (0.001, 0.03)

SHOWN = 10  # trials of the table


def draw(net, trial):
    """The Setting and the seed of a trial."""
    rng = np.random.default_rng(trial)
    drawn = {name: values[rng.integers(len(values))] for name, values in SPACE.items()}
    rate = float(f"{np.exp(rng.uniform(*np.log(RATES))):.3g}")
    setting = replace(jsb_nll.SETTINGS[net], **drawn, rate=rate)
    return setting, int(rng.integers(2**32))


def run(net, trial, splits):
    """Trains a trial; returns its line."""
    setting, seed = draw(net, trial)
    line = {"net": net, "trial": trial, "seed": seed, "setting": asdict(setting)}
    try:
        _, result = jsb_nll.train(setting, splits, seed)
    except FloatingPointError:
        return {**line, "valid_nll": None}
    return {**line, **{key: result[key] for key in ("valid_nll", "best_epoch", "seconds")}}


def read(path):
    """The lines of a file, none where there is no file.

    A last line that was cut off while it was written is taken out of the file.
    """
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        os.truncate(path, len(whole.encode()))
    return [json.loads(line) for line in whole.splitlines()]


def table(lines):
    """The best trials as a Markdown table."""
    done = sorted(
        (line for line in lines if line["valid_nll"] is not None),
        key=lambda line: line["valid_nll"],
    )
    heads = ["trial", "NLL on valid", "best epoch", "seconds", "rate", *SPACE]
    rows = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for line in done[:SHOWN]:
        cells = [line["trial"], f"{line['valid_nll']:.3f}", line["best_epoch"],
                 f"{line['seconds']:.0f}", *(line["setting"][name] for name in heads[4:])]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Random search for settings of jsb_nll.py.")
    parser.add_argument("--net", choices=jsb_nll.SETTINGS, required=True)
    parser.add_argument("--trials", type=int, default=50, help="that the file has at the end")
    parser.add_argument("--data", help="folder with JSB; default: as datasets.JSB has it")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines, also of other nets")
    options = parser.parse_args(arguments)

    splits = jsb_nll.load(options.data)
    del splits["test"]
    lines = [line for line in read(options.output) if line["net"] == options.net]
    missing = set(range(options.trials)) - {line["trial"] for line in lines}
    for trial in sorted(missing):
        line = run(options.net, trial, splits)
        lines.append(line)
        with options.output.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{options.net}, trial {trial}: {line['valid_nll']}", flush=True)
    print(f"\n{len(lines)} trials of {options.net}:\n\n{table(lines)}")


if __name__ == "__main__":
    main()
