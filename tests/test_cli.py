"""cli: what the command prints, writes and refuses."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c import cli
from neuroai_c.reproduce import PAGES, lateral_inhibition, lstm, mnist

QUICK = (300, 100, 2)
PAGE = ["reproduce", "lateral-inhibition"]


@pytest.fixture(autouse=True)
def threads_as_before():
    before = ai.get_num_threads()
    yield
    ai.set_num_threads(before)


@pytest.fixture(autouse=True)
def few_digits(monkeypatch):
    for page in (lateral_inhibition, mnist):
        monkeypatch.setattr(page, "QUICK", QUICK)


def reproduce(folder, *options, page=PAGE):
    """Runs the command: (its exit status, its standard output, results.json)."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = cli.main([*page, "--quick", "--output", str(folder), *options])
    return status, out.getvalue(), json.loads((folder / "results.json").read_text())


# ---- a whole run -----------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lateral_inhibition, "QUICK", QUICK)
        return folder, *reproduce(folder)


def test_results(finished):
    _, status, _, results = finished
    assert status == 0
    assert set(results) == {"models", "encode_seconds", "config", "version"}
    assert list(results["models"]) == ["snn", "li_snn", "li_snn_sample"]
    for model in results["models"].values():
        assert set(model) == {"test_accuracy", "test_spikes", "test_loss", "epoch_seconds", "history"}
        assert 0 <= model["test_accuracy"] <= 1
        assert model["test_spikes"] >= 0 and model["test_loss"] > 0
        assert len(model["epoch_seconds"]) == 2 and min(model["epoch_seconds"]) > 0
        assert set(model["history"]) == {"loss", "acc", "spikes"}
        assert all(len(values) == 2 for values in model["history"].values())
    assert results["encode_seconds"] > 0
    assert results["version"] == ai.__version__
    config = {"epochs": 2, "seed": 0, "batch_size": 15, "train_digits": 300, "test_digits": 100}
    assert config.items() <= results["config"].items()


def test_table(finished):
    _, _, out, results = finished
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in out.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows[2:]] == ["SNN", "LI-SNN", "LI-SNN per sample"]
    assert len({len(row) for row in rows}) == 1
    published = [row[1:4] for row in rows[2:]]
    assert published == [["0.9451", "1128.3", "30-33"], ["0.9382", "45.9", "31-33"], ["-", "-", "-"]]
    for row, model in zip(rows[2:], results["models"].values(), strict=True):
        assert row[4] == f"{model['test_accuracy']:.4f}"
        assert row[5] == f"{model['test_spikes']:.1f}"
        assert row[6] == f"{np.mean(model['epoch_seconds']):.2f}"
    assert max(len(line) for line in out.splitlines() if line.startswith("|")) <= 92
    assert "300 training digits, epochs: 2" in out


def test_figures(finished):
    pytest.importorskip("matplotlib")
    folder, _, out, _ = finished
    pictures = {"features_li_snn.png", "features_li_snn_sample.png", "features_snn.png", "raster.png",
                "spike_history.png"}
    assert {path.name for path in folder.iterdir()} == {*pictures, "results.json"}
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert str(folder / name) in out
    assert str(folder / "results.json") in out


def test_progress(finished):
    _, _, out, _ = finished
    assert "Encoding 400 digits" in out
    assert "Epoch 2/2" in out


# ---- options ---------------------------------------------------------------


def numbers(results, model="li_snn"):
    """What two equal runs have in common."""
    return {key: value for key, value in results["models"][model].items() if key != "epoch_seconds"}


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lateral_inhibition, "QUICK", QUICK)
        patch.setattr(lateral_inhibition, "_figures", lambda *_: [])
        return reproduce(folder, "--models", "li_snn")


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(lateral_inhibition, "_figures", lambda *_: [])


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("options", [["--seed", "0"], ["--threads", "1"], ["--threads", "3"],
                                     ["--batch-size", "15"], ["--epochs", "2"],
                                     ["--models", "li_snn_sample, li_snn"],
                                     ["--data", str(Path(ai.datasets.mnist.__file__).parent)]],
                         ids=lambda options: options[0])
def test_same_numbers(options, plain_run, tmp_path):
    models = [] if "--models" in options else ["--models", "li_snn"]
    status, _, results = reproduce(tmp_path, *models, *options)
    assert status == 0
    assert numbers(results) == numbers(plain_run[2])


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("options", [["--seed", "1"], ["--batch-size", "20"], ["--epochs", "1"]],
                         ids=lambda options: options[0])
def test_other_numbers(options, plain_run, tmp_path):
    _, _, results = reproduce(tmp_path, "--models", "li_snn", *options)
    assert numbers(results) != numbers(plain_run[2])
    assert results["config"][options[0][2:].replace("-", "_")] == int(options[1])


@pytest.mark.usefixtures("no_figures")
def test_threads(tmp_path):
    _, _, results = reproduce(tmp_path, "--models", "snn", "--epochs", "1", "--threads", "3")
    assert results["config"]["threads"] == 3


@pytest.mark.usefixtures("no_figures")
def test_order_of_models(tmp_path):
    _, out, results = reproduce(tmp_path, "--models", "li_snn,snn", "--epochs", "1")
    assert list(results["models"]) == ["li_snn", "snn"]
    assert out.index("| LI-SNN") < out.index("| SNN")


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, _ = reproduce(tmp_path, "--models", "li_snn", "--epochs", "1")
    assert status == 0
    assert "| LI-SNN" in out
    assert out.splitlines()[-1] == "No figures: they need matplotlib, pip install 'neuroai_c[plot]'."
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_folder_that_is_there_is_used_again(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    (tmp_path / "results.json").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    reproduce(tmp_path, "--models", "snn", "--epochs", "1")
    assert (tmp_path / "mine.txt").read_text() == "mine"


# ---- the page mnist --------------------------------------------------------

MNIST = ["reproduce", "mnist"]


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setattr(lstm, "available", lambda: False)


@pytest.mark.usefixtures("without_torch")
def test_mnist(tmp_path):
    status, out, results = reproduce(tmp_path, page=MNIST)
    assert status == 0
    assert set(results) == {"models", "encode_seconds", "config", "version"}
    model = results["models"]["snn"]
    assert set(model) == {"test_accuracy", "test_loss", "epoch_seconds", "history"}
    assert 0 <= model["test_accuracy"] <= 1 and model["test_loss"] > 0
    assert set(model["history"]) == {"loss", "acc"}
    assert len(model["epoch_seconds"]) == len(model["history"]["acc"]) == 2
    config = {"epochs": 2, "seed": 0, "batch_size": 15, "train_digits": 300, "test_digits": 100,
              "hidden": [250, 250], "learning_rate": 0.5}
    assert config.items() <= results["config"].items()
    assert f"| SNN   | 0.9484         | 83-88   | {model['test_accuracy']:.4f}" in out
    assert "300 training digits, epochs: 2" in out


@pytest.mark.usefixtures("without_torch")
def test_mnist_without_torch_skips_the_lstm(tmp_path):
    status, out, results = reproduce(tmp_path, page=MNIST)
    assert status == 0
    assert list(results["models"]) == ["snn"]
    lines = out.splitlines()
    assert lines[lines.index("LSTM") + 1] == "Skipped: it needs PyTorch, pip install 'neuroai_c[lstm]'."


@pytest.mark.usefixtures("without_torch")
def test_mnist_of_nothing_but_the_lstm_without_torch(tmp_path, capsys):
    assert cli.main([*MNIST, "--models", "lstm", "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("neuroai-c: ") and error.count("\n") == 1
    assert "pip install 'neuroai_c[lstm]'" in error
    assert list(tmp_path.iterdir()) == []


def test_mnist_without_the_lstm_says_nothing_of_it(tmp_path):
    _, out, _ = reproduce(tmp_path, "--models", "snn", page=MNIST)
    assert "LSTM" not in out


def test_mnist_says_beforehand_that_the_lstm_is_slow(monkeypatch, capsys):
    def load(*_):
        raise ValueError("far enough")

    monkeypatch.setattr(lstm, "available", lambda: True)
    monkeypatch.setattr(mnist.digits, "load", load)
    for names, slow in ((("snn", "lstm"), True), (("snn",), False)):
        with pytest.raises(ValueError, match="far enough"):
            mnist.run(names)
        assert ("--models snn" in capsys.readouterr().out) == slow


def test_mnist_with_the_lstm(tmp_path):
    pytest.importorskip("torch")
    status, out, results = reproduce(tmp_path, page=MNIST)
    assert status == 0
    assert list(results["models"]) == ["snn", "lstm"]
    assert results["models"]["lstm"].keys() == results["models"]["snn"].keys()
    assert f"| LSTM  | 0.9435         | 331-375 | {results['models']['lstm']['test_accuracy']:.4f}" in out


@pytest.mark.usefixtures("without_torch")
def test_mnist_figures(tmp_path):
    pytest.importorskip("matplotlib")
    _, out, _ = reproduce(tmp_path, page=MNIST)
    pictures = {"raster.png", "training.png"}
    assert {path.name for path in tmp_path.iterdir()} == {*pictures, "results.json"}
    for name in pictures:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert str(tmp_path / name) in out


@pytest.mark.parametrize("seed, same", [("0", True), ("1", False)])
def test_mnist_seed(seed, same, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "_figures", lambda *_: [])
    options = ["--models", "snn", "--epochs", "1"]
    _, _, before = reproduce(tmp_path, *options, page=MNIST)
    _, _, after = reproduce(tmp_path, *options, "--seed", seed, "--threads", "3", page=MNIST)
    assert after["config"]["threads"] == 3 and after["config"]["seed"] == int(seed)
    assert (numbers(before, "snn") == numbers(after, "snn")) == same


# ---- every page ------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole(name):
    page = PAGES[name]
    assert set(page.PUBLISHED) <= set(page.MODELS)
    keys = {measure.key for measure in page.MEASURES}
    assert all(set(numbers) <= keys for numbers in page.PUBLISHED.values())
    assert page.__doc__.startswith(f'The page "{page.TITLE}"')


@pytest.mark.parametrize("name", PAGES)
def test_help_of_a_page(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")        # lines break at hyphens
    with pytest.raises(SystemExit):
        cli.main(["reproduce", name, "--help"])
    out = " ".join(capsys.readouterr().out.split())
    page = PAGES[name]
    for text in (page.TITLE, page.DATA, f"default: results/{name}", f"default: {','.join(page.MODELS)}",
                 f"default: {page.EPOCHS}, or {page.QUICK[-1]} with --quick"):
        assert text in out


# ---- info and help ---------------------------------------------------------


def test_info(capsys):
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    for line in (f"neuroai_c    {ai.__version__}", f"NumPy        {np.__version__}",
                 f"threads      {ai.get_num_threads()}"):
        assert line in out.splitlines()
    assert "instructions" in out and "compiler" in out


def test_show_versions_to_a_file():
    file = io.StringIO()
    ai.show_versions(file)
    assert ai.__version__ in file.getvalue()


@pytest.mark.parametrize("file", [0, 5, "x", np.ones(3)], ids=str)
def test_show_versions_to_no_file(file):
    with pytest.raises(TypeError, match="show_versions: file must have a method write"):
        ai.show_versions(file)


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "neuroai_c", "info"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "neuroai_c" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["reproduce", "--help"], [*PAGE, "--help"]], ids=" ".join)
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "usage: neuroai-c" in out
    if "lateral-inhibition" in arguments:
        for option in ("epochs", "seed", "batch-size", "models", "data", "output", "threads", "quick"):
            assert f"--{option}" in out


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"neuroai-c {ai.__version__}\n"


def test_help_tells_each_default_once(capsys):
    with pytest.raises(SystemExit):
        cli.main([*PAGE, "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "None" not in out and "False" not in out
    assert out.count("default: 15") == out.count("default: 0") == out.count("default: snn,li_snn,li_snn_sample") == 1


# ---- bad arguments ---------------------------------------------------------


@pytest.mark.parametrize("arguments, message", [
    ([], "command"),
    (["train"], "'train'"),
    (["reproduce"], "page"),
    (["reproduce", "jazz"], "'jazz'"),
    ([*PAGE, "--epochs", "0"], "--epochs: must be an integer, 1 or more, got '0'"),
    ([*PAGE, "--epochs", "-1"], "--epochs"),
    ([*PAGE, "--epochs", "1.5"], "--epochs: must be an integer, 1 or more, got '1.5'"),
    ([*PAGE, "--epochs"], "--epochs"),
    ([*PAGE, "--seed", "one"], "--seed: must be an integer, 0 or more, got 'one'"),
    ([*PAGE, "--seed", "-1"], "--seed"),
    ([*PAGE, "--batch-size", "0"], "--batch-size"),
    ([*PAGE, "--threads", "0"], "--threads"),
    ([*PAGE, "--threads", "65"], "--threads"),
    ([*PAGE, "--models", "lstm"], "--models: must be among snn, li_snn, li_snn_sample, got 'lstm'"),
    (["reproduce", "mnist", "--models", "li_snn"], "--models: must be among snn, lstm, got 'li_snn'"),
    ([*PAGE, "--models", ""], "--models"),
    ([*PAGE, "--models", "snn,"], "--models"),
    ([*PAGE, "--models", "snn,snn"], "--models: must name each model once"),
    ([*PAGE, "--fast"], "--fast"),
    ([*PAGE, "extra"], "extra"),
    (["info", "more"], "more"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_arguments(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.startswith("usage: neuroai-c")
    assert captured.out == "" and "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


def refused(*options):
    """Runs the command in vain: (exit status, standard error)."""
    with contextlib.redirect_stderr(io.StringIO()) as error, contextlib.redirect_stdout(io.StringIO()):
        status = cli.main([*PAGE, "--quick", "--models", "snn", *options])
    return status, error.getvalue()


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_output_that_cannot_be_written(output, tmp_path, monkeypatch):
    monkeypatch.setattr(lateral_inhibition, "run", lambda *_, **__: pytest.fail("trained in vain"))
    (tmp_path / "file").write_text("mine")
    status, error = refused("--output", str(tmp_path / output))
    assert status == 1
    assert error.startswith("neuroai-c: ") and error.count("\n") == 1
    assert str(tmp_path / "file") in error
    assert (tmp_path / "file").read_text() == "mine"


def test_results_that_cannot_be_written(tmp_path):
    (tmp_path / "results.json").mkdir()
    status, error = refused("--output", str(tmp_path), "--epochs", "1")
    assert status == 1
    assert error.startswith("neuroai-c: ") and error.count("\n") == 1 and "results.json" in error


def test_missing_data(tmp_path):
    status, error = refused("--output", str(tmp_path / "out"), "--data", str(tmp_path / "none"))
    assert status == 1
    assert error.startswith("neuroai-c: ") and "Traceback" not in error
    assert "train-images-idx3-ubyte" in error and str(tmp_path / "none") in error


def test_damaged_data(tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"no archive")
    status, error = refused("--output", str(tmp_path / "out"), "--data", str(tmp_path))
    assert status == 1
    assert error.startswith("neuroai-c: ") and "mnist.npz" in error and error.count("\n") == 1


def test_interrupted(tmp_path, monkeypatch):
    def run(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(lateral_inhibition, "run", run)
    assert refused("--output", str(tmp_path)) == (130, "\nneuroai-c: interrupted\n")
