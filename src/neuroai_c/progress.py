"""What a run shows while it lasts."""

import os
import sys
import threading

from tqdm import tqdm


class _Silent:
    """What stands for a bar that is not shown: tqdm's own takes a tenth of a small batch's time."""

    shown = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def set_postfix_str(self, text, refresh):
        pass

    def update(self, batches):
        pass


class _Bar(tqdm):
    shown = True
    monitor_interval = 0                # no thread that stays: `update` looks at the time

    def refresh(self, nolock=False, lock_args=None):
        """As tqdm's, which keeps the lock for ever where Ctrl-C comes while it writes."""
        with self.get_lock():           # which the same thread may take again
            return super().refresh(nolock=True)

    def __exit__(self, kind, *error):
        try:
            self.close()
        except Exception:
            if kind is None:            # else what the bar is written to hides no Ctrl-C
                raise

    # Nothing: `with` has closed it, but where Ctrl-C came while it was made.  In C, as Python
    # would lose a Ctrl-C here.
    __del__ = object.__hash__


# Not tqdm's: its lock between processes stays with a child that is killed, and some ways to start
# processes need a process more for it; that between threads stays with a bar that Ctrl-C cuts.
_Bar.set_lock(threading.RLock())

if hasattr(os, "register_at_fork"):
    # A thread that the child does not have may hold the lock.
    os.register_at_fork(after_in_child=lambda: _Bar.set_lock(threading.RLock()))


def bar(verbose, title, batches):
    """A progress bar, where verbose is 1; batches may be None: not known before."""
    if verbose != 1 or sys.stdout is None:
        return _Silent()
    is_terminal = getattr(sys.stdout, "isatty", lambda: False)()
    return _Bar(
        total=batches,
        desc=title,
        unit="batch",
        file=sys.stdout,
        dynamic_ncols=True,
        # A log is no place for a moving bar: there, a line every few seconds.
        mininterval=0.1 if is_terminal else 5,
        miniters=1,
    )


def text(values):
    """Measures and their values in a line."""
    return " - ".join(f"{name}: {value:.4f}" for name, value in values.items())
