"""Every allocation made to fail once, in turn: MemoryError, no leak, and nothing half done."""

import argparse
import concurrent.futures
import contextlib
import copy
import ctypes
import faulthandler
import gc
import itertools
import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
import wave

from .tools import ROOT, WORK, program, run

SOURCE = ROOT / "trust" / "c" / "failing_malloc.c"

# What becomes of a case that goes wrong again and again is not worth waiting for.
MOST_FAULTS = 10

# What Python, NumPy and OpenSSL themselves make of an allocation that failed in their own code.
# None of it is accepted where a function of our C was running.
ACCEPTED = (
    (SystemError, r"<.*> returned NULL without setting an exception"),
    (SystemError, r"<.*> returned a result with an exception set"),
    (SystemError, r"error return without exception set"),
    (SystemError, r"NULL object passed to Py_BuildValue"),
    (TypeError, r"expected str, bytes or os.PathLike object, not PosixPath"),
    (RuntimeError, r"can't allocate (read )?lock"),
    (ValueError, r".*\[digital envelope routines\] .*"),
    (wave.Error, r"sampling rate not specified"),
    (ValueError, r"I/O operation on closed file."),
)

# Where NumPy's own generator crashes when an allocation of its own fails: rng.uniform.
NUMPY_CRASHES = "initializers.py:"

# What the library notes of an allocation that failed while none of our C was running.
OUTSIDE = 1

# Those that are asked for where fewer can be had.
MOST_THREADS = 5
SHORT_OF_THREADS = ("fit", "fit, sequences", "predict", "transform_rate")

# How often a failure is repeated to tell a leak from a cache.
MOST_TIMES = 20


def library():
    """The library that stands in front of malloc, built."""
    built = WORK / "failing_malloc.so"
    if not built.exists() or built.stat().st_mtime < SOURCE.stat().st_mtime:
        WORK.mkdir(exist_ok=True)
        run([program("cc", "gcc", "clang"), "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror",
             "-shared", "-fPIC", SOURCE, "-o", built, "-pthread", "-ldl"])
    return built


def settle():
    """Frees what nothing holds any longer, and CPython's caches of names."""
    sys._clear_type_cache()
    gc.collect()


# ---- within a process whose malloc can fail -------------------------------------------------


class Malloc:
    """The variables of the library."""

    def __init__(self):
        library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        library.own()
        for name in ("until_failure", "failed", "failed_inside", "threads_left", "live",
                     "by_others"):
            setattr(self, name, ctypes.c_long.in_dll(library, name))
        self.note = ctypes.c_void_p.in_dll(library, "note")
        for name in ("inside", "inside_only", "foreign", "tell"):
            setattr(self, name, ctypes.c_int.in_dll(library, name))

    def mark(self, namespace, name, flag):
        """While this function runs the flag is set."""
        function = getattr(namespace, name)

        def marked(*arguments, **options):
            flag.value = 1
            try:
                return function(*arguments, **options) if options else function(*arguments)
            finally:
                flag.value = 0

        setattr(namespace, name, marked)

    def mark_all(self):
        import safetensors.numpy

        from neuroai_c import _core

        for namespace in (_core, _core.f32, _core.f64):
            for name, value in list(vars(namespace).items()):
                if callable(value) and not name.startswith("_"):
                    self.mark(namespace, name, self.inside)
        # Written in Rust, which ends the process where it gets no memory.
        self.mark(safetensors.numpy, "save", self.foreign)
        self.mark(safetensors, "deserialize", self.foreign)


@contextlib.contextmanager
def _watched(look):
    """Calls `look` at the moments between batches, epochs and callbacks."""
    from neuroai_c import batches, callbacks, layers, models, ops

    with contextlib.ExitStack() as stack:
        def watch(namespace, name, after=False):
            function = getattr(namespace, name)

            def watched(*arguments, **options):
                look()
                result = function(*arguments, **options)
                if after:
                    look()
                return result

            setattr(namespace, name, watched)
            stack.callback(setattr, namespace, name, function)

        watch(models.Sequential, "_prepare", after=True)
        watch(models.Sequential, "_make_weights", after=True)
        for kind in (layers.SNU, layers.Dense):
            watch(kind, "_build", after=True)
        watch(callbacks.CallbackList, "call", after=True)
        watch(batches.Measures, "values")
        for kernels in ops._KERNELS.values():
            watch(kernels, "network_run")
        yield


class Right:
    """What a case gives where nothing fails, and the states that it passes through.

    Attributes:
        result: of the call.
        after: the state after it.
        going_on: for every state what comes of going on from there.
    """

    def __init__(self, case):
        from .allocation_cases import frozen

        self.going_on = {}
        subject = case.fresh()

        def look():
            state = case.look(subject)
            if state not in self.going_on:
                self.going_on[state] = copy.deepcopy(subject)
        look()
        with _watched(look):
            result = case.call(subject)
        look()
        self.result = frozen(result)
        self.after = case.look(subject)
        for state, twin in self.going_on.items():
            self.going_on[state] = case.go_on(twin)
        case.clean(subject)


def _accepted(error):
    return any(type(error) is kind and re.fullmatch(text, str(error)) for kind, text in ACCEPTED)


def _fault(case, right, subject, result, error, inside):
    """What is wrong after a call that may have failed; None: nothing."""
    from .allocation_cases import frozen

    state = case.look(subject)
    if error is None:
        if frozen(result) != right.result:
            return "succeeds with another result"
        if state != right.after:
            return "succeeds, but leaves another state"
    elif not isinstance(error, MemoryError) and (inside or not _accepted(error)):
        return f"raises {type(error).__name__}: {error}"
    if state not in right.going_on:
        return "leaves a state that is neither that of before nor one between two batches"
    try:
        afterwards = case.go_on(subject)
    except Exception as broken:
        return f"cannot be used afterwards: {type(broken).__name__}: {broken}"
    if afterwards != right.going_on[state]:
        return "gives something else afterwards"
    return None


def _once(malloc, case, right, n):
    """(whether an allocation failed, and one of our C's, the fault, blocks left behind)"""
    settle()
    before = malloc.live.value
    failed, inside, fault = _failing(malloc, case, right, n)
    settle()
    return failed, inside, fault, malloc.live.value - before - 1    # `before` is one itself


def _failing(malloc, case, right, n):
    subject, inside_before = case.fresh(), malloc.failed_inside.value
    result = error = None
    malloc.until_failure.value = n
    try:
        result = case.call(subject)
    except BaseException as raised:
        malloc.until_failure.value, failed = 0, malloc.until_failure.value == 0
        error = raised.with_traceback(None)
    else:
        malloc.until_failure.value, failed = 0, malloc.until_failure.value == 0
    malloc.inside.value = malloc.foreign.value = 0
    inside = malloc.failed_inside.value > inside_before
    fault = _fault(case, right, subject, result, error, inside)
    case.clean(subject)
    return failed, inside, fault


def work(options):
    """Runs one case; the last line on standard output is what came out, as JSON."""
    faulthandler.enable()
    malloc = Malloc()
    malloc.inside_only.value = options.inside
    import tqdm

    import neuroai_c as ai

    from .allocation_cases import CASES

    tqdm.tqdm.monitor_interval = 0      # its thread is none of ours
    case = CASES[options.case]
    ai.set_num_threads(1)
    right = Right(case)
    if options.threads:
        print(json.dumps(_short_of_threads(malloc, case, right)))
        return
    ai.set_num_threads(2)
    malloc.mark_all()
    gc.freeze()
    place = mmap.mmap(options.place or -1, 16)
    malloc.note.value = ctypes.addressof(ctypes.c_long.from_buffer(place, 8))
    for _ in range(5):                 # caches are filled
        _, _, fault, _ = _once(malloc, case, right, 0)
        assert fault is None, f"without a failure: {fault}"
    malloc.tell.value = options.tell
    total = of_ours = 0
    faults = []
    for n in itertools.count(options.start, options.step):
        place[:] = n.to_bytes(8, "little") + bytes(8)
        failed, inside, fault, left = _once(malloc, case, right, n)
        total += failed
        of_ours += inside
        # CPython's own code leaks where its allocations fail: ours is what is asked.  A cache,
        # NumPy's of small blocks say, grows now and then; a leak is there every time.
        for _ in range(MOST_TIMES if inside and not fault else 0):
            if left <= 0:
                break
            left = min(left, _once(malloc, case, right, n)[-1])
        if fault or (inside and left > 0):
            faults.append((n, fault or f"leaves {left} blocks behind"))
        if not failed or len(faults) >= MOST_FAULTS or options.once:
            break
    print(json.dumps({"failed": total, "inside": of_ours, "others": malloc.by_others.value,
                      "crashes": [], "faults": faults}))


def _short_of_threads(malloc, case, right):
    """What comes of a case where the system gives no thread, one, and so on of those wanted."""
    import neuroai_c as ai

    ai.set_num_threads(MOST_THREADS)
    before = len(os.listdir("/proc/self/task"))     # NumPy may have some of its own
    total = {"failed": 0, "inside": 0, "others": 0, "crashes": [], "faults": []}
    for n in range(MOST_THREADS):
        malloc.threads_left.value = min(n, 1)       # one more than before
        fault = _failing(malloc, case, right, 0)[-1]
        there = len(os.listdir("/proc/self/task")) - before
        if fault or there != n:
            total["faults"].append((n, fault or f"{there} threads"))
        total["failed"] += n + 1 < MOST_THREADS
    return total


# ---- the processes ----------------------------------------------------------------------------


def attempt(name, *, inside=False, threads=False, start=1, step=1):
    """What comes of a case, in processes of its own: counts, and a list of (n, fault)."""
    total = {"failed": 0, "inside": 0, "others": 0, "crashes": [], "faults": []}
    with tempfile.TemporaryFile() as place, tempfile.TemporaryDirectory() as folder:
        place.truncate(16)
        while True:
            process = subprocess.run(
                [sys.executable, "-m", "trust.allocations", name, "--start", str(start),
                 "--step", str(step), "--place", str(place.fileno())] + ["--inside"] * inside
                + ["--threads"] * threads,
                cwd=ROOT, capture_output=True, text=True, pass_fds=[place.fileno()],
                env={**os.environ, "LD_PRELOAD": str(library()), "PYTHONMALLOC": "malloc",
                     "PYTHONHASHSEED": "0", "TMPDIR": folder, "NEUROAI_C_NUM_THREADS": "1"},
            )
            if process.returncode == 0:
                result = json.loads(process.stdout.splitlines()[-1])
                return {key: total[key] + result[key] for key in total}
            place.seek(0)
            n = int.from_bytes(place.read(8), "little")
            note = int.from_bytes(place.read(8), "little")
            died = f"ends the process with {process.returncode} at {_place(process.stderr)}"
            total["failed"] += (n - start) // step + 1
            if note == OUTSIDE and _place(process.stderr).startswith(NUMPY_CRASHES):
                total["crashes"].append((n, died))
            else:
                total["faults"].append((n, died))
            if n == 0 or len(total["faults"]) >= MOST_FAULTS:
                return total
            start = n + step


def _place(crash):
    """Where Python was when it crashed, of what faulthandler tells."""
    found = re.search(r"^Current thread.*\n  File \"(.*)\", line (\d+) in ", crash, re.M)
    return f"{os.path.basename(found[1])}:{found[2]}" if found else crash[-200:]


def check(quick=False):
    from .allocation_cases import CASES

    library()                           # once, before two processes want it
    cases = [name for name, case in CASES.items() if case.inside or not quick]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda name: attempt(name, inside=quick), cases))
    faults = [f"{name}, allocation {n}: {fault}" for name, result in zip(cases, results)
              for n, fault in result["faults"]]
    assert not faults, "\n".join([f"{len(faults)} faults", *faults])
    for name in SHORT_OF_THREADS:
        short = attempt(name, threads=True)
        assert not short["faults"], f"{name}, short of threads: {short['faults']}"
    failed, inside, others = (sum(result[key] for result in results)
                              for key in ("failed", "inside", "others"))
    crashes = [f"{name}, allocation {n}: {died}" for name, result in zip(cases, results)
               for n, died in result["crashes"]]
    print(*crashes, sep="\n", flush=True)
    assert others == 0, f"{others} allocations by threads of the pool"
    return (f"{len(cases)} calls, {failed:,} allocations failed, {inside:,} of them in our C: "
            f"no crash or leak of ours, nothing half done, {len(crashes)} crashes in NumPy's "
            "uniform, none else; "
            f"{len(SHORT_OF_THREADS)} calls with fewer threads than asked for: the same bits")


def _options():
    parser = argparse.ArgumentParser(prog="python -m trust.allocations",
                                     description="One case in this process; see check.")
    parser.add_argument("case")
    parser.add_argument("--start", type=int, default=1, help="the first allocation that fails")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--once", action="store_true", help="one allocation only")
    parser.add_argument("--inside", action="store_true", help="those made within our C only")
    parser.add_argument("--tell", action="store_true", help="say where the failed ones are")
    parser.add_argument("--threads", action="store_true", help="threads fail, not allocations")
    parser.add_argument("--place", type=int, help="a file in which to say how far it has come")
    return parser.parse_args()


if __name__ == "__main__":
    work(_options())
