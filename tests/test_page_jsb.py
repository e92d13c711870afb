"""The page "Music prediction (JSB)": its numbers, where the chorales are; its files, with made-up ones."""

import contextlib
import importlib.util
import io
import json
import sys
import wave
from pathlib import Path

import neuroai_c as ai
import numpy as np
import pytest
from chorales import DATA, MISSING, NAME
from neuroai_c import cli
from neuroai_c.reproduce import jsb

PAGE = ["reproduce", "jsb"]
SOUNDS = {"chorale.wav", "predicted.wav", "continued.wav"}
PICTURES = {"training.png", "piano_roll.png", "raster.png"}

needs_data = pytest.mark.skipif(DATA is None, reason=MISSING)


@pytest.fixture(autouse=True)
def threads_as_before():
    before = ai.get_num_threads()
    yield
    ai.set_num_threads(before)


# ---- the published numbers -------------------------------------------------


def mean_loss(seeds, epochs, key):
    results = [jsb.run(epochs=epochs, seed=seed, data=DATA, verbose=0)[0] for seed in seeds]
    return np.mean([result["models"]["snu"][key] for result in results])


@needs_data
def test_loss_after_one_epoch():
    assert mean_loss(range(5), 1, "last_loss") <= 0.1445


@needs_data
def test_loss_after_40_epochs():
    assert mean_loss(range(2), None, "last_loss") <= 0.0912


@needs_data
def test_a_run_is_of_the_page():
    results, model, chorale = jsb.run(epochs=2, seed=1, data=DATA, verbose=0)
    config = {"epochs": 2, "seed": 1, "batch_size": 1, "hidden": 150, "decay": 0.8, "learning_rate": 0.01,
              "train_chorales": 229, "valid_chorales": 76, "test_chorales": 77}
    assert config.items() <= results["config"].items()
    assert [weight.shape for weight in model.get_weights()] == [(88, 150), (150,), (150, 88), (88,)]
    np.testing.assert_array_equal(chorale, ai.datasets.JSB(DATA)[2][0])
    quick = jsb.run(epochs=1, data=DATA, quick=True, verbose=0)[0]["config"]
    assert [quick[f"{part}_chorales"] for part in ("train", "valid", "test")] == list(jsb.QUICK[:3])


# ---- made-up chorales ------------------------------------------------------


def made_up(count, rng):
    """Piano rolls in which two chords follow each other by turns."""
    chords = np.zeros((2, 88), np.uint8)
    chords[0, [39, 43, 46]] = chords[1, [40, 44, 47]] = 1
    return [chords[np.arange(length) % 2] for length in rng.integers(18, 24, count)]


@pytest.fixture
def chorales(monkeypatch):
    """All that datasets.JSB gives."""
    rng = np.random.default_rng(0)
    parts = made_up(20, rng), made_up(5, rng), made_up(5, rng)
    monkeypatch.setattr(ai.datasets, "JSB", lambda path: parts)
    return parts


def reproduce(folder, *options):
    """Runs the command: (its exit status, its standard output, results.json)."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = cli.main([*PAGE, "--output", str(folder), *options])
    return status, out.getvalue(), json.loads((folder / "results.json").read_text())


def numbers(results):
    """What two equal runs have in common."""
    model = results["models"]["snu"]
    return {key: value for key, value in model.items() if key != "epoch_seconds"}


def test_command(chorales, tmp_path):
    status, out, results = reproduce(tmp_path, "--quick", "--epochs", "3")
    assert status == 0
    assert set(results) == {"models", "config", "version"} and list(results["models"]) == ["snu"]
    model = results["models"]["snu"]
    assert set(model) == {"first_loss", "last_loss", "best_epoch", "test_loss", "test_nll",
                          "epoch_seconds", "history"}
    assert set(model["history"]) == {"loss", "val_nll"}
    assert all(len(values) == 3 for values in (*model["history"].values(), model["epoch_seconds"]))
    assert [model["first_loss"], model["last_loss"]] == model["history"]["loss"][::2]
    assert model["best_epoch"] == 1 + np.argmin(model["history"]["val_nll"])
    assert results["config"]["train_chorales"] == 20 and "20 training chorales, epochs: 3" in out

    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in out.splitlines() if line.startswith("|")]
    assert [row[2] for row in rows[2:]] == ["0.1430", "0.0902", "2-4", "-", "8.72"]
    assert [row[3] for row in rows[2:]] == [
        f"{model['first_loss']:.4f}", f"{model['last_loss']:.4f}",
        f"{np.mean(model['epoch_seconds']):.2f}", f"{model['test_loss']:.4f}", f"{model['test_nll']:.2f}"]
    assert f"epoch {model['best_epoch']}, the best" in out and "the paper's" in out
    written = {path.name for path in tmp_path.iterdir()}
    assert written - PICTURES == {*SOUNDS, "results.json"}
    assert all(str(tmp_path / name) in out for name in written)


def test_figures(chorales, tmp_path):
    pytest.importorskip("matplotlib")
    reproduce(tmp_path, "--epochs", "1")
    for name in PICTURES:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib(chorales, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, _ = reproduce(tmp_path, "--epochs", "1")
    assert status == 0 and "| SNU" in out
    assert out.splitlines()[-1] == "No figures: they need matplotlib, pip install 'neuroai_c[plot]'."
    assert {path.name for path in tmp_path.iterdir()} == {*SOUNDS, "results.json"}


@pytest.mark.usefixtures("chorales")
@pytest.mark.parametrize("options, same", [
    (["--seed", "0"], True), (["--threads", "1"], True), (["--batch-size", "1"], True),
    (["--models", "snu"], True), (["--seed", "1"], False), (["--batch-size", "2"], False),
    (["--epochs", "1"], False),
], ids=lambda value: "".join(value) if isinstance(value, list) else "")
def test_options(options, same, tmp_path, monkeypatch):
    monkeypatch.setattr(jsb, "_figures", lambda *_: [])
    (tmp_path / "before").mkdir()
    before = reproduce(tmp_path / "before", "--epochs", "2")[2]
    after = reproduce(tmp_path, "--epochs", "2", *options)[2]
    assert (numbers(before) == numbers(after)) == same


def test_sounds(chorales, tmp_path, monkeypatch):
    monkeypatch.setattr(jsb, "_figures", lambda *_: [])
    reproduce(tmp_path, "--epochs", "30")
    samples = {}
    for name in SOUNDS:
        with wave.open(str(tmp_path / name)) as file:
            assert (file.getnchannels(), file.getframerate()) == (1, jsb.RATE)
            samples[name] = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            assert len(samples[name]) == len(chorales[2][0]) * jsb.RATE // 2
    # Two chords that alternate are all there is to learn.
    np.testing.assert_array_equal(samples["predicted.wav"], samples["chorale.wav"])
    primer = slice(0, jsb.PRIMER * jsb.RATE // 2)
    one, other = (samples[name][primer] / 1.0 for name in ("continued.wav", "chorale.wav"))
    np.testing.assert_allclose(one / abs(one).max(), other / abs(other).max(), atol=1e-3)


# ---- missing and damaged data ----------------------------------------------


def test_missing_data(tmp_path, capsys):
    options = ["--data", str(tmp_path / "none"), "--output", str(tmp_path / "out")]
    assert cli.main([*PAGE, *options]) == 1
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("neuroai-c: JSB: ") and "Traceback" not in error
    assert NAME in error and "sha256" in error and str(tmp_path / "none" / NAME) in error


def test_damaged_data(tmp_path, capsys):
    (tmp_path / NAME).write_text("{}")
    assert cli.main([*PAGE, "--data", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("neuroai-c: JSB: ") and "Traceback" not in error and "sha256" in error


# ---- prediction ------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    """Trained a little, so that its hidden units spike."""
    rng = np.random.default_rng(1)
    model = jsb.make_model(seed=3)
    model.fit(*jsb.pairs(made_up(10, rng)), batch_size=1, verbose=0)
    return model


def rolls(*lengths):
    rng = np.random.default_rng(2)
    return [(rng.random((length, 88)) < 0.05).astype(np.uint8) for length in lengths]


def test_nll(model):
    parts = rolls(5, 9, 2)
    total = steps = 0
    for roll in parts:
        p = 1 / (1 + np.exp(-model.predict(roll[None, :-1], verbose=0)[0].astype(float)))
        total -= np.log(np.where(roll[1:] == 1, p, 1 - p)).sum()
        steps += len(roll) - 1
    assert jsb.nll(model, parts) == pytest.approx(total / steps, rel=1e-6)
    # Of one chorale it is the loss, which is a mean over notes.
    loss = model.evaluate(*jsb.pairs(parts[:1]), verbose=0)
    assert jsb.nll(model, parts[:1]) == pytest.approx(88 * loss, rel=1e-6)


def test_nll_of_large_logits():
    model = jsb.make_model(seed=0)
    *weights, bias = model.get_weights()
    model.set_weights([*weights, np.full_like(bias, 2000)])
    assert jsb.nll(model, [np.zeros((3, 88))]) == pytest.approx(88 * 2000, rel=1e-3)


def test_predicted_is_of_the_next_step(model):
    (roll,) = rolls(7)
    p = jsb.predicted(model, roll)
    assert p.shape == (6, 88) and (0 < p).all() and (p < 1).all()
    other = roll.copy()
    other[4] = 1
    changed = (jsb.predicted(model, other) != p).any(axis=1)
    assert not changed[:4].any() and changed[4]


@pytest.mark.parametrize("heard", [1, 4])
def test_continued_is_drawn_from_all_before(model, heard):
    """As from the model that hears everything from the beginning again at every step."""
    (primer,) = rolls(heard)
    roll = jsb.continued(model, primer, 12, seed=5)
    assert roll.shape == (heard + 12, 88) and roll.dtype == np.uint8
    np.testing.assert_array_equal(roll[:heard], primer)
    rng = np.random.default_rng(5)
    for t in range(heard, heard + 12):
        p = ai.activations.sigmoid(model.predict(roll[None, :t], verbose=0)[0, -1])
        np.testing.assert_array_equal(roll[t], rng.random(88) < p)
    assert roll[heard:].any()
    np.testing.assert_array_equal(jsb.continued(model, primer, 12, seed=5), roll)
    assert (jsb.continued(model, primer, 12, seed=6) != roll).any()
    np.testing.assert_array_equal(jsb.continued(model, primer, 0), primer)


# ---- around it -------------------------------------------------------------


def test_seeds_table(chorales, tmp_path, capsys, monkeypatch):
    path = Path(__file__).parent.parent / "scripts" / "seeds_table.py"
    if not path.is_file():
        pytest.skip("the scripts are not here")
    spec = importlib.util.spec_from_file_location("seeds_table", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(jsb, "_figures", lambda *_: [])
    for seed in "01":
        reproduce(tmp_path / seed, "--epochs", "1", "--seed", seed)
    script.main(["--page", "jsb", *(str(tmp_path / seed / "results.json") for seed in "01")])
    head, _, row = capsys.readouterr().out.splitlines()[2:]
    assert "published training loss after the first epoch" in head and "published test NLL" in head
    assert row.startswith("| SNU | 0.1430 | **")
    assert head.count("|") == row.count("|")
