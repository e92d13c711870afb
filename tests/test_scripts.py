"""scripts: the table of seeds; notebooks that are run and saved; JSB's likelihood and search."""

import base64
import importlib
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason="the scripts are not here")


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- seeds_table -----------------------------------------------------------


def runs(folder, *models):
    """The results.json of two seeds, for models of these accuracies."""
    paths = []
    for seed in (0, 1):
        results = {
            name: {"test_accuracy": accuracy + seed / 100, "epoch_seconds": [1.0 + seed, 3.0 + seed]}
            for name, accuracy in models
        }
        paths.append(folder / f"{seed}.json")
        paths[-1].write_text(json.dumps({"models": results, "config": {"seed": seed, "epochs": 2}}))
    return list(map(str, paths))


def test_seeds_table(tmp_path, capsys):
    script("seeds_table").main(["--page", "mnist", *runs(tmp_path, ("snn", 0.94), ("lstm", 0.93))])
    assert capsys.readouterr().out.splitlines() == [
        "Seeds 0, 1; 2 epochs.",
        "",
        "| model | published accuracy | obtained | published seconds an epoch | obtained |",
        "|---|---|---|---|---|",
        "| SNN | 0.9484 | **0.9450** (0.9400-0.9500) | 83-88 | 2.50 |",
        "| LSTM | 0.9435 | **0.9350** (0.9300-0.9400) | 331-375 | 2.50 |",
    ]


@pytest.mark.parametrize("page, message", [("lateral-inhibition", "0.json: must be of the page lateral"),
                                           ("jazz", "'jazz'")])
def test_seeds_table_of_another_page(page, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        script("seeds_table").main(["--page", page, *runs(tmp_path, ("snn", 0.94))])
    assert message in capsys.readouterr().err


def test_seeds_table_of_equal_seeds(tmp_path, capsys):
    path = runs(tmp_path, ("snn", 0.94))[0]
    with pytest.raises(SystemExit):
        script("seeds_table").main(["--page", "mnist", path, path])
    assert "different seeds, got [0, 0]" in capsys.readouterr().err


def test_seeds_table_of_other_models(tmp_path, capsys):
    path = runs(tmp_path, ("snn", 0.94), ("lstm", 0.93))[0]
    (tmp_path / "more").mkdir()
    with pytest.raises(SystemExit):
        script("seeds_table").main(["--page", "mnist", path, runs(tmp_path / "more", ("snn", 0.94))[1]])
    assert "1.json: must have the models snn, lstm, got snn" in capsys.readouterr().err


# ---- run_notebooks ---------------------------------------------------------


@pytest.fixture
def run_notebooks():
    for module in ("nbformat", "nbclient", "ipykernel", "PIL"):
        pytest.importorskip(module)
    return script("run_notebooks")


def saved(path, *sources):
    """A notebook of these code cells, as another program might have left it."""
    cells = [{"cell_type": "code", "id": f"id{n}", "metadata": {"tags": ["old"]}, "source": source,
              "execution_count": 17, "outputs": []} for n, source in enumerate(sources)]
    metadata = {"kernelspec": {"name": "mine", "display_name": "Mine"}}
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))


def test_run_notebooks(run_notebooks, tmp_path, capsys):
    saved(tmp_path / "a.ipynb", "x = 41\nprint('a')\nprint('b')", "x + 1")
    run_notebooks.main([str(tmp_path / "a.ipynb")])
    text = (tmp_path / "a.ipynb").read_text()
    notebook = json.loads(text)
    assert notebook["metadata"] == run_notebooks.METADATA
    assert [(cell["id"], cell["metadata"], cell["execution_count"]) for cell in notebook["cells"]] == [
        ("cell-0", {}, 1), ("cell-1", {}, 2)]
    first, second = (cell["outputs"] for cell in notebook["cells"])
    assert [output["text"] for output in first] == [["a\n", "b\n"]]
    assert second[0]["data"] == {"text/plain": ["42"]}
    assert str(tmp_path) not in text and f"{len(text):,} bytes" in capsys.readouterr().out

    run_notebooks.main([str(tmp_path / "a.ipynb")])
    assert (tmp_path / "a.ipynb").read_text() == text


def test_a_path_of_this_machine_is_not_saved(run_notebooks, tmp_path):
    saved(tmp_path / "a.ipynb", "import os; print(os.getcwd())")
    before = (tmp_path / "a.ipynb").read_text()
    with pytest.raises(SystemExit, match="an output names"):
        run_notebooks.main([str(tmp_path / "a.ipynb")])
    assert (tmp_path / "a.ipynb").read_text() == before


def test_pictures_have_256_colours(run_notebooks):
    from PIL import Image

    noise = np.random.default_rng(0).integers(256, size=(40, 50, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise, "RGBA").save(file, "PNG")
    png = run_notebooks.quantized(base64.b64encode(file.getvalue()).decode())
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    assert picture.size == (50, 40) and picture.mode == "P"
    assert len(picture.getcolors()) <= 256


# ---- jsb_nll, jsb_search ---------------------------------------------------


@pytest.fixture
def jsb_nll(monkeypatch):
    """The script, which jsb_search imports, with a few short chorales for data."""
    monkeypatch.syspath_prepend(SCRIPTS)
    rng = np.random.default_rng(0)
    splits = [[(rng.random((steps, 88)) < 0.1).astype(np.uint8) for steps in lengths]
              for lengths in ((5, 2, 7, 4, 3), (2, 6), (3, 8))]
    module = importlib.import_module("jsb_nll")
    monkeypatch.setattr(module.datasets, "JSB", lambda path=None: splits)
    return module


def test_jsb_nll(jsb_nll, tmp_path, capsys):
    jsb_nll.main(["--quick", "--seeds", "0", "1", "--output", str(tmp_path / "nll.json")])
    results = json.loads((tmp_path / "nll.json").read_text())
    out = capsys.readouterr().out
    assert list(results["nets"]) == list(jsb_nll.SETTINGS)
    for name, net in results["nets"].items():
        first, second = net["runs"]
        assert (first["seed"], second["seed"]) == (0, 1)
        assert first["test_nll"] != second["test_nll"] and first["best_epoch"] == 1
        low, high = sorted((first["test_nll"], second["test_nll"]))
        published = f"{jsb_nll.PUBLISHED[name]:.2f}" if name in jsb_nll.PUBLISHED else "-"
        assert f"| {name} | {published} | **{(low + high) / 2:.3f}** ({low:.3f}-{high:.3f}) |" in out


def test_the_weights_are_those_of_the_epoch_best_on_valid(jsb_nll):
    splits = jsb_nll.load()
    setting = jsb_nll.replace(jsb_nll.SETTINGS["sSNU"], epochs=30, rate=0.05)    # overfits
    model, run = jsb_nll.train(setting, splits, seed=3)
    history = run["history"]["valid_nll"]
    assert len(history) == 30 and run["best_epoch"] < 30
    assert run["valid_nll"] == min(history) == history[run["best_epoch"] - 1]
    assert jsb_nll.negative_log_likelihood(model, *splits["valid"]) == run["valid_nll"]


def test_negative_log_likelihood(jsb_nll):
    """Step by step, so that a chorale counts by its length."""
    x, y = jsb_nll.load()["train"]
    model = jsb_nll.make_model(jsb_nll.SETTINGS["SNU"], len(x), seed=0)
    sums = []
    for read, target in zip(x, y):
        p = 1 / (1 + np.exp(-model.predict(read[None], verbose=0)[0].astype(np.float64)))
        sums += list(-np.log(np.where(target == 1, p, 1 - p)).sum(axis=1))
    assert len(sums) == 4 + 1 + 6 + 3 + 2
    assert jsb_nll.negative_log_likelihood(model, x, y) == pytest.approx(np.mean(sums), rel=1e-12)


@pytest.fixture
def jsb_search(jsb_nll, monkeypatch):
    module = importlib.import_module("jsb_search")
    monkeypatch.setattr(module, "SPACE", {**module.SPACE, "units": (3, 4), "epochs": (1, 2)})
    return module


def test_jsb_search_goes_on(jsb_search, tmp_path, capsys):
    path = tmp_path / "trials.jsonl"
    arguments = ["--net", "SNU", "--output", str(path), "--trials"]
    jsb_search.main([*arguments, "3"])
    whole = path.read_text().splitlines()
    assert [json.loads(line)["trial"] for line in whole] == [0, 1, 2]
    table = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    best = min(map(json.loads, whole), key=lambda line: line["valid_nll"])
    assert table[2].startswith(f"| {best['trial']} | {best['valid_nll']:.3f} |") and len(table) == 5

    path.write_text(f"{whole[1]}\n{whole[0][:50]}")        # killed while it wrote
    jsb_search.main([*arguments, "2"])
    again = path.read_text().splitlines()
    assert again[0] == whole[1]
    first, second = json.loads(whole[0]), json.loads(again[1])
    assert first.pop("seconds") > 0 and second.pop("seconds") > 0 and first == second

    jsb_search.main(["--net", "sSNU", "--output", str(path), "--trials", "1"])
    assert json.loads(path.read_text().splitlines()[-1])["setting"]["activation"] == "sigmoid"


def test_jsb_search_does_not_look_at_test(jsb_search, jsb_nll, tmp_path, monkeypatch):
    train, valid, test = jsb_nll.datasets.JSB()
    arguments = ["--net", "SNU", "--trials", "1", "--output"]
    jsb_search.main([*arguments, str(tmp_path / "a")])
    monkeypatch.setattr(jsb_nll.datasets, "JSB", lambda path=None: (train, valid, test[:1]))
    jsb_search.main([*arguments, str(tmp_path / "b")])
    a, b = (json.loads((tmp_path / name).read_text()) for name in "ab")
    assert a["valid_nll"] == b["valid_nll"] and not any("test" in key for key in a)


def test_jsb_search_of_a_trial_that_diverges(jsb_search, jsb_nll, tmp_path, monkeypatch, capsys):
    def diverging(*arguments):
        raise FloatingPointError("fit: epoch 1, batch 0")

    monkeypatch.setattr(jsb_nll, "train", diverging)
    jsb_search.main(["--net", "SNU", "--trials", "1", "--output", str(tmp_path / "a")])
    assert json.loads((tmp_path / "a").read_text())["valid_nll"] is None
    assert len(capsys.readouterr().out.split("\n\n")[-1].splitlines()) == 2


def test_spike_price(capsys):
    script("spike_price").main(["--digits", "200", "--epochs", "1", "--seeds", "3"])
    assert capsys.readouterr().out.startswith("seed 3: accuracy 0.")
