"""Every Python from 3.10 to 3.14, with the oldest and the newest NumPy that it can have.

A wheel is built from a fresh clone with each Python, installed into new environments and tested
with the whole suite there.  Pythons come from the PATH, from pyenv, or, where a superuser runs
this and debootstrap is there, from a minimal system made for the purpose.
"""

import collections
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess

from . import skips
from .tools import ROOT, WORK, Missing, run

# The first NumPy that has a wheel for a Python, but none below the floor of pyproject.toml.
OLDEST = {"3.10": "1.23.0", "3.11": "1.23.2", "3.12": "1.26.0", "3.13": "2.1.0", "3.14": "2.3.2"}

FOLDER = WORK / "versions"
SECONDS = 1800                          # of a suite: it takes a sixth, more is an endless loop


def check(quick=False):
    shutil.rmtree(FOLDER, ignore_errors=True)
    pythons = {version: _python(version) for version in (["3.11"] if quick else OLDEST)}
    there = [version for version, python in pythons.items() if python]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tested = sum(pool.map(lambda version: _both(version, pythons[version]), there), [])
    # Only now: one that fails hides no other.
    failed = [outcome for outcome, counts in tested if counts is None]
    assert not failed, "\n".join(failed)
    skipped = sum((counts for _, counts in tested), collections.Counter())
    outcomes = [*(outcome for outcome, _ in tested), f"in all {skips.told(skipped)}"]
    without = [version for version, python in pythons.items() if not python]
    if without:
        raise Missing(f"{'; '.join(outcomes)}; no Python {', '.join(without)} to be had")
    return "; ".join(outcomes)


def _both(version, python):
    """What came of the oldest and of the newest NumPy."""
    source = FOLDER / version / "source"
    run(["git", "clone", "--quiet", ROOT, source])
    wheel = _wheel(version, python, source)
    return [_test(version, python, wheel, numpy, source) for numpy in (OLDEST[version], None)]


def _wheel(version, python, source):
    """The wheel that a Python builds of the clone."""
    folder = FOLDER / version
    run([*python, "-m", "venv", folder / "build"])
    run([*_in(python), folder / "build" / "bin" / "pip", "wheel", "--quiet", "--no-deps",
         "--wheel-dir", folder, source], env={"NEUROAI_C_WERROR": "1"})
    [wheel] = glob.glob(f"{folder}/*.whl")
    return wheel


def _test(version, python, wheel, numpy, source):
    """What the suite says in a new environment: "3.10 with NumPy 1.23.0: 9084 passed"; skips.

    None instead of the skips where it fails.
    """
    folder = FOLDER / version / (numpy or "newest")
    run([*python, "-m", "venv", folder])
    wanted = [f"numpy=={numpy}"] if numpy else []
    run([*_in(python), folder / "bin" / "pip", "install", "--quiet", *wanted, f"{wheel}[test]"])
    command = [*_in(python), folder / "bin" / "python", "-m", "pytest", "-q",
               "-p", "no:cacheprovider"]
    try:
        tests = subprocess.run(list(map(str, command)), cwd=source, capture_output=True, text=True,
                               stdin=subprocess.DEVNULL, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        return f"{version} with NumPy {numpy or 'newest'}: {error}", None
    (folder / "pytest.log").write_text(tests.stdout + tests.stderr)
    has = subprocess.run(
        list(map(str, [*_in(python), folder / "bin" / "python", "-c",
                       "import numpy; print(numpy.__version__)"])),
        capture_output=True, text=True, check=True,
    ).stdout.strip()
    where = f"{version} with NumPy {has}"
    if tests.returncode:
        return f"{where}: {tests.stdout[-2000:]} {tests.stderr[-2000:]}", None
    passed = re.findall(r"\d+ passed", tests.stdout)[-1]
    try:
        return f"{where}: {passed}", skips.counted(tests.stdout)
    except AssertionError as error:
        return f"{where}: {passed}, {error}", None


# ---- finding Pythons -----------------------------------------------------------------


def _python(version):
    """The command of a Python of this version, as a list, or None."""
    found = [shutil.which(f"python{version}")]
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True).stdout.strip()
        found += sorted(glob.glob(f"{root}/versions/{version}.*/bin/python{version}"))
    for command in found:
        if command and _is([command], version):
            return [command]
    return _of_a_system_of_its_own(version)


def _is(command, version):
    asked = subprocess.run(
        [*command, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True, text=True,
    )
    return asked.returncode == 0 and asked.stdout.strip() == version


def _of_a_system_of_its_own(version):
    """A Python of Debian's unstable branch, in a folder that is entered as a root."""
    debootstrap = shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if os.geteuid() != 0 or not debootstrap or not shutil.which("unshare"):
        return None
    system = WORK / f"system-{version}"
    if not (system / "usr" / "bin" / f"python{version}").exists():
        shutil.rmtree(system, ignore_errors=True)
        packages = [f"python{version}{part}" for part in ("", "-dev", "-venv")]
        try:
            run([debootstrap, "--variant=minbase",
                 f"--include={','.join(packages)},gcc,libc6-dev,git,ca-certificates",
                 "sid", system], stdout=subprocess.DEVNULL)
        except subprocess.CalledProcessError:
            return None
    for name in ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"):
        if os.path.exists(name):
            shutil.copy(name, f"{system}{name}")
    # The repository and the data lie at the same place there.
    shared = [ROOT, *filter(None, [os.environ.get("NEUROAI_C_DATA")]), "/proc", "/dev"]
    inside = ["unshare", "--mount", "sh", ROOT / "trust" / "enter.sh", system, *shared, "--"]
    command = [*map(str, inside), f"python{version}"]
    return command if _is(command, version) else None


def _in(python):
    """What enters the system that a Python belongs to."""
    return python[:-1]
