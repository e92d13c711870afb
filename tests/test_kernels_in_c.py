"""The kernels without Python: trust/c's programs, built here as `python -m trust kernels` does."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "trust" / "c").is_dir() or not (ROOT / "csrc").is_dir():
    pytest.skip("needs the source tree, with csrc/ and trust/", allow_module_level=True)
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from trust import kernels

GCC = shutil.which("gcc")
pytestmark = pytest.mark.skipif(GCC is None, reason="needs gcc")


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """Those of a sanitized build, or of a plain one where gcc came without the sanitizers."""
    folder = tmp_path_factory.mktemp("sanitizers")
    (folder / "nothing.c").write_text("int main(void) { return 0; }\n")
    built = subprocess.run(
        [GCC, *kernels.SANITIZED, folder / "nothing.c", "-o", folder / "nothing"],
        check=False, capture_output=True,
    )
    return kernels.SANITIZED if built.returncode == 0 else ("-O1", kernels.ONE_COPY)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "WORK", tmp_path)


@pytest.mark.parametrize("name", kernels.PROGRAMS)
def test_program(name, flags):
    build = kernels.Build(name, "f64", "baseline", GCC, flags)
    assert kernels.build_and_run(build) > 1000
    if name not in ("rate", "spikes"):                  # they have no reals
        assert kernels.compare_records([build, build]) > 1000


def test_every_kernel_has_a_program():
    files = {path.stem for path in (kernels.ROOT / "csrc" / "kernels").glob("*.c")}
    assert files <= set(kernels.PROGRAMS)


def test_overrun_is_reported(tmp_path, monkeypatch, flags):
    """A program that reads one number behind an array fails."""
    if flags != kernels.SANITIZED:
        pytest.skip("gcc has no sanitizers here")
    (tmp_path / "test_wrong.c").write_text(
        f'#include "{kernels.SOURCES}/testing.h"\n'
        "static void test_all(void)\n"
        "{\n"
        "    const real *x = ones_of(5, 1);\n"
        "    real *y = outputs(3), *V = copy_of(x, 3);\n\n"
        "    dense_forward(y, V, x + 3, (Activation){RELU, RELU, 0}, 1, 3);\n"
        "}\n"
        f'#include "{kernels.ROOT}/csrc/variants/target_end.h"\n'
    )
    monkeypatch.setattr(kernels, "SOURCES", tmp_path)
    with pytest.raises(AssertionError, match="heap-buffer-overflow"):
        kernels.build_and_run(kernels.Build("wrong", "f64", "baseline", GCC, flags))


def test_wrong_number_ends_the_program(tmp_path, monkeypatch):
    (tmp_path / "test_wrong.c").write_text(
        f'#include "{kernels.SOURCES}/testing.h"\n'
        "static void test_all(void)\n"
        "{\n"
        "    const double wanted[] = {1, 2};\n"
        "    real actual[] = {1, (real)NAN};\n\n"
        "    CHECK_NEAR(actual, wanted, 2, 1);\n"
        "}\n"
        f'#include "{kernels.ROOT}/csrc/variants/target_end.h"\n'
    )
    monkeypatch.setattr(kernels, "SOURCES", tmp_path)
    build = kernels.Build("wrong", "f32", "baseline", GCC, ("-O0", kernels.ONE_COPY))
    with pytest.raises(AssertionError, match=r"actual\[1\] of 2 is .*nan, wanted 2"):
        kernels.build_and_run(build)
