"""What the pages share: the table of published beside obtained numbers, and the files."""

import importlib.util
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Measure(NamedTuple):
    """A number of a model that the table compares.

    Attributes:
        key: of the model's results.
        short, name: its heading, where there is little room and where there is enough.
        form: how it is printed.
    """

    key: str
    short: str
    name: str
    form: str


ACCURACY = Measure("test_accuracy", "acc.", "accuracy", ".4f")
SECONDS = Measure("epoch_seconds", "s/epoch", "seconds an epoch", ".2f")


def table(results, titles, published, measures):
    """Published beside obtained numbers, as a Markdown table.

    Args:
        results: what a page's run returns; of a list of numbers the table has the mean.
        titles: of the models, by name.
        published: {name: {key: number, or (least, most)}}.
        measures: the columns, Measures.
    """
    heads = [measure.short for measure in measures]
    rows = [["model", f"published {heads[0]}", *heads[1:], f"obtained {heads[0]}", *heads[1:]]]
    for name, result in results["models"].items():
        known = published.get(name, {})
        obtained = [f"{np.mean(result[measure.key]):{measure.form}}" for measure in measures]
        rows.append([titles[name], *(shown(known, measure) for measure in measures), *obtained])
    return markdown(rows)


def markdown(rows):
    """Rows of texts as a Markdown table; the first are its headings."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def shown(published, measure):
    """A model's published number as text; "-" where there is none."""
    if measure.key not in published:
        return "-"
    value = published[measure.key]
    return "{}-{}".format(*value) if isinstance(value, tuple) else f"{value:{measure.form}}"


def write(results, figures, folder):
    """Writes results.json and, where matplotlib is, the figures.

    Args:
        results: what a page's run returns.
        figures: pairs of a file's name and a matplotlib Figure; not touched without matplotlib.
        folder: where to.

    Returns:
        The paths of the files.
    """
    folder = Path(folder)
    paths = [folder / "results.json"]
    paths[0].write_text(json.dumps(results, indent=2) + "\n")
    if importlib.util.find_spec("matplotlib") is not None:
        for name, figure in figures:
            paths.append(folder / name)
            figure.savefig(paths[-1], dpi=90)
    return paths


def say(verbose, text, end="\n"):
    if verbose:
        print(text, end=end, flush=True)
