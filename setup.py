"""The compiled part; everything else is in pyproject.toml."""

import glob
import os

import numpy
from setuptools import Extension, setup

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

setup(
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
            extra_compile_args=CFLAGS,
            extra_link_args=["-pthread"],
            libraries=["m"],
        )
    ]
)
