"""Piano rolls made audible.

A note of frequency f that starts at time 0 and ends at E sounds as

    e(t) sum_k 2^-k sin(2 pi k f t),    k = 1, 2, ... below half the rate,
    e(t) = min(1, t / ATTACK, (E - t) / RELEASE) exp(-t / DECAY)

with f = 440 Hz 2^((m - 69) / 12) for the MIDI note m.  Notes add up.
"""

import numpy as np

from .. import checks

NOTES = 88
LOWEST = 21  # MIDI note of column 0
HARMONICS = 6
ATTACK = 0.01  # seconds, as all below: without a rise and a fall notes click
RELEASE = 0.05
DECAY = 1.5
PEAK = 0.8


def piano_roll_signal(roll, seconds_per_step=0.5, rate=22050):
    """The sound of a piano roll, by additive synthesis.

    A note that goes on in the next step is held, not struck again.

    Args:
        roll: (T, 88) of 0 and 1; column i is the MIDI note 21 + i.
        seconds_per_step: Default 0.5: quarter notes at 120 a minute.
        rate: samples a second.  Default 22050.

    Returns:
        signal: (samples,) float64 of T seconds_per_step rate samples, rounded, with a peak
            of 0.8; zeros where no note is.

    Raises:
        TypeError: an argument that is no such thing.
        ValueError: a roll of another shape or with other numbers; a rate below 1; steps
            shorter than a sample or longer than a minute.

    Example:
        >>> roll = np.zeros((4, 88))
        >>> roll[:2, 48] = 1                    # A4, held for two steps
        >>> signal = piano_roll_signal(roll, rate=8000)
        >>> signal.shape, bool(signal[8000:].any())
        ((16000,), False)
        >>> print(round(abs(signal).max(), 6))
        0.8
    """
    roll = checks.numeric("piano_roll_signal", "roll", roll)
    if roll.ndim != 2 or roll.shape[1] != NOTES:
        raise ValueError(f"piano_roll_signal: roll must have shape (T, {NOTES}), got {roll.shape}")
    if not ((roll == 0) | (roll == 1)).all():
        raise ValueError("piano_roll_signal: roll must hold 0 and 1, got other numbers")
    rate = checks.integer("piano_roll_signal", "rate", rate, 1, 2**31 - 1)
    seconds_per_step = checks.number(
        "piano_roll_signal", "seconds_per_step", seconds_per_step, 1 / rate, 60
    )

    edges = np.rint(np.arange(len(roll) + 1) * seconds_per_step * rate).astype(np.int64)
    signal = np.zeros(edges[-1])
    for column, start, stop in zip(*_notes(roll)):
        begin, end = edges[start], edges[stop]
        signal[begin:end] += _tone(LOWEST + column, end - begin, rate)
    peak = np.abs(signal).max(initial=0)
    return signal * (PEAK / peak) if peak > 0 else signal


def _notes(roll):
    """Column, first step and step after the last, of every run of ones."""
    silence = np.zeros((1, NOTES), np.int8)
    change = np.diff(np.concatenate([silence, roll.astype(np.int8), silence]), axis=0).T
    column, start = np.nonzero(change == 1)
    stop = np.nonzero(change == -1)[1]
    return column, start, stop


def _tone(note, samples, rate):
    t = np.arange(samples) / rate
    frequency = 440 * 2 ** ((note - 69) / 12)
    k = np.arange(1, HARMONICS + 1)[:, None]
    k = k[k * frequency < rate / 2, None]  # higher ones would sound as lower ones
    tone = (0.5**k * np.sin(2 * np.pi * frequency * k * t)).sum(axis=0)
    ramp = np.minimum(1, np.minimum(t / ATTACK, (samples / rate - t) / RELEASE))
    return tone * ramp * np.exp(-t / DECAY)
