"""The C for other machines: aarch64 under an emulator, Windows and macOS as far as it compiles."""

import functools
import itertools
import sysconfig
import venv

import numpy

from .kernels import (
    ONE_COPY,
    PLAIN,
    PROGRAMS,
    STRICT,
    all_builds,
    at_once,
    build_and_run,
    checks_of,
    compile_program,
    project_flags,
    succeed,
)
from .tools import ROOT, WORK, Missing, program

QUICK = ("-O1", ONE_COPY)
# What two libms may differ by, of the largest number of an array, times what follows from it.
ROUNDING = {"f32": 1e-5, "f64": 1e-11}
TARGETS = {
    "x86_64-windows-gnu": ("baseline", "avx2", "avx512"),
    "x86_64-macos": ("baseline", "avx2", "avx512"),
    "aarch64-macos": ("baseline",),
}


def check(quick=False):
    """Raises only after all targets were tried, so that one that fails hides no other."""
    parts, failed = [], []
    for part in (_aarch64, _elsewhere):
        try:
            parts.append(part(quick))
        except (Missing, AssertionError) as error:
            failed.append(error)
    if failed:
        raise type(failed[0])("; ".join([*parts, *map(str, failed)]))
    return "; ".join(parts)


# ---- aarch64 ------------------------------------------------------------------------------


def _aarch64(quick):
    """All programs under qemu, and their numbers against those of this machine."""
    compiler, emulator = program("aarch64-linux-gnu-gcc"), program("qemu-aarch64")
    flags = QUICK if quick else PLAIN
    builds = all_builds(compiler, flags, ["baseline"])

    def run_there(build):
        path = compile_program(build, link=("-static", "-lm", "-pthread"))
        return checks_of(succeed([emulator, path, build.records()]))

    checks = sum(at_once(run_there, builds))
    here = [build._replace(compiler=program("gcc"), flags=QUICK) for build in builds]
    at_once(build_and_run, here)
    same, near, other = map(sum, zip(*map(_compare, builds, here)))
    return (f"aarch64 under {emulator.split('/')[-1]}: {len(builds)} programs, {checks:,} numbers "
            f"right; {same:,} have the bits of {sysconfig.get_platform()}, of the {near:,} that "
            f"libm has a part in {other:,} have others, within rounding")


def _compare(ours, theirs):
    """How many numbers have the same bits, may have others, and have others."""
    same = near = other = 0
    lines = [build.records().read_text().splitlines() for build in (ours, theirs)]
    for line, (mine, wanted) in enumerate(itertools.zip_longest(*lines), 1):
        where = f"{ours.records()}:{line} and {theirs.records()}:{line}"
        assert mine and wanted, f"{where}: one has ended"
        kind = mine.split()[1]
        count = mine.count(" ") - 1
        if kind == "same":
            assert mine == wanted, f"{where} differ:\n{mine[:200]}\n{wanted[:200]}"
            same += count
            continue
        near += count
        if mine != wanted:
            pair = [numpy.array([float.fromhex(word) for word in text.split()[2:]])
                    for text in (mine, wanted)]
            apart = numpy.abs(pair[0] - pair[1])
            bound = ROUNDING[ours.precision] * numpy.abs(pair[1]).max()
            assert apart.max() <= bound, f"{where} are {apart.max():.3g} apart"
            other += numpy.count_nonzero(apart)
    return same, near, other


# ---- Windows and macOS ------------------------------------------------------------------------


def _elsewhere(quick):
    """All programs compiled and linked, and for macOS the whole extension compiled and linked."""
    zig = _zig()
    programs = ("matmul", "network") if quick else PROGRAMS
    parts = []
    for target, isas in TARGETS.items():
        command = [*zig, "-target", target]
        builds = all_builds(target, QUICK, isas[:1] if quick else isas, programs)
        compile_here = functools.partial(compile_program, command=command)
        compile_here(builds[0])         # alone: zig builds the target's libraries and keeps them
        at_once(compile_here, builds[1:])
        said = f"{target}: {len(builds)} programs compiled and linked"
        if "macos" in target:
            said += f", the extension of {_extension(command, target, quick)} files too"
        parts.append(said)
    return "; ".join(parts)


def _extension(command, target, quick):
    """Compiles and links neuroai_c._core for a target, with this machine's headers of Python and
    NumPy; returns how many files it has."""
    folder = WORK / "kernels" / f"extension_{target}"
    folder.mkdir(parents=True, exist_ok=True)
    # NumPy's headers, as they are configured for Linux, include one that macOS has elsewhere
    (folder / "endian.h").write_text("#include <machine/endian.h>\n")
    # the variants include the rest of the border, as they do the kernels and the network
    sources = [ROOT / "csrc" / f"{name}.c" for name in (
        "kernels/spikes", "python/border", "python/module", "python/py_spikes", "python/py_team",
        "runtime/isa", "runtime/team",
    )] + sorted((ROOT / "csrc" / "variants").glob("*.c"))
    includes = [f"-I{folder}", f"-I{sysconfig.get_paths()['include']}", f"-I{numpy.get_include()}"]
    level = QUICK if quick else (*PLAIN, ONE_COPY)

    def compile_one(source):
        result = folder / f"{source.stem}.o"
        succeed([*command, *project_flags(), *level, *STRICT, *includes,
                 "-DNPY_TARGET_VERSION=NPY_1_23_API_VERSION", "-c", source, "-o", result])
        return result

    objects = at_once(compile_one, sources)
    succeed([*command, "-shared", "-undefined", "dynamic_lookup", *objects,
             "-o", folder / "_core.so"])
    return len(sources)


def _zig():
    """The command of the package ziglang, in an environment of its own."""
    folder = WORK / "zig"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    try:
        succeed([python, "-m", "ziglang", "version"])
    except AssertionError:
        try:
            succeed([python, "-m", "pip", "install", "--quiet", "ziglang"])
        except AssertionError as error:
            raise Missing(f"pip cannot have ziglang: {error}") from None
    return [python, "-m", "ziglang", "cc"]
