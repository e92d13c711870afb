"""What training measured."""

import numbers

from . import memory


class History:
    """What fit measured.

    Attributes:
        epoch: the numbers of the epochs, from 0.
        history: for each measure the list of its values, one an epoch.
        seconds: how long each epoch took, without its validation.

    Example:
        >>> import neuroai_c as ai, numpy as np
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 3]), ai.layers.SNU(2)], seed=0)
        >>> model.compile(metrics=["acc"])
        >>> history = model.fit(np.ones((8, 5, 3)), np.ones((8, 2)), epochs=3, verbose=0)
        >>> history
        <History of 3 epochs: loss, acc>
        >>> history.epoch, list(history.history)
        ([0, 1, 2], ['loss', 'acc'])
    """

    def __init__(self):
        self.epoch = []
        self.history = {}
        self.seconds = []
        self._logged = set()            # the measures of the last epoch that are there

    def __repr__(self):
        measures = ": " + ", ".join(self.history) if self.history else ""
        count = len(self.epoch)
        return f"<History of {count} {'epoch' if count == 1 else 'epochs'}{measures}>"

    def _append(self, epoch, values, seconds):
        self._logged = set()
        self._add(values, [self.epoch, self.seconds], [epoch, seconds])

    def _complete(self, values):
        """Adds the values of the last epoch that are not there yet."""
        self._add(values, [], [])

    def _add(self, values, lists, items):
        for name, value in values.items():
            if name not in self._logged:
                if not (isinstance(name, str) and isinstance(value, numbers.Real)):
                    raise TypeError(
                        "fit: logs must have numbers by name, also what a callback adds, "
                        f"got {value!r} as {name!r}"
                    )
                lists.append(self.history.setdefault(name, []))
                items.append(float(value))
        memory.at_once(list.append, lists, items)
        self._logged |= values.keys()
