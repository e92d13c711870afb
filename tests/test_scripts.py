"""scripts: the table of seeds; notebooks that are run and saved."""

import base64
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
