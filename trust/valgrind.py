"""The kernels' C programs under valgrind's memcheck: no error, no leak."""

from .kernels import (
    ONE_COPY,
    OVERRUN,
    all_builds,
    at_once,
    checks_of,
    compile_planted,
    compile_program,
    succeed,
)
from .tools import instruction_sets, program, prove_that_it_looks

# Outputs are left as malloc gives them: valgrind tells a number that a kernel left out.
FLAGS = ("-O1", "-g", "-DNEUROAI_UNSET")
MEMCHECK = ("--error-exitcode=99", "--leak-check=full", "--quiet")
# The pool's threads are there until the program ends, and with them what the C library has
# allocated for each.
LEAKS = {"network": "definite,indirect"}
# What it has to find.
PLANTED = {
    "Invalid write": OVERRUN,
    "depends on uninitialised value": 'if (p[argc]) puts("");',
    "definitely lost": "p = argc > 9 ? p : NULL;",
}
KNOWN = ("baseline", "avx2")            # valgrind knows no AVX-512


def check(quick=False):
    valgrind = program("valgrind")
    isas = [isa for isa in instruction_sets() if isa in KNOWN]
    if quick:
        builds = all_builds(program("gcc"), (*FLAGS, ONE_COPY), isas[:1])
    else:
        builds = all_builds(program("gcc"), FLAGS, isas)

    def look(path, kinds="all"):
        return succeed([valgrind, *MEMCHECK, f"--show-leak-kinds={kinds}",
                        f"--errors-for-leak-kinds={kinds}", path])

    def run_one(build):
        return checks_of(look(compile_program(build), LEAKS.get(build.name, "all")))

    prove_that_it_looks(
        lambda mistake: look(compile_planted(program("gcc"), FLAGS, mistake)), PLANTED)
    checks = sum(at_once(run_one, builds))
    return (f"{len(builds)} builds of the programs ({' '.join(isas if not quick else isas[:1])}), "
            f"{checks:,} numbers right, 0 errors, 0 leaks")
