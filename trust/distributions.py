"""The source and the binary distribution: contents, metadata, and a clean install from each."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

from .tools import ROOT, WORK, cached, program, run

FOLDER = WORK / "distributions"

# What is in the repository and in no distribution: what concerns the repository itself.
OF_THE_REPOSITORY = (".ci/", ".git", ".clang-tidy")

TOOLS = ("build", "twine", "check-wheel-contents", "validate-pyproject", "auditwheel")


def check(quick=False):
    shutil.rmtree(FOLDER, ignore_errors=True)
    source, out = FOLDER / "source", FOLDER / "dist"
    run(["git", "clone", "--quiet", ROOT, source])
    tools = _environment("tools", *TOOLS)
    # The wheel is built from the source distribution, as whoever gets that one does.
    run([tools / "python", "-m", "build", "--outdir", out, source], env=_compiler(),
        stdout=subprocess.DEVNULL)
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    run([tools / "validate-pyproject", source / "pyproject.toml"])
    run([tools / "twine", "check", "--strict", sdist, wheel])
    # The licence of the data lies beside them and among the licences.
    run([tools / "check-wheel-contents", "--ignore", "W002", wheel])
    run([tools / "auditwheel", "show", wheel])
    inside = _sdist_is_the_repository(sdist, source)
    modules = _wheel_is_the_package(wheel, source)
    for distribution in [wheel] if quick else [wheel, sdist]:
        _installs(distribution)
    return (
        f"sdist of {inside} files, {sdist.stat().st_size / 1e6:.1f} MB; wheel of {modules} files, "
        f"{wheel.stat().st_size / 1e6:.1f} MB; both install and run"
    )


def _environment(name, *packages):
    """The programs' folder of a new environment with these packages."""
    run([sys.executable, "-m", "venv", FOLDER / name])
    if packages:
        run([FOLDER / name / "bin" / "pip", "install", "--quiet", *packages])
    return FOLDER / name / "bin"


def _compiler():
    return {"CC": cached(program("gcc")), "NEUROAI_C_WERROR": "1"}


def _sdist_is_the_repository(sdist, source):
    """The number of files: all that git has, but for what concerns the repository itself."""
    listed = subprocess.run(["git", "ls-files"], cwd=source, capture_output=True, text=True,
                            check=True).stdout.split("\n")
    wanted = {name for name in listed if name and not name.startswith(OF_THE_REPOSITORY)}
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {"/".join(Path(member.name).parts[1:]) for member in members if member.isfile()}
    made = {name for name in names if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert not wanted - names, f"not in the source distribution: {sorted(wanted - names)}"
    assert not names - made - wanted, f"not in git: {sorted(names - made - wanted)}"
    assert all(member.isfile() or member.isdir() for member in members), "links, or worse"
    return len(names)


def _wheel_is_the_package(wheel, source):
    """The number of files: those of src/neuroai_c, one compiled module, and metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [of] = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(of).decode())
    tracked = subprocess.run(["git", "ls-files"], cwd=source / "src", capture_output=True,
                             text=True, check=True).stdout.split()
    compiled = {name for name in names if name.endswith(".so")}
    metadata_files = {name for name in names if ".dist-info/" in name}
    assert len(compiled) == 1, f"one compiled module, got {sorted(compiled)}"
    assert names - compiled - metadata_files == set(tracked), (
        f"differs from src: {sorted((names - compiled - metadata_files) ^ set(tracked))}"
    )
    version = re.search(r'^version = "(.+)"', (source / "pyproject.toml").read_text(), re.M)[1]
    assert (metadata["Name"], metadata["Version"]) == ("neuroai_c", version), metadata.items()
    assert metadata["Requires-Python"] == ">=3.10", metadata["Requires-Python"]
    needed = {re.split(r"[<>=;\s\[]", line)[0] for line in metadata.get_all("Requires-Dist")
              if "extra ==" not in line}
    assert needed == {"numpy", "safetensors", "tqdm"}, needed
    assert {"LICENSE", "README.md"} <= {Path(name).name for name in metadata_files}, metadata_files
    return len(names)


def _installs(distribution):
    """Installs into an environment that has nothing, far from the source, and trains."""
    name = "from-" + ("wheel" if distribution.suffix == ".whl" else "sdist")
    programs = _environment(name)
    elsewhere = FOLDER / f"{name}-run"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run([programs / "pip", "install", "--quiet", distribution], env=_compiler())
    for command in (
        [programs / "pip", "check"],
        [programs / "neuroai-c", "info"],
        [programs / "neuroai-c", "reproduce", "lateral-inhibition", "--quick", "--output",
         elsewhere],
    ):
        subprocess.run(command, cwd=elsewhere, env=environment, check=True,
                       stdout=subprocess.DEVNULL)
    written = json.loads((elsewhere / "results.json").read_text())
    assert written, "the job wrote no numbers"
