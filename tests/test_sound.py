"""reproduce.sound: a piano roll as the notes that it says, held where it holds them."""

import numpy as np
import pytest
from neuroai_c.reproduce.sound import piano_roll_signal

RATE = 8000


def roll_of(*steps):
    roll = np.zeros((len(steps), 88), np.uint8)
    for t, notes in enumerate(steps):
        roll[t, [note - 21 for note in notes]] = 1
    return roll


def strongest(signal, count):
    """Frequencies of the highest peaks of the spectrum, in Hz."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal)), 8 * len(signal)))
    inner = spectrum[1:-1]
    peaks = 1 + np.flatnonzero((inner > spectrum[:-2]) & (inner >= spectrum[2:]))
    return sorted(peaks[np.argsort(spectrum[peaks])[-count:]] * RATE / (8 * len(signal)))


@pytest.mark.parametrize("note, frequency", [(69, 440), (57, 220), (60, 261.626), (81, 880)])
def test_frequency(note, frequency):
    signal = piano_roll_signal(roll_of([note]), 1, RATE)
    assert strongest(signal, 1) == [pytest.approx(frequency, abs=0.5)]
    assert strongest(signal, 2) == [pytest.approx(k * frequency, abs=0.5) for k in (1, 2)]


def test_chord():
    notes = [60, 64, 67]
    signal = piano_roll_signal(roll_of(notes), 1, RATE)
    wanted = [440 * 2 ** ((note - 69) / 12) for note in notes]
    assert strongest(signal, 3) == [pytest.approx(frequency, abs=0.5) for frequency in wanted]


def test_notes_add_up():
    together, one, other = (piano_roll_signal(roll_of(*steps), 0.1, RATE) for steps in (
        ([60, 72], [60], [72]), ([60], [60], []), ([72], [], [72])
    ))
    (a, b), *_ = np.linalg.lstsq(np.stack([one, other], axis=1), together, rcond=None)
    assert a > 0 and b > 0
    np.testing.assert_allclose(together, a * one + b * other, atol=1e-12)


def test_held_notes_are_not_struck_again():
    held = piano_roll_signal(roll_of([60], [60], [60]), 0.2, RATE)
    np.testing.assert_array_equal(held, piano_roll_signal(roll_of([60]), 0.6, RATE))
    struck = piano_roll_signal(roll_of([60], [], [60]), 0.2, RATE)
    np.testing.assert_array_equal(struck[:1600], struck[3200:])
    assert not struck[1600:3200].any()


def test_no_clicks():
    """A note rises from nothing and ends in nothing; so does one shorter than its rise and fall."""
    for seconds in (0.5, 0.02):
        signal = np.abs(piano_roll_signal(roll_of([69]), seconds, 44100))
        assert signal[0] == 0 and signal[-1] < 1e-2 and signal[:10].max() < 0.15
    # It fades while it is held.
    signal = np.abs(piano_roll_signal(roll_of([69]), 2, RATE))
    assert signal[:RATE].max() > 1.5 * signal[RATE:].max()


@pytest.mark.parametrize("steps", [([60],), ([60, 64, 67, 72], [62], []), ([21, 108],), (range(21, 109),)])
def test_peak(steps):
    signal = piano_roll_signal(roll_of(*steps))
    assert np.abs(signal).max() == pytest.approx(0.8)
    assert signal.dtype == np.float64


def test_silence():
    signal = piano_roll_signal(roll_of([], []), 0.5, RATE)
    assert signal.shape == (RATE,) and not signal.any()
    assert piano_roll_signal(np.zeros((0, 88))).shape == (0,)


def test_no_frequency_above_half_the_rate():
    assert not piano_roll_signal(roll_of([108]), 0.1, RATE).any()   # 4186 Hz
    spectrum = np.abs(np.fft.rfft(piano_roll_signal(roll_of([96]), 1, RATE) * np.hanning(RATE)))
    assert spectrum.argmax() == 2093
    assert np.delete(spectrum, range(2073, 2114)).max() < 1e-2 * spectrum.max()


def test_length_is_rounded_once():
    assert len(piano_roll_signal(np.zeros((7, 88)), 0.3, 11)) == round(7 * 0.3 * 11)
    assert len(piano_roll_signal(np.ones((9, 88)), 1 / 7, 7)) == 9


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_dtypes_and_lists(dtype):
    roll = roll_of([60], [64])
    wanted = piano_roll_signal(roll, 0.1, RATE)
    np.testing.assert_array_equal(piano_roll_signal(roll.astype(dtype), 0.1, RATE), wanted)
    np.testing.assert_array_equal(piano_roll_signal(roll.tolist(), 0.1, RATE), wanted)


@pytest.mark.parametrize("error, argument, arguments", [
    (TypeError, "roll", ("notes",)),
    (TypeError, "roll", (None,)),
    (ValueError, "roll", (np.zeros(88),)),
    (ValueError, "roll", (np.zeros((3, 87)),)),
    (ValueError, "roll", (np.zeros((1, 3, 88)),)),
    (ValueError, "roll", (np.full((3, 88), 0.5),)),
    (ValueError, "roll", (np.full((3, 88), -1),)),
    (ValueError, "roll", (np.full((3, 88), np.nan),)),
    (ValueError, "seconds_per_step", (np.zeros((3, 88)), 0)),
    (ValueError, "seconds_per_step", (np.zeros((3, 88)), -1.0)),
    (ValueError, "seconds_per_step", (np.zeros((3, 88)), np.nan)),
    (ValueError, "seconds_per_step", (np.zeros((3, 88)), 1e300)),
    (TypeError, "seconds_per_step", (np.zeros((3, 88)), "fast")),
    (ValueError, "rate", (np.zeros((3, 88)), 0.5, 0)),
    (TypeError, "rate", (np.zeros((3, 88)), 0.5, 8000.0)),
])
def test_bad_input(error, argument, arguments):
    with pytest.raises(error, match=rf"piano_roll_signal: {argument} must"):
        piano_roll_signal(*arguments)
