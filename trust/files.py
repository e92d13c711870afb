"""Saves that are killed, refused or raced leave whole files; damaged files are refused soon."""

import contextlib
import errno
import mmap
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import neuroai_c as ai
from neuroai_c import files

from .tools import ROOT, Missing

SECONDS, MEGABYTES = 1.0, 100           # that a damaged file may take
RANDOM_KILLS = 200                      # at random moments, while the save lasts
PHASES = ("before", "open", "write", "fsync", "rename", "fsync of the folder", "after")


def check(quick=False):
    """Every part in a folder of its own; what each measured, in a line."""
    parts, missing = [], False
    for part in (_killed, _refused, _raced, _damaged):
        with tempfile.TemporaryDirectory() as folder:
            try:
                parts.append(part(Path(folder), quick))
            except Missing as error:
                parts.append(str(error))
                missing = True
        print(f"  {parts[-1]}", flush=True)
    if missing:
        raise Missing("; ".join(parts))
    return "; ".join(parts)


# ---- what is saved -----------------------------------------------------------------

def _model(number, units=400):
    """A model whose weights all are `number`, of a megabyte or so."""
    model = ai.Sequential([ai.layers.InputLayer([None, 784]), ai.layers.SNU(units)], seed=0)
    model.compile("adam")
    model.set_weights([np.full(weight.shape, number) for weight in model.get_weights()])
    return model


# Of each kind: what saves `number` at a path, made before so that no time of it is the save's.

def _save(number):
    return _model(number).save


def _save_weights(number):
    return _model(number).save_weights


def _write_wav(number):
    signal = np.full(300_000, number / 100)
    return lambda path: ai.utils.write_wav(path, signal, 8000)


def _checkpoint(number):
    model = _model(number)

    def save(path):
        callback = ai.callbacks.ModelCheckpoint(path)
        callback.set_model(model)
        callback.on_epoch_end(0, {"loss": 0.0})

    return save


def _number(path, save):
    """The number that was saved; AssertionError where the file is not whole."""
    if save is _write_wav:
        import wave

        with wave.open(str(path)) as file:
            found = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32767 * 100
        assert len(found) == 300_000, f"{len(found)} samples"
        found = np.rint(found)
    else:
        try:
            if save is _save_weights:
                model = _model(0)
                model.load_weights(path)
            else:
                model = ai.load_model(path)
        except ValueError as error:
            raise AssertionError(f"{path} is not whole: {error}") from error
        found = np.concatenate([weight.ravel() for weight in model.get_weights()])
    assert (found == found[0]).all(), f"{path} has parts of two saves"
    return int(found[0])


SAVES = (_save, _save_weights, _write_wav, _checkpoint)


# ---- killed ------------------------------------------------------------------------

def _killed(folder, quick):
    """A child saves and is killed: at random moments, or as soon as it is in a phase."""
    times = 12 if quick else 150
    phase = mmap.mmap(-1, 1)
    hits, kept, kills, by_chance = dict.fromkeys(PHASES, 0), [0, 0], 0, 0
    rng = random.Random(0)
    for save in SAVES:
        path = folder / save.__name__
        took = statistics.median(_killed_at(path, save, 1, phase, None)[1] for _ in range(5))
        save(0)(path)
        for i in range(times):
            before = _number(path, save)
            # A third of them waits for a phase: some are too short to be met by chance.
            when = rng.uniform(0, 1.1 * took) if i % 3 else PHASES[1 + i // 3 % 5]
            where, _ = _killed_at(path, save, before + 1, phase, when)
            found = _number(path, save)
            assert found in (before, before + 1), f"{found} after {before}"
            assert found == before or where in PHASES[4:], f"the new file is there in {where}"
            assert found > before or where != PHASES[-1], "a save ended in vain"
            hits[where] += 1
            kept[found - before] += 1
            kills += 1
            by_chance += i % 3 > 0 and where != PHASES[-1]
    assert quick or by_chance >= RANDOM_KILLS, f"{by_chance} kills by chance met a save"
    stale = [name for name in os.listdir(folder) if name.endswith(".tmp")]
    assert len(os.listdir(folder)) == len(SAVES) + len(stale), os.listdir(folder)
    for save in SAVES:
        save(7)(folder / save.__name__)
        assert _number(folder / save.__name__, save) == 7
    # Another process may be at work on them: no save removes what it did not make.
    assert sorted(stale) == sorted(name for name in os.listdir(folder) if name.endswith(".tmp"))
    where = ", ".join(f"{count} {name}" for name, count in hits.items())
    return (f"{kills} kills ({where}; {by_chance} met a save by chance): the old file {kept[0]} "
            f"times, the new {kept[1]} times, always whole; {len(stale)} temporary files left "
            "behind")


def _killed_at(path, save, number, phase, when):
    """The phase in which a child was killed, and how long its save took.

    `when` is in seconds after it began, or a phase, or None: it is not killed.
    """
    ready, begin = os.pipe(), os.pipe()
    phase[0] = 0
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            write = save(number)
            _mark(phase)
            os.write(ready[1], b"r")
            os.read(begin[0], 1)
            write(path)
        phase[0] = len(PHASES) - 1      # after an error too: nobody waits, and the file tells
        os._exit(0)
    try:
        os.read(ready[0], 1)
        started = time.perf_counter()
        os.write(begin[1], b"b")
        if isinstance(when, str):
            wanted = PHASES.index(when)
            while phase[0] < wanted:
                pass
        elif when is not None:
            while time.perf_counter() < started + when:
                pass
        if when is not None:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return PHASES[phase[0]], time.perf_counter() - started
    finally:
        for end in (*ready, *begin):
            os.close(end)


def _mark(phase):
    """Has every system call of a save tell its phase first."""
    real_open, fsync, rename = open, os.fsync, os.replace
    calls = []

    class File:
        def __init__(self, *arguments):
            phase[0] = 1
            self.file = real_open(*arguments)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            phase[0] = 2
            self.file.write(data)

    def marked_fsync(descriptor):
        calls.append(descriptor)
        phase[0] = 3 if len(calls) == 1 else 5
        fsync(descriptor)

    def marked_rename(*arguments):
        phase[0] = 4
        rename(*arguments)

    files.open, files.os.fsync, files.os.replace = File, marked_fsync, marked_rename


# ---- refused -----------------------------------------------------------------------

def _refused(folder, quick):
    """The system refuses, really where it can be made to: an OSError, and the old file."""
    cases, really_full, names = 0, 0, []
    for save in SAVES:
        path = folder / save.__name__
        names.append(path.name)
        save(1)(path)
        for refuse in (_too_large, _full_disk, _read_only, _a_directory, _no_folder, *_simulated()):
            with refuse(path) as target:
                if target is None:
                    continue
                try:
                    save(2)(target)
                except OSError as error:
                    assert str(target) in str(error) and error.errno, repr(error)
                else:
                    raise AssertionError(f"{save.__name__} was not refused by {refuse.__name__}")
            assert _number(path, save) == 1
            assert sorted(os.listdir(folder)) == sorted(names), refuse.__name__
            cases += 1
            really_full += refuse is _full_disk
    outcome = (f"{cases} saves refused (really full: {really_full}): an OSError with the path, "
               "the old file whole, nothing left behind")
    if not quick and not really_full:
        raise Missing(f"{outcome}, but needs the right to mount a file system that is full")
    return outcome


@contextlib.contextmanager
def _too_large(path):
    """Files have at most 5000 bytes: the system writes the first part of the new one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        yield path
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def _full_disk(path):
    """A file system in memory that is full, where one may be mounted."""
    with tempfile.TemporaryDirectory() as disk:
        mounted = _run("mount", "-t", "tmpfs", "-o", "size=4m", "none", disk)
        if not mounted:
            yield None
            return
        try:
            target = Path(disk) / path.name
            shutil.copy(path, target)
            before = target.read_bytes()
            with contextlib.suppress(OSError), open(Path(disk) / "rest", "wb") as rest:
                while True:
                    rest.write(bytes(4096))
                    rest.flush()
            yield target
            assert target.read_bytes() == before
            assert sorted(os.listdir(disk)) == sorted([path.name, "rest"])
        finally:
            _run("umount", disk)


def _run(*command):
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _read_only(path):
    """A folder of somebody else's; root, who may write everywhere, becomes nobody meanwhile."""
    folder = path.parent
    root = os.geteuid() == 0
    os.chmod(folder, 0o555)
    os.chmod(path, 0o644)
    if root:
        os.seteuid(65534)
    try:
        yield path
    finally:
        if root:
            os.seteuid(0)
        os.chmod(folder, 0o755)


@contextlib.contextmanager
def _a_directory(path):
    target = path.parent / "folder"
    target.mkdir()
    yield target
    assert os.listdir(target) == []
    target.rmdir()


@contextlib.contextmanager
def _no_folder(path):
    """A folder that disappears when the new file is in it."""
    target = path.parent / "gone" / path.name
    target.parent.mkdir()
    fsync = os.fsync

    def remove(descriptor):
        fsync(descriptor)
        shutil.rmtree(target.parent)

    files.os.fsync = remove
    try:
        yield target
    finally:
        files.os.fsync = fsync
    assert not target.parent.exists()


def _simulated():
    """Refusals of every system call of a save, by ENOSPC, EIO or EDQUOT."""
    class File:
        def __init__(self, refused, number, *arguments):
            self.file, self.refused, self.number = open(*arguments), refused, number

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.file.write(data[:len(data) // 2])
            self._refuse("write")
            self.file.write(data[len(data) // 2:])

        def flush(self):
            self._refuse("flush")
            self.file.flush()

        def close(self):
            self.file.close()
            self._refuse("close")

        def _refuse(self, name):
            if name == self.refused:
                raise OSError(self.number, os.strerror(self.number))

    def refusal(name, number):
        def fail(*_):
            raise OSError(number, os.strerror(number))

        @contextlib.contextmanager
        def refuse(path):
            owner, attribute, replacement = {
                "open": (files, "open", fail), "fsync": (files.os, "fsync", fail),
                "rename": (files.os, "replace", fail),
            }.get(name, (files, "open", lambda *arguments: File(name, number, *arguments)))
            real = getattr(owner, attribute, open)
            setattr(owner, attribute, replacement)
            try:
                yield path
            finally:
                setattr(owner, attribute, real)

        refuse.__name__ = f"{name}, {errno.errorcode[number]}"
        return refuse

    return [refusal(name, number) for name in ("open", "write", "flush", "fsync", "close", "rename")
            for number in (errno.ENOSPC, errno.EIO, errno.EDQUOT)]


# ---- raced -------------------------------------------------------------------------

def _raced(folder, quick):
    """Writers at once on one path, and a reader all the time."""
    seconds = 2 if quick else 30
    loads, saves = 0, 0
    for writers in (2, 4):
        for save in SAVES[:2]:
            path = folder / f"{save.__name__}-{writers}"
            save(99)(path)
            count = mmap.mmap(-1, 8 * writers)
            children = [_writer(path, save, number, count) for number in range(writers)]
            try:
                end = time.monotonic() + seconds
                seen = set()
                while time.monotonic() < end or len(seen) < 2:
                    seen.add(_number(path, save))
                    loads += 1
                    assert time.monotonic() < end + 60, f"only {seen} seen"
            finally:
                for child in children:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
            _number(path, save)
            saves += int(np.frombuffer(count, np.int64).sum())
    return f"{saves} saves by 2 and 4 writers at once, {loads} loads meanwhile, all whole"


def _writer(path, save, number, count):
    child = os.fork()
    if child:
        return child
    try:
        made, write = np.frombuffer(count, np.int64), save(number)
        while True:
            write(path)
            made[number] += 1
    finally:
        os._exit(1)


# ---- damaged -----------------------------------------------------------------------

def _damaged(folder, quick):
    """Every damaged file is read in a child of its own, whose time and memory are measured."""
    sys.path.insert(0, str(ROOT / "tests"))
    import damaged
    import test_saving

    model = test_saving.new_model(test_saving.OPTIMIZERS["adam"](), stateful=True)
    test_saving.train(model, 0, 2)
    model.save(folder / "whole")
    whole, truth = (folder / "whole").read_bytes(), files.read(folder / "whole", "model")
    os.unlink(folder / "whole")
    measured = []
    for name, read in damaged.corpus(folder, whole, truth):
        outcome, seconds, megabytes = _measured(read)
        for _ in range(4):              # other programs run too
            if seconds >= SECONDS and not quick:
                seconds = min(seconds, _measured(read)[1])
        assert outcome == "ValueError", f"{name}: {outcome}"
        measured.append((name, seconds, megabytes))
    slowest = max(measured, key=lambda row: row[1])
    hungriest = max(measured, key=lambda row: row[2])
    assert len(measured) >= 80
    assert quick or slowest[1] < SECONDS, f"{slowest[0]}: {slowest[1]:.2f} s"
    assert hungriest[2] < MEGABYTES, f"{hungriest[0]}: {hungriest[2]:.0f} MB"
    held = ", to which a quick run does not hold it" if quick else ""
    return (f"{len(measured)} damaged files, each a ValueError; slowest {slowest[1]:.2f} s "
            f"({slowest[0]}{held}), hungriest {hungriest[2]:.0f} MB ({hungriest[0]})")


def _measured(read):
    """What a child says of a read: the error's class, or more where it is not clear; s; MB."""
    get, put = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = "nothing was raised"
        _most_memory()
        before, begun = _most_memory(), time.perf_counter()
        try:
            read()
        except Exception as error:
            outcome = type(error).__name__
            if not str(error) or len(str(error)) > 5000:
                outcome += f" with a message of {len(str(error))} characters"
        except BaseException as error:
            outcome = repr(error)
        seconds = time.perf_counter() - begun
        os.write(put, f"{outcome}|{seconds}|{_most_memory() - before}".encode())
        os._exit(0)
    os.close(put)
    with open(get, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"
    outcome, seconds, megabytes = said.split("|")
    return outcome, float(seconds), float(megabytes)


def _most_memory():
    """The most that this process has had, in MB, since it was asked before."""
    most = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines()
                if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return most / 1024
