"""Results as tables and as a plot."""

from statistics import median

from .environments import RIVALS
from .jobs import JOBS

FRAMEWORKS = ("jax_scan", "torch_events", "torch_compile", "torch_eager")


def tables(results):
    """Markdown: how many times longer rivals take than this library, with the range over runs."""
    runs = {(run["job"], run["threads"], run["rival"]): run for run in results["runs"]}
    machine = results["machine"]
    text = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['instruction set']}.  A number "
        "is a rival's time divided by this library's, run by run in turn: the median and, in "
        "brackets, the range.",
    ]
    main = [job for job in JOBS if job.group in ("page", "encode", "speech", "jsb")]
    main = [job for job in main if any(key[0] == job.name for key in runs)]
    columns = [(job, threads) for job in main
               for threads in sorted({t for j, t, _ in runs if j == job.name})]
    rows = [["", *(f"{job.title}, {_threads(t)}" for job, t in columns), "peak memory, SNN"]]
    for rival, (title, _) in RIVALS.items():
        cells = [_cell(runs, job.name, t, rival) for job, t in columns]
        if any(cells):
            rows.append([title, *(cell or "-" for cell in cells), _memory(runs, "snn", rival)])
    text.append(_markdown(rows))

    varied = [job for job in JOBS if any(key[0] == job.name for key in runs)
              and (job.group == "varied" or job.name == "snn")]
    compared = [rival for rival in RIVALS
                if any(key[0] == job.name and key[2] == rival for key in runs
                       for job in varied if job.group == "varied")]
    for threads in sorted({t for _, t, _ in runs}):
        rows = [[f"{_threads(threads)}", *(RIVALS[rival][0] for rival in compared),
                 "an example, beside SNN", "peak memory"]]
        for job in varied:
            cells = [_cell(runs, job.name, threads, rival) for rival in compared]
            if not any(cells):
                continue
            rows.append([job.title, *(cell or "-" for cell in cells),
                         _beside(runs, job, threads), _memory(runs, job.name, "neuroai_c")])
        if len(rows) > 2:               # more than the page's SNN, to compare with
            text.append(_markdown(rows))
    return "\n\n".join(text) + "\n"


def plot(results, path):
    from matplotlib.figure import Figure

    runs = {(run["job"], run["threads"], run["rival"]): run for run in results["runs"]}
    page = [job for job in JOBS if (job.name, 2, "neuroai_c") in runs and job.group == "page"]
    figure = Figure(figsize=(9, 1.2 + 0.9 * len(RIVALS) * 0.45), layout="constrained")
    ax = figure.subplots()
    rivals = [rival for rival in RIVALS if any((job.name, 2, rival) in runs for job in page)]
    height = 0.8 / max(1, len(page))
    for number, job in enumerate(page):
        places, ratios = [], []
        for row, rival in enumerate(rivals):
            ratio = _ratios(runs, job.name, 2, rival)
            if ratio:
                places.append(row + (number - (len(page) - 1) / 2) * height)
                ratios.append(median(ratio))
        bars = ax.barh(places, ratios, height, label=job.title)
        ax.bar_label(bars, fmt="%.3g", padding=2, fontsize=8)
    ax.set_yticks(range(len(rivals)), [RIVALS[rival][0] for rival in rivals])
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.margins(x=0.12)
    ax.set_xlabel("time of an epoch, neuroai_c = 1; two threads")
    ax.legend(loc="lower right")
    figure.savefig(path, dpi=90)


def _ratios(runs, job, threads, rival):
    run = runs.get((job, threads, rival))
    return [b / a for a, b in zip(run["beside"], run["seconds"])] if run else []


def _cell(runs, job, threads, rival):
    ratios = _ratios(runs, job, threads, rival)
    if not ratios:
        return ""
    if rival == "neuroai_c":
        return f"{median(runs[job, threads, rival]['seconds']):.3g} s"
    return f"{median(ratios):.3g} ({min(ratios):.3g}-{max(ratios):.3g})"


def _beside(runs, job, threads):
    """This library's time an example, as a multiple of that of the page's SNN."""
    ours, page = runs.get((job.name, threads, "neuroai_c")), runs.get(("snn", threads, "neuroai_c"))
    if not ours or not page:
        return "-"
    samples = {job.name: job.samples for job in JOBS}
    return f"{median(ours['seconds']) / job.samples / (median(page['seconds']) / samples['snn']):.2f}"


def _memory(runs, job, rival):
    peaks = [run["bytes"] for key, run in runs.items() if key[0] == job and key[2] == rival]
    return f"{max(peaks) / 2**20:.0f} MB" if peaks else "-"


def _threads(number):
    return f"{number} thread{'s' if number > 1 else ''}"


def _markdown(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
