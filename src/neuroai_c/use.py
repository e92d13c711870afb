"""Who uses a model or a layer: one thread that changes it, or any number that read it.

Nobody waits.  Who would change what another thread has is refused.  Who reads is refused where
another thread changes it or has done so meanwhile: what was read may be half old and half new.
"""

import functools
import sys
import threading
import traceback
import weakref


class _Hold:
    """That a call has an object, as long as the call lasts.

    Whatever ends it, nothing has to be given back, as a Use knows it by a weak reference only:
    Ctrl-C can come at any moment, between taking a lock and being ready to release it as well.

    Each Use has one of its own: where memory is short, Python up to 3.12 leaves the weak references
    to an object that goes dangling, if there is more than one.
    """


class _Known(weakref.ref):
    """What a Use knows of a hold."""

    __slots__ = ("thread", "changes")


class _Thread(threading.local):
    """What tells a thread from all others, also those that a forked child has not got: its number
    may be that of another one there.
    """

    def __init__(self):
        self.token = object()


_this_thread = _Thread()


class Use:
    """Which thread has an object, and how often it was changed."""

    def __init__(self):
        self._holds = []                # in the order in which they came
        self._changes = 0

    def _first(self):
        for known in [*self._holds]:
            if known() is not None:
                return known
        return None

    def take(self, holds, changes):
        """Whether the object is now that of the call whose holds these are: it gets one more."""
        # Here and not when a call ends: Ctrl-C would be lost in what Python calls by itself.
        for known in [*self._holds]:
            if known() is None:
                try:
                    self._holds.remove(known)
                except ValueError:      # another thread was faster
                    pass
        holds.append(_Hold())           # the only reference to it
        known = _Known(holds[-1])
        known.thread, known.changes = _this_thread.token, changes
        self._holds.append(known)
        first = self._first()
        if first.thread is not known.thread:
            return False
        if changes:                     # the call first: see `seen`
            first.changes = True
            self._changes += 1
        return True

    def seen(self):
        """None where another thread changes the object; else equal as long as no change begins."""
        changes, first = self._changes, self._first()
        if first is None or not first.changes:
            return changes
        return (changes,) if first.thread is _this_thread.token else None


class Look:
    """A look at an object and its parts, of which `check` tells whether they stayed as they were.

    A pickle or a copy has one in the place of the Use, behind all else: there it checks.
    """

    def __init__(self, where, owner):
        self._where, self._owner = where, owner
        self._uses = owner._uses()
        self._before = [use.seen() for use in self._uses]
        self.check()

    def check(self):
        """RuntimeError where another thread has changed something."""
        if (None in self._before or self._owner._uses() != self._uses
                or [use.seen() for use in self._uses] != self._before):
            raise _in_use(self._where, self._owner)

    def __reduce__(self):
        self.check()
        return Use, ()


def _in_use(where, owner):
    where = type(owner).__name__ if where.startswith("_") else where
    return RuntimeError(f"{where}: this {owner._noun} is in use by another thread")


# Whose frames tell whoever has pressed Ctrl-C nothing.
_INSIDE = {__package__, "numpy", "tqdm", *sys.stdlib_module_names}


def _shortened(interrupt):
    """Without its frames, where all are of this package and of what that calls.

    A notebook takes long to draw each.  With those of a callback all stay.
    """
    modules = [str(frame.f_globals.get("__name__"))
               for frame, _ in traceback.walk_tb(interrupt.__traceback__)]
    is_bar = f"{__package__}.progress" in modules       # wherever that is drawn
    if is_bar or all(module.partition(".")[0] in _INSIDE for module in modules):
        interrupt.__traceback__ = None
    return interrupt


def changing(method, changes=True):
    """A method that has the object and its parts for itself, to change them."""

    @functools.wraps(method)
    def guarded(self, *arguments, **options):
        holds = []
        try:
            uses = self._uses()
            for use in uses:
                if not use.take(holds, changes):
                    raise _in_use(method.__name__, self)
            if self._uses() != uses:    # another thread has added or removed a layer meanwhile
                raise _in_use(method.__name__, self)
            return method(self, *arguments, **options)
        except KeyboardInterrupt as interrupt:
            raise _shortened(interrupt)
        finally:
            holds.clear()               # the error that goes on from here may be kept for long

    return guarded


def reading(method):
    """A method that reads the object and its parts, as others may at the same time."""

    @functools.wraps(method)
    def guarded(self, *arguments, **options):
        look = Look(method.__name__, self)
        result = method(self, *arguments, **options)
        look.check()
        return result

    return guarded


def running(method):
    """A model's method that runs it: its memory is for one thread, its weights stay as they are.

    Weights that are yet to be made, and the states of stateful layers, are changed.
    """
    return _by_what_it_keeps(method, changing(method, changes=False))


def calling(method):
    """A layer's call, which changes nothing but weights that are yet to be made and its state."""
    return _by_what_it_keeps(method, reading(method))


def _by_what_it_keeps(method, keeping_nothing):
    keeping = changing(method)

    @functools.wraps(method)
    def guarded(self, *arguments, **options):
        guard = keeping if self._keeps() else keeping_nothing
        return guard(self, *arguments, **options)

    return guarded
