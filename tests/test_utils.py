"""utils: the encoder as a user calls it, one-hot rows, and sound files."""

import inspect
import os
import wave

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c.utils import to_categorical, transform_rate, write_wav
from tolerances import assert_same_bits

# ---- transform_rate --------------------------------------------------------


def encoded(data, N_ts, max_is_present_for, seed=0):
    """The toolkit's encoder, as spec.md has it."""
    random = np.random.RandomState(seed)
    steps = [(data * max_is_present_for) / N_ts > random.random_sample(data.shape) for _ in range(N_ts)]
    return np.array(steps, np.uint8).reshape(N_ts, *data.shape).swapaxes(0, 1)


@pytest.mark.parametrize("N_ts", [1, 20, 31, 32, 33, 64, 100])
@pytest.mark.parametrize("shape", [(1, 1), (5,), (3, 784), (13, 7, 5), (2, 3, 1, 4)], ids=str)
def test_transform_rate(shape, N_ts):
    data = np.random.default_rng(0).random(shape)
    spikes = transform_rate(data, N_ts, 6, seed=3)
    assert isinstance(spikes, ai.Spikes)
    assert spikes.shape == (shape[0], N_ts, *shape[1:])
    assert_same_bits(spikes, encoded(data, N_ts, 6, seed=3))


def test_transform_rate_of_images():
    """Grey values as they are in the file are far above 1: they always spike."""
    images = np.array([[0, 255, 128, 1]], np.uint8)
    assert_same_bits(transform_rate(images, 40, 6), encoded(images.astype(float), 40, 6))
    assert np.asarray(transform_rate(images, 40, 6)).mean(axis=1)[0, 1] == 1


def test_transform_rate_by_name():
    names = list(inspect.signature(transform_rate).parameters)
    assert names == ["data2D", "N_ts", "max_is_present_for", "seed"]
    data = np.random.default_rng(0).random((3, 9))
    assert_same_bits(transform_rate(data2D=data, N_ts=20, max_is_present_for=6, seed=2),
                     transform_rate(data, 20, 6, 2))
    assert not np.array_equal(transform_rate(data, 20, 6, 2), transform_rate(data, 20, 6))


def test_mean_rate():
    spikes = np.asarray(transform_rate(np.full((500, 100), 0.5), 20, 6))
    assert abs(spikes.sum(axis=1).mean() - 3) < 0.02


@pytest.mark.parametrize("argument, arguments", [
    ("data2D", (None, 20, 6)),
    ("data2D", ("digits", 20, 6)),
    ("data2D", (0.5, 20, 6)),
    ("data2D", (np.ones((3, 0)), 20, 6)),
    ("N_ts", (np.ones((2, 3)), -1, 6)),
    ("N_ts", (np.ones((2, 3)), 2.0, 6)),
    ("N_ts", (np.ones((2, 3)), 10**30, 6)),
    ("max_is_present_for", (np.ones((2, 3)), 20, None)),
    ("max_is_present_for", (np.ones((2, 3)), 20, np.nan)),
    ("seed", (np.ones((2, 3)), 20, 6, -1)),
    ("seed", (np.ones((2, 3)), 20, 6, None)),
    ("seed", (np.ones((2, 3)), 20, 6, 2**32)),
])
def test_transform_rate_of_bad_input(argument, arguments):
    with pytest.raises((TypeError, ValueError), match=rf"(transform_rate|rate_encode): .*\b{argument}\b"):
        transform_rate(*arguments)


def test_transform_rate_of_more_than_there_is_memory():
    with pytest.raises(MemoryError):
        transform_rate(np.ones((2, 3)), 2**60, 6)


# ---- to_categorical --------------------------------------------------------


@pytest.mark.parametrize("y", [[0, 2, 1], np.array([3, 3], np.uint8), np.array([[0, 1], [4, 0]], np.int64),
                               [True, False], [0.0, 2.0], np.array(2), 2], ids=str)
def test_to_categorical(y):
    rows = to_categorical(y)
    y = np.asarray(y).astype(int)
    assert_same_bits(rows, np.eye(y.max() + 1, dtype=np.float32)[y])


def test_number_of_classes():
    assert_same_bits(to_categorical([1, 0], 4), np.eye(4, dtype=np.float32)[[1, 0]])
    assert to_categorical([], 4).shape == (0, 4)
    assert to_categorical(np.zeros((3, 0), int), 4).shape == (3, 0, 4)
    assert_same_bits(to_categorical([0, 0]), np.ones((2, 1), np.float32))


@pytest.mark.parametrize("dtype", ["float64", np.uint8, bool, int])
def test_dtype(dtype):
    assert_same_bits(to_categorical([1, 0, 2], dtype=dtype), np.eye(3, dtype=dtype)[[1, 0, 2]])


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24
@pytest.mark.parametrize("error, message, arguments", [
    (ValueError, "y must be from 0 to 2, got 0 to 3", ([0, 3], 3)),
    (ValueError, "y must be from 0 to .*got -1 to 1", ([-1, 1],)),
    (ValueError, "y", ([-3, -2],)),
    (ValueError, "y must be", ([2**62], 3)),
    (ValueError, "y must be", (np.array([2**64 - 1], np.uint64), 3)),
    (ValueError, "num_classes", ([],)),
    (ValueError, "num_classes", ([0], 0)),
    (ValueError, "num_classes", ([0], -1)),
    (TypeError, "num_classes", ([0], 2.0)),
    (TypeError, "num_classes", ([0], "2")),
    (TypeError, "y must hold integers", ([0.5],)),
    ((TypeError, ValueError), "y", ([np.nan],)),
    ((TypeError, ValueError), "y", ([np.inf],)),
    ((TypeError, ValueError), "y", ([1e300], 3)),
    (TypeError, "y must", (["1"],)),
    (TypeError, "y must", (None,)),
    (TypeError, "y must", ([1 + 0j],)),
    ((TypeError, ValueError), "y", ([[0], [1, 2]],)),
    (TypeError, "dtype", ([0], 2, "many")),
], ids=str)
def test_to_categorical_of_bad_input(error, message, arguments):
    with pytest.raises(error, match=f"to_categorical: .*{message}"):
        to_categorical(*arguments)


# ---- write_wav -------------------------------------------------------------


def read_wav(path):
    """(rate, int16 samples), by the standard library."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getcomptype()) == (1, 2, "NONE")
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.mark.parametrize("rate", [1, 8000, 44100, 2**31 - 1])
def test_write_wav(tmp_path, rate):
    signal = np.random.default_rng(0).uniform(-1, 1, 1000)
    write_wav(tmp_path / "a.wav", signal, rate)
    assert os.listdir(tmp_path) == ["a.wav"]
    got, samples = read_wav(tmp_path / "a.wav")
    assert got == rate
    assert_same_bits(samples, np.rint(signal * 32767).astype(np.int16))


def test_a_wav_in_bytes(tmp_path):
    """Little-endian on every machine."""
    write_wav(str(tmp_path / "a.wav"), [0, 1, -1, 0.5], np.int64(8000))
    header = (b"RIFF" + bytes([44, 0, 0, 0]) + b"WAVEfmt " + bytes([16, 0, 0, 0, 1, 0, 1, 0])
              + bytes([0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0]) + b"data" + bytes([8, 0, 0, 0]))
    samples = bytes([0, 0, 0xFF, 0x7F, 0x01, 0x80, 0x00, 0x40])
    assert (tmp_path / "a.wav").read_bytes() == header + samples


@pytest.mark.parametrize("signal", [
    [], [1, 0, -1], [True, False], np.array([1, 0], np.uint8), np.linspace(-1, 1, 9, dtype=np.float16),
    np.linspace(-1, 1, 9, dtype=np.float32)[::-2], np.linspace(-1, 1, 9).astype(">f8"), (0.25,),
], ids=str)
def test_signals(tmp_path, signal):
    write_wav(tmp_path / "a.wav", signal, 8000)
    wanted = np.rint(np.asarray(signal, float) * 32767).astype(np.int16)
    assert_same_bits(read_wav(tmp_path / "a.wav")[1], wanted)


@pytest.mark.parametrize("error, argument, arguments", [
    (TypeError, "path", (None, [0.0], 8000)),
    (TypeError, "path", (3, [0.0], 8000)),
    (TypeError, "signal", ("a.wav", None, 8000)),
    (TypeError, "signal", ("a.wav", ["0"], 8000)),
    (TypeError, "signal", ("a.wav", [1j], 8000)),
    (ValueError, "signal", ("a.wav", 0.0, 8000)),
    (ValueError, "signal", ("a.wav", [[0.0, 0.0]], 8000)),
    (ValueError, "signal", ("a.wav", [0.0, 1.0001], 8000)),
    (ValueError, "signal", ("a.wav", np.array([0, -128], np.int8), 8000)),
    (ValueError, "signal", ("a.wav", [0.0, np.nan], 8000)),
    (ValueError, "signal", ("a.wav", [0.0, -np.inf], 8000)),
    (ValueError, "signal", ("a.wav", np.broadcast_to(np.float32(0), 2**31), 8000)),
    (ValueError, "rate", ("a.wav", [0.0], 0)),
    (ValueError, "rate", ("a.wav", [0.0], -8000)),
    (ValueError, "rate", ("a.wav", [0.0], 2**31)),
    (TypeError, "rate", ("a.wav", [0.0], 8000.0)),
    (TypeError, "rate", ("a.wav", [0.0], "8000")),
])
def test_write_wav_of_bad_input(tmp_path, monkeypatch, error, argument, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=f"write_wav: {argument} must"):
        write_wav(*arguments)
    assert os.listdir() == []


def test_write_wav_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    write_wav(path, [0.5], 8000)
    before = path.read_bytes()

    def full(*arguments):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(wave.Wave_write, "writeframes", full)
        with pytest.raises(OSError, match="no space"):
            write_wav(path, np.zeros(100), 8000)
    assert os.listdir(tmp_path) == ["a.wav"] and path.read_bytes() == before
    write_wav(path, np.zeros(100), 8000)
    assert len(read_wav(path)[1]) == 100


def test_write_wav_where_nothing_can_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_wav(tmp_path / "absent" / "a.wav", [0.0], 8000)
    with pytest.raises(OSError):
        write_wav(tmp_path, [0.0], 8000)
    assert os.listdir(tmp_path) == []
    assert os.listdir(tmp_path.parent).count(f"{tmp_path.name}.part") == 0
