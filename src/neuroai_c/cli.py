"""The command `neuroai-c`."""

import argparse
import functools
import importlib.util
import sys
from pathlib import Path

from . import runtime
from .reproduce import PAGES
from .version import __version__


def main(arguments=None):
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("\nneuroai-c: interrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, TypeError, FloatingPointError, ImportError) as error:
        print(f"neuroai-c: {error}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="neuroai-c", description="Spiking neural networks trained on ordinary CPUs."
    )
    parser.add_argument("--version", action="version", version=f"neuroai-c {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    info = commands.add_parser("info", help="versions, build and threads")
    info.set_defaults(run=_info)

    reproduce = commands.add_parser("reproduce", help="reproduce a page of the toolkit")
    pages = reproduce.add_subparsers(required=True, metavar="page")
    for name, page in PAGES.items():
        _add_page(pages, name, page)
    return parser


def _add_page(pages, name, page):
    """The options are those of every page; the defaults are the page's own."""
    parser = pages.add_parser(
        name,
        help=f'"{page.TITLE}"',
        description=f'Reproduces the page "{page.TITLE}": trains its models, prints '
        "published beside obtained numbers, writes figures and results.json.",
    )
    parser.add_argument(
        "--epochs",
        type=_positive,
        help=f"default: {page.EPOCHS}, or {page.QUICK[-1]} with --quick",
    )
    parser.add_argument(
        "--seed", type=_natural, default=0, help="of weights and shuffling; default: 0"
    )
    parser.add_argument(
        "--batch-size",
        type=_positive,
        default=page.BATCH_SIZE,
        help=f"samples a step of training; default: {page.BATCH_SIZE}",
    )
    parser.add_argument(
        "--models",
        type=functools.partial(_models, tuple(page.MODELS)),
        default=",".join(page.MODELS),
        help=f"which to train; default: {','.join(page.MODELS)}",
    )
    parser.add_argument("--data", help=page.DATA)
    parser.add_argument(
        "--output",
        default=f"results/{name}",
        help=f"folder for what is written; default: results/{name}",
    )
    parser.add_argument("--threads", type=_threads, help="default: the cores, at most 8")
    parser.add_argument(
        "--quick", action="store_true", help=f"a run of seconds on a part of the {page.SAMPLES}"
    )
    parser.set_defaults(run=_reproduce, page=page)


def _integer(text, least, most=None):
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise argparse.ArgumentTypeError(f"must be an integer, {bounds}, got {text!r}")
    return int(text)


def _positive(text):
    return _integer(text, 1)


def _natural(text):
    return _integer(text, 0)


def _threads(text):
    return _integer(text, 1, runtime.MOST_THREADS)


def _models(known, text):
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"must be among {', '.join(known)}, got {name!r}")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"must name each model once, got {text!r}")
    return names


def _info(options):
    runtime.show_versions()
    return 0


def _reproduce(options):
    page = options.page
    if options.threads is not None:
        runtime.set_num_threads(options.threads)
    # Before the work, so that a folder that cannot be written to costs none of it.
    folder = Path(options.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"--output: cannot make the folder {folder}: {error.strerror}") from error

    results, *made = page.run(
        options.models,
        epochs=options.epochs,
        seed=options.seed,
        batch_size=options.batch_size,
        data=options.data,
        quick=options.quick,
    )
    print(f"\n{page.table(results)}\n")
    if options.quick:
        config = results["config"]
        print(
            f"A quick run: {config[f'train_{page.SAMPLES}']:,} training {page.SAMPLES}, "
            f"epochs: {config['epochs']}. Its numbers are not those of the page.\n"
        )
    for path in page.write(results, *made, folder):
        print(f"wrote {path}")
    if importlib.util.find_spec("matplotlib") is None:
        print("No figures: they need matplotlib, pip install 'neuroai_c[plot]'.")
    return 0
