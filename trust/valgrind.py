"""The kernels' C programs under valgrind's memcheck: no error, no leak."""

from .kernels import (
    ONE_COPY,
    all_builds,
    at_once,
    checks_of,
    compile_program,
    isas_here,
    succeed,
)
from .tools import program

# Outputs are left as malloc gives them: valgrind tells a number that a kernel left out.
FLAGS = ("-O1", "-g", "-DNEUROAI_UNSET")
MEMCHECK = ("--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=all",
            "--errors-for-leak-kinds=all", "--quiet")
KNOWN = ("baseline", "avx2")            # valgrind knows no AVX-512


def check(quick=False):
    valgrind = program("valgrind")
    isas = [isa for isa in isas_here() if isa in KNOWN]
    if quick:
        builds = all_builds(program("gcc"), (*FLAGS, *ONE_COPY), isas[:1])
    else:
        builds = all_builds(program("gcc"), FLAGS, isas)

    def run_one(build):
        return checks_of(succeed([valgrind, *MEMCHECK, compile_program(build)]))

    checks = sum(at_once(run_one, builds))
    return (f"{len(builds)} builds of the programs ({' '.join(isas if not quick else isas[:1])}), "
            f"{checks:,} numbers right, 0 errors, 0 leaks")
