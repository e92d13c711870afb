"""Strange calls of all that is public, drawn at random: only documented errors, nothing else.

tests/calls.py says what is drawn and what has to hold.  Child processes make the calls, so
that one that crashes, hangs or takes all memory ends a child alone; the parent says which call
it was.  `python -m trust.fuzz SEED` makes the call of one seed again.
"""

import argparse
import array
import contextlib
import faulthandler
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import sanitize, sanitizers
from .tools import ROOT, build, resident, traced

CALLS = 300_000
IN_A_CHILD = 5_000
SANITIZED = 12_000
QUICK = 3_000

# One call in so many, the first under the sanitizer, meets a thread that writes into its
# arguments; it is made several times, as they seldom meet at the worst moment.
RACED = {True: 2, False: 8}
TIMES = 5

# A call takes milliseconds, and the grammar draws none that is right and takes long.
SECONDS = 120
ROOM = 2 << 30              # of memory, beyond what the process has at its start

# What the process may take more in the second half of its calls than in the first, of so many
# samples.
FLAT = 24 << 20
SAMPLES = 20
# And bytes that so many calls may keep when they are made again, in the best of some rounds: NumPy
# keeps up to 7 blocks of a size for later.  Of ten such slices one is made again.
KEPT = 64
AGAIN = 100
ROUNDS = 8


def check(quick=False):
    plain = QUICK if quick else CALLS
    jobs = [(seed, min(IN_A_CHILD, plain - seed), None) for seed in range(0, plain, IN_A_CHILD)]
    if not quick:
        sanitizer = _sanitizer()
        jobs += [(CALLS + seed, IN_A_CHILD // 5, sanitizer)
                 for seed in range(0, SANITIZED, IN_A_CHILD // 5)]
    with ThreadPoolExecutor(min(2, os.cpu_count())) as pool:
        counts = list(pool.map(lambda job: _child(*job), jobs))
    failures = [count for count in counts if isinstance(count, str)]
    assert not failures, "\n".join(failures)
    made, returned, raced = (sum(count[i] for count in counts) for i in range(3))
    # The sanitizer keeps what is free, to see who still uses it.
    grown = max(count[3] for count, job in zip(counts, jobs) if job[2] is None)
    kept = max(count[4] for count in counts)
    sanitized = 0 if quick else SANITIZED
    return (
        f"{made:,} calls from {plain + sanitized:,} seeds ({sanitized:,} of these under "
        f"AddressSanitizer), {returned:,} with a result, {raced:,} beside a thread that writes "
        f"into the arguments: 0 crashes, 0 other errors than documented, 0 changed inputs; "
        f"memory of a process grew by {grown / 2**20:.0f} MB at most, by {AGAIN} calls made again "
        f"by {kept} bytes at most"
    )


def _child(seed, count, sanitizer):
    """Has a child make the calls of these seeds: what it counted, or how it failed."""
    with tempfile.NamedTemporaryFile(prefix="fuzz-") as place:
        place.write(bytes(8))
        place.flush()
        command = [sys.executable, "-m", "trust.fuzz", str(seed), "--count", str(count),
                   "--place", place.name]
        child = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(sanitizer or {})}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=sanitizers.fixed_addresses if sanitizer else None,
        )
        last = int.from_bytes(Path(place.name).read_bytes(), "little")
    if child.returncode:
        number = child.returncode
        # The sanitizer says so of every size that is refused.
        lines = [line for line in child.stdout.splitlines() if "failed to allocate" not in line]
        how = signal.Signals(-number).name if number < 0 else f"exit {number}"
        return (f"{how} in the call of seed {last}{' (sanitized)' if sanitizer else ''}:\n"
                + "\n".join(lines)[-6000:] + f"\nagain: python -m trust.fuzz {last}")
    return [int(number) for number in child.stdout.split()[-5:]]


def _sanitizer():
    """The environment in which Python runs the sanitized build; what it reports ends the child."""
    options = f"{sanitize.OPTIONS}:allocator_may_return_null=1:max_allocation_size_mb=1024"
    return sanitizers.environment(build("asan", sanitize.FLAGS), sanitize.RUNTIMES, options,
                                  PYTHONMALLOC="malloc")


# ---- the child -------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(prog="python -m trust.fuzz", description=__doc__)
    parser.add_argument("seed", type=int, help="of the first call")
    parser.add_argument("--count", type=int, help="of calls; default: one, which is shown")
    parser.add_argument("--place", help="a file that gets the seed of the call being made")
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.register(signal.SIGALRM, chain=True)       # says where it hangs, and ends
    sys.path[:0] = [str(ROOT / "tests")]
    if "LD_PRELOAD" not in os.environ:
        _limit_memory()
    os.fsync = lambda descriptor: None          # nobody pulls the plug
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        os.chdir(folder)
        run = Run(Path(folder), options.place)
        if options.count is None:
            run.show(options.seed)
        else:
            run.all(options.seed, options.count)
            print(run.made, run.returned, run.raced, run.grown, run.kept)
        os.chdir(ROOT)


def _limit_memory():
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))


class Run:
    """Calls, and what they came to."""

    def __init__(self, folder, place):
        import calls
        from strange import Tape

        self.calls, self.tape, self.folder = calls, Tape, folder
        self.made = self.returned = self.raced = self.grown = self.kept = 0
        self._place = mmap.mmap(os.open(place, os.O_RDWR), 8) if place else bytearray(8)

    def all(self, seed, count):
        # What an allocator keeps jumps once; what a call loses is lost again when it is made again.
        for _ in range(3):
            self.grown = self._grown(seed, count)
            if self.grown <= FLAT or count < IN_A_CHILD:
                break
        else:
            raise AssertionError(f"memory grew by {self.grown >> 20} MB in {count // 2} calls")
        self.kept = max(self._kept(range(first, min(first + AGAIN, seed + count)))
                        for first in range(seed, seed + count, 10 * AGAIN))

    def _grown(self, seed, count):
        """Bytes that the process has more in the second half of the calls: the least of each."""
        sizes, raced = [], RACED["LD_PRELOAD" in os.environ]
        for i in range(count):
            if i % max(1, count // SAMPLES) == 0:
                sizes.append(resident())
            self.call(seed + i, raced=i % raced == raced - 1)
        half = len(sizes) // 2
        return min(sizes[half:]) - min(sizes[half // 4:half])

    def call(self, seed, raced=False):
        """The call of a seed, twice or `raced`; AssertionError if it is not as it must be."""
        self._place[:8] = seed.to_bytes(8, "little")
        tape = self.tape(random.Random(seed).randrange)
        signal.alarm(SECONDS)
        case = self.calls.case(tape, self.folder)
        try:
            if raced:
                with self.calls.scribbling(case.draw.arrays, seed):
                    results = [self.calls.check(case, steady=False) for _ in range(TIMES)]
                result = results[0]
                self.made += TIMES - 1
                self.raced += TIMES
            else:
                result = self.calls.check(case)
                tape.rewind()
                again = self.calls.check(self.calls.case(tape, self.folder))
                if again != result:
                    raise self.calls.Broken(f"{result}, and again: {again}")
                self.made += 1
        except self.calls.Broken as error:
            raise self.calls.Broken(f"seed {seed}: {case}: {error}") from error
        finally:
            signal.alarm(0)
        self.made += 1
        self.returned += result[0] == "returned"

    def show(self, seed):
        tape = self.tape(random.Random(seed).randrange)
        print(self.calls.case(tape, self.folder), flush=True)
        self.call(seed)
        self.call(seed, raced=True)

    def _kept(self, seeds):
        """Bytes that a round of these calls has more than the one before it.

        What fills a cache does so once: rounds go on until one keeps nothing.
        """
        sizes = array.array("q", bytes(8 * (1 + ROUNDS)))       # which does not grow
        tracemalloc.start()
        try:
            sizes[0] = self._round(seeds)
            for i in range(ROUNDS):
                sizes[i + 1] = self._round(seeds)
                if sizes[i + 1] - sizes[i] <= KEPT:
                    return max(0, sizes[i + 1] - sizes[i])
            first = tracemalloc.take_snapshot()
            self._round(seeds)
            lines = tracemalloc.take_snapshot().compare_to(first, "lineno")
        finally:
            tracemalloc.stop()
        where = [str(line) for line in lines if "tracemalloc" not in str(line)]
        raise AssertionError("\n".join([
            f"calls of the seeds {seeds[0]} to {seeds[-1]}, again and again, have kept "
            f"{', '.join(f'{size:,}' for size in sizes)} bytes:", *where[:10]]))

    def _round(self, seeds):
        """The bytes that are held after these calls."""
        for seed in seeds:
            with contextlib.suppress(MemoryError):
                self.call(seed)
        return traced()


if __name__ == "__main__":
    main()
