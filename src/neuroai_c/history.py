"""What training measured."""

import numbers

from . import checks


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
        """Adds an epoch, or, where that fails, nothing."""
        history = self._with(values, set())
        epochs, all_seconds = [*self.epoch, epoch], [*self.seconds, seconds]
        logged = set(values)
        self.epoch, self.seconds, self.history, self._logged = epochs, all_seconds, history, logged

    def _complete(self, values):
        """Adds the values of the last epoch that are not there yet, all or none of them."""
        history, logged = self._with(values, self._logged), self._logged | values.keys()
        self.history, self._logged = history, logged

    def _with(self, values, logged):
        """The measures and what is new among values."""
        history = dict(self.history)
        for name, value in values.items():
            if name not in logged:
                try:
                    value = float(value) if isinstance(value, numbers.Real) else None
                except OverflowError:
                    value = None
                if value is None or not isinstance(name, str):
                    raise TypeError(
                        "fit: logs must have numbers by name, also what a callback adds, "
                        f"got {checks.shown(values[name])} as {checks.shown(name)}"
                    )
                history[name] = [*history.get(name, ()), value]
        return history
