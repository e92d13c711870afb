"""Training in threads under ThreadSanitizer: those of the pool, and several of Python at once."""

from . import sanitizers
from .tools import build, prove_that_it_looks

FLAGS = "-O1 -g -fno-omit-frame-pointer -fsanitize=thread"
OPTIONS = "exitcode=66:history_size=4:report_signal_unsafe=0"
MODELS, QUICK_MODELS = 150, 10          # of trust/races_driver.py

# Without this barrier a rank begins with copies of weights that others have not made yet; none
# of its decisions hangs on them, so that the ranks still meet at all other barriers.
PLANTED = {
    "data race": ("network/run.c",
                  "    team_barrier(team);\n\n    for (ptrdiff_t start = 0;",
                  "    for (ptrdiff_t start = 0;"),
}


def check(quick=False):
    lib = build("tsan", FLAGS)
    prove_that_it_looks(
        lambda mistake: driver(sanitizers.planted(lib, FLAGS, *mistake), 2, "baseline"), PLANTED)
    return driver(lib, QUICK_MODELS if quick else MODELS, "") + ": 0 reports"


def driver(lib, models, isa):
    """The last line of what it prints."""
    arguments = ["-m", "trust.races_driver", str(models)]
    said = sanitizers.python(lib, ("tsan",), OPTIONS, arguments, NEUROAI_C_ISA=isa)
    return said.rpartition("\n")[2]
