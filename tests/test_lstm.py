"""reproduce.lstm: the LSTM on PyTorch; what it is without PyTorch."""

import importlib.util
import sys

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c.reproduce import lstm

SIZES = (6, 5, 4, 3)


def data(samples=40):
    """Spikes, and which third of the inputs has most of them."""
    rng = np.random.default_rng(0)
    classes = rng.integers(3, size=samples)
    rates = 0.1 + 0.6 * (np.arange(6) // 2 == classes[:, None])
    spikes = rng.random((samples, 7, 6)) < rates[:, None]
    return ai.Spikes.from_dense(spikes.astype(np.uint8)), ai.utils.to_categorical(classes, 3)


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"LSTM: it needs PyTorch, pip install 'neuroai_c\[lstm\]'"):
        lstm.LSTM(SIZES, 0.5)


def test_available():
    assert lstm.available() == (importlib.util.find_spec("torch") is not None)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def weights(net):
    return [parameter.detach().numpy().copy() for parameter in net._layers.parameters()]


def test_begins_as_in_keras(torch):
    net = lstm.LSTM(SIZES, 0.5)
    for layer, inputs, units in zip(net._layers, SIZES, SIZES[1:]):
        kernel, recurrent, bias, second_bias = (p.detach().numpy() for p in layer.parameters())
        assert kernel.shape == (4 * units, inputs)
        assert np.abs(kernel).max() <= np.sqrt(6 / (inputs + 4 * units))
        np.testing.assert_allclose(recurrent.T @ recurrent, np.eye(units), atol=1e-5)
        assert bias.tolist() == [0] * units + [1] * units + [0] * (2 * units)
        assert not second_bias.any()


def forward(net, x):
    """The mean over time of the last layer, from the equations of the LSTM."""
    sigmoid = ai.activations.sigmoid
    for layer in net._layers:
        W, R, b, _ = (p.detach().numpy().astype(np.float64) for p in layer.parameters())
        h = c = np.zeros((len(x), R.shape[1]))
        outputs = []
        for t in range(x.shape[1]):
            i, f, g, o = np.split(x[:, t] @ W.T + h @ R.T + b, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            outputs.append(h)
        x = np.stack(outputs, axis=1)
    return x.mean(axis=1)


def test_evaluate(torch):
    net = lstm.LSTM(SIZES, 0.5)
    x, y = data()
    output = forward(net, np.asarray(x))
    loss, acc = net.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(loss, ((output - y) ** 2).mean(), rtol=1e-5)
    assert acc == (output.argmax(axis=1) == y.argmax(axis=1)).mean()
    assert net.evaluate(x, y, verbose=0, return_dict=True) == {"loss": loss, "acc": acc}


def test_learns(torch):
    net = lstm.LSTM(SIZES, 0.5)
    x, y = data()
    history = net.fit(x, y, epochs=60, batch_size=5, verbose=0)
    assert history.epoch == list(range(60)) and len(history.seconds) == 60
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert net.evaluate(x, y, verbose=0)[1] > 0.8


def test_one_bias_a_gate(torch):
    net = lstm.LSTM(SIZES, 0.5)
    before = weights(net)
    net.fit(*data(), epochs=1, batch_size=5, verbose=0)
    moved = [(a != b).any() for a, b in zip(before, weights(net))]
    assert moved == [True, True, True, False] * 3


def test_seed(torch):
    def trained(seed):
        net = lstm.LSTM(SIZES, 0.5, seed)
        return net.fit(*data(), epochs=2, batch_size=7, verbose=0).history

    assert trained(1) == trained(1) != trained(2)


def test_leaves_torch_alone(torch):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    net = lstm.LSTM(SIZES, 0.5)
    net.fit(*data(), epochs=1, batch_size=5, verbose=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


def test_a_line_an_epoch(torch, capsys):
    history = lstm.LSTM(SIZES, 0.5).fit(*data(), epochs=1, batch_size=15, verbose=2).history
    wanted = f"Epoch 1/1 - loss: {history['loss'][0]:.4f} - acc: {history['acc'][0]:.4f}\n"
    assert capsys.readouterr().out == wanted
