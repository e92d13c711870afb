"""What the checks with sanitizers share: Python in such a build, and proof that it looks."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig

import numpy

from .tools import ROOT, WORK, Missing, program, run

# Said where malloc returns NULL, as it has to for a size that no machine has.
NO_ROOM = r"==\d+==WARNING: AddressSanitizer failed to allocate 0x[0-9a-f]+ bytes\n"


def python(lib, runtimes, options, arguments, **variables):
    """Runs Python with a build's folder first; returns what it prints.

    Whatever the sanitizer reports, also of processes that this one starts, goes to files: tests
    catch what is written to the terminal.  A report or a failure raises AssertionError.
    """
    reports = lib.parent / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    options = f"{options}:log_path={reports}/report"
    if "ubsan" in runtimes:             # its own call for that ends in the library before it
        (lib / "sitecustomize.py").write_text(
            "import ctypes\n"
            f"library = ctypes.CDLL({runtime('ubsan')!r})\n"
            f"library.__sanitizer_set_report_path({os.fsencode(reports / 'report')!r})\n")
    print("+ python", *arguments, flush=True)
    done = subprocess.run(
        [sys.executable, *arguments], check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        preexec_fn=fixed_addresses,
        env={**os.environ, **environment(lib, runtimes, options, **variables)},
    )
    said = [path.read_text(errors="replace") for path in sorted(reports.iterdir())]
    said = [text for text in said if re.sub(NO_ROOM, "", text).strip()]
    assert not said, f"{len(said)} reports, the first:\n{said[0]}"
    assert done.returncode == 0, f"exit {done.returncode}:\n{done.stdout[-20000:]}"
    return done.stdout.strip()


def environment(lib, runtimes, options, **variables):
    """In which Python runs a build; `fixed_addresses` has to run before it too."""
    return {
        "LD_PRELOAD": " ".join(map(runtime, runtimes)),
        "PYTHONPATH": str(lib),
        "NEUROAI_C_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "1",
        "ASAN_OPTIONS": options, "UBSAN_OPTIONS": options, "TSAN_OPTIONS": options,
        **variables,
    }


def fixed_addresses():
    """Runs in the new process: chance may place memory where a sanitizer keeps its own."""
    ctypes.CDLL(None).personality(0x0040000)            # ADDR_NO_RANDOMIZE


def runtime(name):
    """The path of a sanitizer's library, which has to be there before Python is."""
    path = subprocess.run([program("gcc"), f"-print-file-name=lib{name}.so"], check=True,
                          capture_output=True, text=True).stdout.strip()
    if "/" not in path:
        raise Missing(f"needs gcc's lib{name}.so")
    return path


def planted(lib, flags, path, right, wrong):
    """The build once more with a mistake: in csrc/path, `wrong` stands for `right`.

    Only the variant of float32 that every machine has is compiled anew, in a hurry:
    NEUROAI_C_ISA has to choose it.
    """
    folder = WORK / f"{lib.parent.name}-planted"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "csrc", folder / "csrc")
    shutil.copytree(lib, folder / "lib")
    text = (folder / "csrc" / path).read_text()
    assert text.count(right) == 1, f"{path} must have {right!r} once: choose another mistake"
    (folder / "csrc" / path).write_text(text.replace(right, wrong))
    variant = "csrc/variants/f32_baseline"
    run([program("gcc"), "-std=c11", *flags.split(), "-O0", "-fPIC", "-ffp-contract=off", "-w",
         "-DNPY_TARGET_VERSION=NPY_1_23_API_VERSION", "-I", sysconfig.get_path("include"),
         "-I", numpy.get_include(), "-c", folder / f"{variant}.c", "-o", folder / "variant.o"])
    objects = [path for path in (lib.parent / "objects").rglob("*.o")
               if not path.with_suffix("").as_posix().endswith(variant)]
    (extension,) = (folder / "lib" / "neuroai_c").glob("_core*.so")
    run([program("gcc"), "-shared", "-pthread", *flags.split(), folder / "variant.o", *objects,
         "-lm", "-o", extension])
    return folder / "lib"
