"""Ctrl-C in a terminal and in a notebook's kernel; training that is killed and goes on."""

import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from neuroai_c import files

from .tools import ROOT, Missing

SECONDS = 0.1                           # from Ctrl-C to the prompt, at the 99th percentile
TIMES, QUICK_TIMES = 30, 2              # that each call is interrupted
NOTHING, LARGE = "nothing", "large arrays"      # loops without this package
SHORT = ("fit", "fit with a bar", "fit, batches of 30 ms", "train_on_batch", "predict",
         "evaluate", "transform_rate")
LONG = "fit, batches of 300 ms"
IMPORTED = "from trust.interrupted import *"
ENVIRONMENT = {**os.environ, "TERM": "dumb", "PYTHON_BASIC_REPL": "1",
               "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def check(quick=False):
    parts = []
    for part in (_terminal, _notebook, _resumed):
        parts.append(part(quick))
        print(f"  {parts[-1]}", flush=True)
    return "; ".join(parts)


# ---- Ctrl-C ------------------------------------------------------------------------

class _Terminal:
    """An interactive Python whose terminal this process is."""

    def __init__(self):
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            os.execve(sys.executable, [sys.executable, "-q", "-i", "-c", IMPORTED], ENVIRONMENT)
        self._text = ""
        self._until(r">>> $", 120)

    def close(self):
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._master)

    def begin(self, call):
        self._type(f"start({call!r})\n")
        self._until(r"begun\r\n", 60)

    def interrupt(self):
        """When it was interrupted, and when the prompt was back."""
        begun = time.monotonic()
        self._type("\x03")
        text = self._until(r">>> $", 60)
        back = time.monotonic()
        assert "KeyboardInterrupt" in text, text
        return begun, back

    def ask(self, name):
        """What that function of trust/interrupted.py shows."""
        self._type(f"{name}()\n")
        return self._until(r">>> $", 120)

    def _type(self, text):
        os.write(self._master, text.encode())

    def _until(self, pattern, seconds):
        """What is shown until the end of it is like the pattern."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self._text):
            ready, _, _ = select.select([self._master], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {pattern!r} after {seconds} s but {self._text[-2000:]!r}"
            self._text += os.read(self._master, 1 << 16).decode(errors="replace")
        shown, self._text = self._text, ""
        return shown


class _Kernel:
    """A kernel as a notebook has one."""

    def __init__(self):
        try:
            import ipykernel  # noqa: F401
            from jupyter_client import KernelManager
        except ImportError as error:
            raise Missing("needs ipykernel, with jupyter_client") from error
        self._manager = KernelManager()
        self._manager.start_kernel(env=ENVIRONMENT)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=120)
        self._execute(IMPORTED)
        self._reply(120)

    def close(self):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def begin(self, call):
        self._execute(f"start({call!r})")
        self._until("begun", 60)

    def interrupt(self):
        begun = time.monotonic()
        self._manager.interrupt_kernel()
        reply = self._reply(60)
        back = time.monotonic()
        assert reply["status"] == "error" and reply["ename"] == "KeyboardInterrupt", reply
        return begun, back

    def ask(self, name):
        self._execute(f"{name}()")
        reply = self._reply(120)
        assert reply["status"] == "ok", "\n".join(reply.get("traceback", []))
        return self._until("right", 60)

    def _execute(self, code):
        while self._client.iopub_channel.msg_ready():       # what was shown before
            self._client.get_iopub_msg()
        self._message = self._client.execute(code, stop_on_error=False)

    def _reply(self, seconds):
        while True:
            message = self._client.get_shell_msg(timeout=seconds)
            if message["parent_header"].get("msg_id") == self._message:
                return message["content"]

    def _until(self, word, seconds):
        end, text = time.monotonic() + seconds, ""
        while word not in text:
            assert time.monotonic() < end, f"no {word!r} after {seconds} s but {text!r}"
            message = self._client.get_iopub_msg(timeout=seconds)
            text += message["content"].get("text", "")
        return text


def _terminal(quick):
    return _interrupted("terminal", _Terminal(), quick)


def _notebook(quick):
    return _interrupted("notebook", _Kernel(), quick)


def _interrupted(name, prompt, quick):
    """Random moments; a model is verified after each."""
    rng, times = random.Random(0), QUICK_TIMES if quick else TIMES
    left, shown = {}, {}                # seconds until the call has ended, and from then on
    longest = 0.0                       # of the long batches, when nothing interrupts them
    try:
        for call in (NOTHING, LARGE, *SHORT, LONG):
            left[call], shown[call], batches = [], [], []
            prompt.begin(call)          # the first traceback imports what shows it
            prompt.interrupt()
            for _ in range(times):
                prompt.begin(call)
                time.sleep(rng.uniform(0, 0.4))
                begun, back = prompt.interrupt()
                verified = re.search(r"right (\d+) (\S+) (\S+)", prompt.ask("verify"))
                batches.append(int(verified[1]))
                longest = max(longest, float(verified[3]) if call == LONG else 0)
                left[call].append(float(verified[2]) - begun)
                shown[call].append(back - float(verified[2]))
            print(f"    {name}, {call}: {_spread(left[call])}, the prompt {_spread(shown[call])} "
                  f"later, after {min(batches)} to {max(batches)} batches", flush=True)
    finally:
        prompt.close()
    back = {call: np.add(left[call], shown[call]) for call in left}
    ended, shown = (np.concatenate([each[call] for call in SHORT]) for each in (left, back))
    # A notebook draws a traceback, that of an empty loop as well: on a machine where this takes
    # half of the bound or more, the rest has the other half.  The end of long batches is held to
    # the bound there, not the prompt.
    terminal = name == "terminal"
    drawn = 0 if terminal else np.median(back[NOTHING])
    limits = [
        ("the call's end", ended, SECONDS),
        ("the prompt", shown, max(SECONDS, drawn + SECONDS / 2)),
        ("long batches", back[LONG] if terminal else left[LONG], longest + SECONDS),
    ]
    for what, seconds, limit in limits:
        assert quick or _late(seconds) <= limit, (
            f"{name}, {what}: {_spread(seconds)}, allowed are {1000 * limit:.0f} ms")
    return (f"{name}: {times * len(left)} interrupts, each model right; the call has ended after "
            f"{_brief(ended)}, the prompt is there after {_brief(shown)}, allowed are "
            f"{1000 * limits[1][2]:.0f} ms; that of an empty loop after {_brief(back[NOTHING])}, "
            f"of one that makes arrays of 160 MB after {_brief(back[LARGE])}; in batches of up to "
            f"{1000 * longest:.0f} ms after {_brief(left[LONG])} and {_brief(back[LONG])}")


def _late(seconds):
    return np.quantile(seconds, 0.99)


def _brief(seconds):
    return f"{1000 * np.median(seconds):.0f} ms (99 %: {1000 * _late(seconds):.0f})"


def _spread(seconds):
    half, late, most = 1000 * np.quantile(seconds, [0.5, 0.99, 1])
    return f"{half:.0f} ms (99 %: {late:.0f}, most: {most:.0f})"


# ---- killed training ---------------------------------------------------------------

TRAINING = """
import os, sys
import numpy as np
import neuroai_c as ai

path, epochs = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(0)
x, y = (rng.random((300, 20, 50)) < 0.2).astype(np.uint8), rng.random((300, 5))
if os.path.exists(path):
    model = ai.load_model(path)
    first = model.history.epoch[-1] + 1
else:
    model = ai.Sequential([
        ai.layers.InputLayer([None, 50]), ai.layers.SNU(40, g="leaky_rel", return_sequences=True),
        ai.layers.Dropout(0.2), ai.layers.SNU(5, g="leaky_rel", trainable_decay=True)], seed=0)
    rate = ai.optimizers.schedules.CosineDecay(0.01, 1000)
    model.compile(ai.optimizers.Adam(rate), metrics=["acc"])
    first = 0
print("begun", flush=True)
model.fit(x, y, batch_size=8, epochs=epochs, initial_epoch=first, verbose=0,
          callbacks=[ai.callbacks.ModelCheckpoint(path)])
"""


def _resumed(quick):
    """Begun again after every kill, until it ends."""
    epochs, wanted = (40, 2) if quick else (300, 8)
    kills, rng = 0, random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        whole, path = Path(folder) / "whole", Path(folder) / "killed"
        begun = time.monotonic()
        _train(whole, epochs)
        took = time.monotonic() - begun
        while kills < wanted:
            ended = _train(path, epochs, rng.uniform(0, took / (wanted + 1)))
            assert not ended or path.exists()
            if ended:                   # sooner than before: from the beginning
                path.unlink()
            kills += not ended
        _train(path, epochs)
        found, desired = _content(path), _content(whole)
    assert found == desired, "training that was killed ended with another model"
    return (f"{kills} times killed and begun again from its checkpoint, training ended with the "
            "same bits")


def _train(path, epochs, seconds=None):
    """Whether it ended; it is killed so many seconds after it began."""
    process = subprocess.Popen([sys.executable, "-c", TRAINING, str(path), str(epochs)],
                               stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
    try:
        assert process.stdout.readline() == "begun\n"
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        assert process.returncode == 0
        return True
    finally:
        process.kill()
        process.communicate()


def _content(path):
    """All but the history, which is that of the last fit."""
    arrays, document = files.read(path, "model")
    del document["history"]
    return document, {name: array.tobytes() for name, array in arrays.items()
                      if name.partition("/")[0] in ("weights", "slots", "states")}
