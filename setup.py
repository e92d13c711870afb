"""The compiled part; everything else is in pyproject.toml."""

import concurrent.futures
import glob
import os

import numpy
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CFLAGS = [
    "-std=c11",
    "-O3",
    # One rounding an operation; no error flags to keep, so that loops with sqrt and with
    # comparisons run on vectors.  None of these changes a result.
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wpointer-arith",
    "-Wvla",
]
# An environment variable and no default: a newer compiler's new warning is no
# reason for a user's installation to fail.
if os.environ.get("NEUROAI_C_WERROR"):
    CFLAGS.append("-Werror")
# Behind all others, so that a check can build with sanitizers or less optimization.
MORE_FLAGS = os.environ.get("NEUROAI_C_CFLAGS", "").split()


class BuildAtOnce(build_ext):
    """Compiles the sources on all cores at once: one by one they take minutes."""

    def build_extension(self, extension):
        one_by_one = self.compiler.compile

        def at_once(sources, **options):
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                objects = pool.map(lambda source: one_by_one([source], **options), sources)
                return [name for names in objects for name in names]

        self.compiler.compile = at_once
        try:
            super().build_extension(extension)
        finally:
            self.compiler.compile = one_by_one


setup(
    cmdclass={"build_ext": BuildAtOnce},
    ext_modules=[
        Extension(
            "neuroai_c._core",
            sources=[
                "csrc/kernels/spikes.c",
                "csrc/python/border.c",
                "csrc/python/module.c",
                "csrc/python/py_spikes.c",
                "csrc/python/py_team.c",
                "csrc/runtime/isa.c",
                "csrc/runtime/team.c",
                *sorted(glob.glob("csrc/variants/*.c")),
            ],
            # What the sources include: a change of it rebuilds them.
            depends=[
                os.path.join(folder, name)
                for folder, _, names in os.walk("csrc")
                for name in names
            ],
            include_dirs=[numpy.get_include()],
            define_macros=[("NPY_TARGET_VERSION", "NPY_1_23_API_VERSION")],
            extra_compile_args=CFLAGS + MORE_FLAGS,
            extra_link_args=["-pthread", *MORE_FLAGS],
            libraries=["m"],
        )
    ]
)
