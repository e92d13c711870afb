"""Memory that Python traces, also where somebody traces it already."""

import contextlib
import tracemalloc


@contextlib.contextmanager
def memory():
    """A function that gives the bytes held now, and the most so far, beyond those before it."""
    already = tracemalloc.is_tracing()
    if already:
        tracemalloc.reset_peak()
    else:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield lambda: [size - before for size in tracemalloc.get_traced_memory()]
    finally:
        if not already:
            tracemalloc.stop()
