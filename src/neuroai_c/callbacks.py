"""What is called while a model trains, at the beginning and end of epochs and batches."""

import csv
import inspect
import io
import math
import os

from . import checks
from .schedules import LearningRateSchedule

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "LearningRateScheduler",
    "ModelCheckpoint",
]


class Callback:
    """Its methods, which do nothing here, are called by the model that it is passed to.

    `logs` is a dict of the loss and the metrics by name, the same for all callbacks of a list:
    what one of them adds at the end of an epoch the next can read.  A model trains a batch at a
    time, which takes longer, only where some callback has its own method for batches.

    Attributes:
        model: the model, from set_model on.  `model.stop_training = True` ends its training
            after the batch or the epoch.
        params: from set_params on, a dict: "epochs", "steps" and "verbose" of fit.

    Example:
        >>> class Printed(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, list(logs))
        >>> Printed().on_epoch_end(0, {"loss": 0.5})
        0 ['loss']
    """

    model = None
    params = None

    def set_model(self, model):
        """Is told the model before anything else."""
        self.model = model

    def set_params(self, params):
        """Is told how the model is called."""
        self.params = params

    def on_train_begin(self, logs=None):
        """At the beginning of fit."""

    def on_train_end(self, logs=None):
        """At the end of fit; logs are those of the last epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        """At the beginning of an epoch of fit, which are numbered from 0."""

    def on_epoch_end(self, epoch, logs=None):
        """At the end of an epoch, after its validation; logs have "val_loss" and the like."""

    def on_train_batch_begin(self, batch, logs=None):
        """Before a step of fit, which are numbered from 0 in every epoch."""

    def on_train_batch_end(self, batch, logs=None):
        """After a step; logs are means over the samples of the epoch so far."""

    def on_test_begin(self, logs=None):
        """At the beginning of evaluate, or of the validation of fit."""

    def on_test_end(self, logs=None):
        """At the end of evaluate, or of the validation of fit."""

    def on_test_batch_begin(self, batch, logs=None):
        """Before a batch of evaluate, or of the validation of fit."""

    def on_test_batch_end(self, batch, logs=None):
        """After a batch; logs are means over the samples so far."""

    def on_predict_begin(self, logs=None):
        """At the beginning of predict."""

    def on_predict_end(self, logs=None):
        """At the end of predict."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Before a batch of predict."""

    def on_predict_batch_end(self, batch, logs=None):
        """After a batch of predict."""


class CallbackList:
    """The callbacks of one call of a model's method, in their order."""

    def __init__(self, where, callbacks, model, params):
        if isinstance(callbacks, Callback):
            callbacks = [callbacks]
        if not isinstance(callbacks, (list, tuple, type(None))):
            raise TypeError(
                f"{where}: callbacks must be a list of callbacks, "
                f"got {checks.shown(callbacks)}"
            )
        self.callbacks = list(callbacks or ())
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"{where}: callbacks must be of neuroai_c's class Callback, "
                    f"got {checks.shown(callback)}"
                )
        self.call("set_model", model)
        self.call("set_params", params)

    def call(self, hook, *arguments, after=None):
        """Calls one method of all of them, and after each, if given, a function."""
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)
            if after:
                after()

    @property
    def train_batches(self):
        """Whether there is a method for the batches of training."""
        return self._has("on_train_batch_begin", "on_train_batch_end")

    @property
    def test_batches(self):
        """Whether there is a method for the batches of evaluate and of validation."""
        return self._has("on_test_batch_begin", "on_test_batch_end")

    @property
    def predict_batches(self):
        """Whether there is a method for the batches of predict."""
        return self._has("on_predict_batch_begin", "on_predict_batch_end")

    def _has(self, *hooks):
        """Whether one of these methods is another than Callback's: of a class or of an object."""
        return any(
            getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
            for callback in self.callbacks
            for hook in hooks
        )


class _Monitor(Callback):
    """A callback that watches whether a measure gets better."""

    def __init__(self, monitor, mode, verbose):
        where = type(self).__name__
        if not isinstance(monitor, str):
            raise TypeError(f"{where}: monitor must be a string, got {checks.shown(monitor)}")
        checks.one_of(where, "mode", mode, ("auto", "min", "max"))
        self.monitor = monitor
        self.mode = mode
        self.verbose = checks.integer(where, "verbose", verbose, 0)
        self._rising = mode == "max" or (mode == "auto" and "acc" in monitor)
        self._worst = -math.inf if self._rising else math.inf

    def _monitored(self, logs):
        logs = logs or {}
        if self.monitor not in logs:
            raise ValueError(
                f"{type(self).__name__}: monitor must be one of the measures that there are "
                f"({', '.join(logs) or 'none'}), got {checks.shown(self.monitor)}"
            )
        return logs[self.monitor]

    def _better(self, value, than, by=0):
        return value > than + by if self._rising else value < than - by


class EarlyStopping(_Monitor):
    """Ends training after `patience` epochs in a row in which a measure did not get better.

    It gets better where it surpasses the best so far, and the baseline if there is one, by more
    than min_delta.  With restore_best_weights the best weights are there at the end of training,
    whether it ended early or not (Keras 2 restores them only if it did); the optimizer's slots
    stay those of the last step.

    Args:
        monitor: the measure's name in the history.  Default "val_loss".
        min_delta: 0 or more.  Default 0.
        patience: epochs; 0 ends training as 1 does.  Default 0.
        verbose: 1 prints a line when it ends training or restores weights.  Default 0.
        mode: "min" or "max", which values are the better ones; "auto": the greater ones where
            the name has "acc" in it, else the smaller ones.  Default "auto".
        baseline: a value to surpass: epochs that do not are not better.  Default None.
        restore_best_weights: those after the epoch with the best value, also where none
            surpassed the baseline, instead of the last ones.  Default False.
        start_from_epoch: the first epoch, from 0, whose value counts.  Default 0.

    Attributes:
        best: the best value.
        best_epoch: its epoch, from 0.
        stopped_epoch: the last epoch, from 0, where training ended early; else 0.

    Raises:
        TypeError, ValueError: an argument of another kind; at the end of the first epoch: no
            measure of that name.

    Example:
        >>> import neuroai_c as ai
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 3]), ai.layers.SNU(2)], seed=0)
        >>> stopping = EarlyStopping(monitor="loss", patience=3, restore_best_weights=True)
        >>> stopping.set_model(model)
        >>> stopping.on_train_begin()
        >>> for epoch, loss in enumerate([0.5, 0.25, 0.75]):
        ...     stopping.on_epoch_end(epoch, {"loss": loss})
        >>> stopping.best_epoch, stopping.best
        (1, 0.25)
    """

    def __init__(self, monitor="val_loss", min_delta=0, patience=0, verbose=0, mode="auto",
                 baseline=None, restore_best_weights=False, start_from_epoch=0):
        super().__init__(monitor, mode, verbose)
        self.min_delta = checks.number("EarlyStopping", "min_delta", min_delta, 0)
        self.patience = checks.integer("EarlyStopping", "patience", patience, 0)
        if baseline is not None:
            baseline = checks.number("EarlyStopping", "baseline", baseline)
        self.baseline = baseline
        self.restore_best_weights = checks.boolean(
            "EarlyStopping", "restore_best_weights", restore_best_weights
        )
        self.start_from_epoch = checks.integer(
            "EarlyStopping", "start_from_epoch", start_from_epoch, 0
        )
        self._begin()

    def _begin(self):
        self.wait = self.best_epoch = self.stopped_epoch = 0
        self.best = self._worst
        self.best_weights = None

    def on_train_begin(self, logs=None):
        self._begin()

    def on_epoch_end(self, epoch, logs=None):
        value = self._monitored(logs)
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._better(value, self.best, self.min_delta):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._better(value, self.baseline, self.min_delta):
                self.wait = 0
        if self.wait >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                print(f"Epoch {epoch + 1}: early stopping")

    def on_train_end(self, logs=None):
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights after the best epoch, {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(_Monitor):
    """Saves the model, or its weights, at the end of epochs or every so many batches.

    Folders of the path that are not there are made.

    Args:
        filepath: where to; fields in braces are filled in: {epoch} counts from 1, {batch} (of
            the epoch, where save_freq is a number) too, others are measures, as in
            "{epoch:02d}-{val_loss:.2f}.safetensors".
        monitor: the measure's name in the history, where save_best_only.  Default "val_loss".
        verbose: 1 prints a line when it saves.  Default 0.
        save_best_only: only where the measure is better than at any time before, in earlier
            calls of fit too.  Default False.
        save_weights_only: by model.save_weights instead of model.save.  Default False.
        mode: "min", "max" or "auto", as for EarlyStopping.  Default "auto".
        save_freq: "epoch", or an integer: after so many batches.  Default "epoch".

    Attributes:
        best: the best value, where save_best_only.

    Raises:
        TypeError, ValueError: an argument of another kind; at the first time to save: no
            measure of a name.

    Example:
        >>> checkpoint = ModelCheckpoint("best.safetensors", save_best_only=True)
        >>> checkpoint.best
        inf
    """

    def __init__(self, filepath, monitor="val_loss", verbose=0, save_best_only=False,
                 save_weights_only=False, mode="auto", save_freq="epoch"):
        super().__init__(monitor, mode, verbose)
        self.filepath = _path("ModelCheckpoint", "filepath", filepath)
        self.save_best_only = checks.boolean(type(self).__name__, "save_best_only", save_best_only)
        self.save_weights_only = checks.boolean(
            "ModelCheckpoint", "save_weights_only", save_weights_only
        )
        if isinstance(save_freq, str):
            checks.one_of("ModelCheckpoint", "save_freq", save_freq, ("epoch",))
        else:
            save_freq = checks.integer("ModelCheckpoint", "save_freq", save_freq, 1)
            # Of the object: where epochs are saved, none has to go batch by batch.
            self.on_train_batch_end = self._after_batch
        self.save_freq = save_freq
        self.best = self._worst
        self._epoch = self._batches = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def _after_batch(self, batch, logs=None):
        self._batches += 1
        if self._batches >= self.save_freq:
            self._batches = 0
            self._save(logs, epoch=self._epoch + 1, batch=batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save(logs, epoch=epoch + 1)

    def _save(self, logs, **numbers):
        title = " ".join(f"{name} {number}" for name, number in numbers.items()).capitalize()
        if self.save_best_only:
            value = self._monitored(logs)
            if not self._better(value, self.best):
                if self.verbose:
                    print(f"{title}: {self.monitor} did not improve from {self.best:.5f}")
                return
        path = self._filled({**(logs or {}), **numbers})
        if self.verbose:
            print(f"{title}: saving to {path}")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.save_best_only:
            self.best = value

    def _filled(self, fields):
        try:
            return self.filepath.format(**fields)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(
                f"ModelCheckpoint: filepath may have the fields {', '.join(fields)} in braces, "
                f"got {checks.shown(self.filepath)}: {type(error).__name__}: {error}"
            ) from error


class CSVLogger(Callback):
    """Writes a line an epoch: its number, from 0, and the measures in the order of their names.

    The file is closed between epochs, so that every line is there at once.  Its first line has
    the names; a measure that has no value in a later epoch is NA there.

    Args:
        filename: the file, which training begins anew.
        separator: between values, one character.  Default ",".
        append: add to the file that is there.  Default False.

    Raises:
        TypeError, ValueError: an argument of another kind; at the begin of training: a file to
            append to that is no CSV file; at the end of an epoch: a measure that the first line
            does not have.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(os.path.join(folder, "log.csv"))
        ...     logger.on_train_begin()
        ...     logger.on_epoch_end(0, {"loss": 0.5, "acc": 0.25})
        ...     with open(logger.filename) as file:
        ...         print(file.read())
        epoch,acc,loss
        0,0.25,0.5
    """

    def __init__(self, filename, separator=",", append=False):
        self.filename = _path("CSVLogger", "filename", filename)
        if not isinstance(separator, str) or len(separator) != 1 or (
            separator in '\r\n"' or "\ud800" <= separator <= "\udfff"
        ):
            raise ValueError(
                "CSVLogger: separator must be one character, "
                f"got {checks.shown(separator)}"
            )
        self.separator = separator
        self.append = checks.boolean(type(self).__name__, "append", append)
        self._names = None

    def on_train_begin(self, logs=None):
        self._names = None
        if self.append and os.path.exists(self.filename):
            try:
                with open(self.filename, newline="", encoding="utf-8") as file:
                    self._names = next(csv.reader(file, delimiter=self.separator), None)
                    file.seek(0)
                    cut = self._names is not None and not file.read().endswith("\n")
            except (UnicodeDecodeError, csv.Error) as error:
                raise ValueError(
                    "CSVLogger: filename must be of a CSV file to append to, "
                    f"got {self.filename}: {error}"
                ) from error
            if cut:                     # a line that was never ended is not gone on with
                with open(self.filename, "a", encoding="utf-8") as file:
                    file.write("\n")
        else:
            open(self.filename, "w", encoding="utf-8").close()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch, **(logs or {})}
        names = ["epoch", *sorted(logs or {})] if self._names is None else self._names
        if not row.keys() <= set(names):
            raise ValueError(
                f"CSVLogger: {self.filename} has the columns {', '.join(names)}, "
                f"but there are {', '.join(row)}"
            )
        text = io.StringIO(newline="")  # whole lines, or none
        writer = csv.DictWriter(
            text, names, restval="NA", delimiter=self.separator, lineterminator="\n"
        )
        if self._names is None:
            writer.writeheader()
        writer.writerow(row)
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            file.write(text.getvalue())
        self._names = names


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of every epoch; the history has it as "lr".

    Args:
        schedule: is called with the number of the epoch, from 0, and the learning rate, or, if
            it takes one argument, with the number alone; returns the new learning rate.
        verbose: 1 prints a line an epoch.  Default 0.

    Raises:
        TypeError, ValueError: an argument of another kind; in fit: an optimizer that has a
            schedule of its own, or a schedule that returns no number of 0 or more.

    Example:
        >>> halved = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
        >>> import neuroai_c as ai
        >>> model = ai.Sequential([ai.layers.InputLayer([None, 3]), ai.layers.SNU(2)])
        >>> model.compile(ai.optimizers.SGD(learning_rate=0.5))
        >>> halved.set_model(model)
        >>> for epoch in range(3):
        ...     halved.on_epoch_begin(epoch)
        >>> model.optimizer.learning_rate
        0.125
    """

    def __init__(self, schedule, verbose=0):
        self._takes_rate = _takes_two(schedule)
        self.schedule = schedule
        self.verbose = checks.integer("LearningRateScheduler", "verbose", verbose, 0)

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        if isinstance(optimizer.learning_rate, LearningRateSchedule):
            raise ValueError(
                "LearningRateScheduler: the optimizer's learning_rate must be a number, "
                f"got {checks.shown(optimizer.learning_rate)}"
            )
        arguments = (epoch, optimizer.learning_rate) if self._takes_rate else (epoch,)
        optimizer.learning_rate = checks.number(
            "LearningRateScheduler", "what schedule returns", self.schedule(*arguments), 0
        )
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {optimizer.learning_rate}")

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["lr"] = self.model.optimizer.learning_rate


def _takes_two(schedule):
    """Whether a schedule takes the epoch and the learning rate, or the epoch alone."""
    if not callable(schedule):
        raise TypeError(
            "LearningRateScheduler: schedule must be a function, "
            f"got {checks.shown(schedule)}"
        )
    try:
        signature = inspect.signature(schedule)
    except ValueError:
        return True  # what is not written in Python may have none
    for arguments in ((0, 0.0), (0,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise TypeError(
        "LearningRateScheduler: schedule must take the epoch, or the epoch and the learning rate, "
        f"got {checks.shown(schedule)}"
    )


def _path(where, argument, value):
    """A path as a string, with a leading ~ expanded: fields in braces are filled in later."""
    return str(checks.path(where, argument, value))
