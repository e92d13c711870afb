"""The recorded numbers of the reference toolkit; golden/README.md says what each array is."""

import hashlib

import neuroai_c as ai
import numpy as np
import pytest
import twin
from neuroai_c import ops
from tolerances import (FLOAT32_GRADIENT, FLOAT32_VALUE, GOLDEN_GRADIENT, GOLDEN_VALUE, RMSPROP_FLOAT32,
                        TRAINED, TRAINED_20, TRAINED_FLOAT32, TRAJECTORY_WEIGHTS, assert_close)

DTYPES = [pytest.param(np.float64, id="f64"), pytest.param(np.float32, id="f32")]
WEIGHTS = ["kernel_1", "bias_1", "kernel_2", "bias_2"]


def cases(file):
    """RMSprop as it is since TensorFlow 2.11 is recorded too, and not ours."""
    names = map(str, twin.golden(file)["cases"])
    return [(file, name) for name in names if not name.startswith("rmsprop_2_11")]


def activation(name, **parameters):
    kinds = {"leaky_rel": ai.activations.LeakyRel, "step_function": ai.activations.StepFunction}
    return kinds[name](**parameters)


# ---- layers ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("file, name", cases("layers") + cases("pseudo"))
def test_layer(file, name, dtype):
    recorded = twin.golden(file)[name]
    case = twin.golden_case(recorded, dtype, activation)
    y, V = case.forward(ops)
    gradients = case.backward(ops, y, V)

    double = dtype == np.float64
    value, gradient = (GOLDEN_VALUE, GOLDEN_GRADIENT) if double else (FLOAT32_VALUE, FLOAT32_GRADIENT)
    desired = recorded["f64" if double else "f32"]
    if str(recorded["activation"]) == "step_function":
        np.testing.assert_array_equal(y, desired["y"])
    assert_close(y, desired["y"], value, "y")
    assert_close(V, recorded["f64"]["V"], value, "V")
    for parameter in ("x", "kernel", "bias", "recurrent_kernel"):
        if f"d_{parameter}" in desired:
            assert_close(getattr(gradients, parameter), desired[f"d_{parameter}"], gradient, parameter)
    assert (gradients.recurrent_kernel is None) == ("d_recurrent_kernel" not in desired)


# ---- training --------------------------------------------------------------

OPTIMIZERS = {
    "sgd": (ai.optimizers.SGD, dict(learning_rate=0.5)),
    "sgd_momentum": (ai.optimizers.SGD, dict(learning_rate=0.1, momentum=0.9)),
    "sgd_nesterov": (ai.optimizers.SGD, dict(learning_rate=0.1, momentum=0.9, nesterov=True)),
    "rmsprop": (ai.optimizers.RMSprop, dict(learning_rate=0.1)),
    "adam": (ai.optimizers.Adam, dict(learning_rate=0.01)),
}


class OpsNet:
    """The page's net written with `ops`: SNU, SNU, mean over time, mse, one optimizer step."""

    def __init__(self, weights, options, lateral_inhibition, optimizer):
        self.weights = weights
        self.options = options
        self.lateral_inhibition = lateral_inhibition
        self.optimizer, self.hyperparameters = OPTIMIZERS[optimizer]
        self.slots = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        self.steps = 0

    def get_weights(self):
        return self.weights

    def train_on_batch(self, x, target):
        W_1, b_1, W_2, b_2 = self.weights
        hidden = dict(self.options, lateral_inhibition=self.lateral_inhibition)
        y_1, V_1 = ops.snu_forward(x, W_1, b_1, **hidden)
        y_2, V_2 = ops.snu_forward(y_1, W_2, b_2, **self.options)
        output = ops.average_forward(y_2)

        dy = ops.average_backward(ops.mse_backward(output, target), y_2.shape[1])
        d_2 = ops.snu_backward(dy, y_1, W_2, b_2, y=y_2, V=V_2, **self.options)
        d_1 = ops.snu_backward(d_2.x, x, W_1, b_1, y=y_1, V=V_1, **hidden)

        self.steps += 1
        for w, g, slots in zip(self.weights, (d_1.kernel, d_1.bias, d_2.kernel, d_2.bias), self.slots):
            self.update(w, g, *slots)
        acc = np.mean(output.argmax(axis=1) == target.argmax(axis=1))
        return [ops.mse_forward(output, target), acc, y_1.sum(dtype=np.float64) / len(y_1)]

    def update(self, w, g, first, second):
        if self.optimizer is ai.optimizers.SGD:
            velocity = first if "momentum" in self.hyperparameters else None
            ops.sgd_step(w, g, velocity, **self.hyperparameters)
        elif self.optimizer is ai.optimizers.RMSprop:
            ops.rmsprop_step(w, g, first, **self.hyperparameters)
        else:
            ops.adam_step(w, g, first, second, step=self.steps, **self.hyperparameters)


def sequential(weights, options, lateral_inhibition, optimizer):
    """The same net as a user builds it."""
    inputs, units = weights[0].shape
    model = ai.Sequential(dtype=weights[0].dtype.name)
    model.add(ai.layers.InputLayer(input_shape=[None, inputs]))
    model.add(ai.layers.SNU(units, **options, lateral_inhibition=lateral_inhibition, return_sequences=True))
    model.add(ai.layers.SNU(weights[2].shape[1], **options, return_sequences=True))
    model.add(ai.layers.GlobalAveragePooling1D())
    make, hyperparameters = OPTIMIZERS[optimizer]
    model.compile(optimizer=make(**hyperparameters), loss="mse",
                  metrics=["acc", ai.metrics.SpikeCount(model.layers[0])])
    model.set_weights(weights)
    return model


NETS = [pytest.param(OpsNet, id="ops"), pytest.param(sequential, id="Sequential")]


def new_net(make, file, optimizer, lateral_inhibition, dtype):
    recorded = twin.golden(file)
    # float64 was recorded with TensorFlow's float32 alpha
    alpha = float(np.float32(0.1)) if dtype == np.float64 else 0.1
    options = dict(decay=float(recorded["decay"]), g=ai.activations.LeakyRel(alpha))
    return make([recorded["initial"][name].astype(dtype) for name in WEIGHTS], options,
                lateral_inhibition, optimizer)


def assert_history(history, recorded, dtype, rmsprop):
    """Loss, acc and spikes of every step; float32 up to the step where the recorded runs part."""
    loss, acc, spikes = (np.array(column, np.float64) for column in zip(*history))
    desired = recorded["f64"]
    if dtype == np.float64:
        assert_close(loss, desired["loss"], GOLDEN_VALUE, "loss")
        assert_close(acc, desired["acc"], GOLDEN_VALUE, "acc")
        assert_close(spikes, desired["spikes"], GOLDEN_VALUE, "spikes")
        return
    together = (int(recorded["first_difference"]) or len(loss) + 1) - 1
    for step in range(together):
        tolerance = RMSPROP_FLOAT32 if rmsprop else FLOAT32_VALUE
        assert_close(loss[step], desired["loss"][step], tolerance, f"loss of step {step + 1}")
        assert_close(spikes[step], desired["spikes"][step], tolerance, f"spikes of step {step + 1}")
        if not rmsprop:
            assert_close(acc[step], desired["acc"][step], tolerance, f"acc of step {step + 1}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", NETS)
@pytest.mark.parametrize("file, name", cases("training"))
def test_training(file, name, make, dtype):
    recorded = twin.golden(file)[name]
    x, target = twin.golden(file)["x"], twin.golden(file)["y"]
    optimizer = str(recorded["optimizer"])
    net = new_net(make, file, optimizer, bool(recorded["lateral_inhibition"]), dtype)

    history = []
    for step in range(1, 21):
        history.append(net.train_on_batch(x[(step - 1) % 4], target[(step - 1) % 4]))
        if step not in TRAINED_FLOAT32 or (step == 20 and dtype == np.float32 and optimizer == "rmsprop"):
            continue
        if dtype == np.float64:
            tolerance = TRAINED_20 if step == 20 else TRAINED
        else:
            tolerance = TRAINED_FLOAT32[step]
        for weight, value in zip(WEIGHTS, net.get_weights(), strict=True):
            assert value.dtype == dtype
            assert_close(value, recorded["f64"][f"after_{step}"][weight], tolerance, f"{weight} after {step}")
    assert_history(history, recorded, dtype, rmsprop=optimizer == "rmsprop")


# ---- the page's net on real digits -----------------------------------------


@pytest.fixture(scope="module")
def digits():
    """The first 300 training digits as spikes, and their one-hot labels."""
    recorded = twin.golden("trajectory")
    (images, labels), _ = ai.datasets.mnist.load_data()
    used = slice(int(recorded["first_digit"]), int(recorded["first_digit"]) + int(recorded["n_digits"]))
    images = images[used].reshape(-1, 784) / 255.0
    spikes = ai.utils.transform_rate(images, int(recorded["N_ts"]), int(recorded["max_is_present_for"]),
                                     seed=int(recorded["transform_seed"]))
    packed = np.packbits(np.asarray(spikes)).tobytes()
    assert hashlib.sha256(packed).hexdigest() == str(recorded["sha256_of_packed_spikes"])
    return spikes, np.eye(10, dtype=np.float32)[labels[used]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", NETS)
@pytest.mark.parametrize("name", ["plain", "inhibited"])
def test_trajectory(name, make, dtype, digits):
    recorded = twin.golden("trajectory")[name]
    net = new_net(make, "trajectory", "rmsprop", name == "inhibited", dtype)
    spikes, target = digits
    size = int(twin.golden("trajectory")["batch_size"])
    history = [net.train_on_batch(spikes[i:i + size], target[i:i + size])
               for i in range(0, len(target), size)]
    assert_history(history, recorded, dtype, rmsprop=True)
    if dtype == np.float32:
        return

    W_1, b_1, W_2, b_2 = net.get_weights()
    after = {"kernel_1_rows": W_1.sum(axis=1), "kernel_1_columns": W_1.sum(axis=0),
             "bias_1": b_1, "kernel_2": W_2, "bias_2": b_2}
    assert after.keys() == recorded["f64"]["after_20"].keys()
    for weight, value in after.items():
        assert_close(value, recorded["f64"]["after_20"][weight], TRAJECTORY_WEIGHTS, weight)


# ---- rate coding -----------------------------------------------------------


@pytest.mark.parametrize("encode", [ops.rate_encode, ai.utils.transform_rate], ids=["ops", "utils"])
@pytest.mark.parametrize("file, name", cases("transform"))
def test_transform(file, name, encode):
    recorded = twin.golden(file)[name]
    spikes = encode(recorded["data2D"], int(recorded["N_ts"]), float(recorded["max_is_present_for"]),
                    seed=int(recorded["seed"]))
    assert spikes.shape == tuple(recorded["shape"])
    assert spikes.dtype == np.uint8
    np.testing.assert_array_equal(np.packbits(np.asarray(spikes)), recorded["packed"])


@pytest.mark.parametrize("file, name", cases("mnist_bits"))
def test_mnist_bits(file, name):
    recorded = twin.golden(file)[name]
    train, test = ai.datasets.mnist.load_data()
    images, _ = train if name.startswith("train") else test
    spikes = ai.utils.transform_rate(images.reshape(len(images), -1) / 255.0, int(recorded["N_ts"]),
                                     int(recorded["max_is_present_for"]), seed=int(recorded["seed"]))
    assert spikes.shape == tuple(recorded["shape"])

    # in chunks, for 0.9 GB of bytes at once is much; a multiple of 8 samples packs without a seam
    digest, total = hashlib.sha256(), 0
    for start in range(0, len(spikes), 2000):
        chunk = np.asarray(spikes[start:start + 2000])
        total += int(chunk.sum(dtype=np.int64))
        digest.update(np.packbits(chunk).tobytes())
    assert total == int(recorded["spikes"])
    assert digest.hexdigest() == str(recorded["sha256"])
