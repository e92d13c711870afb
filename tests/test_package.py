"""The package as a whole: what may include and import what, instruction sets, threads, public names."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c import _core

CSRC = Path(__file__).parent.parent / "csrc"
needs_sources = pytest.mark.skipif(not CSRC.is_dir(), reason="the C sources are not here")


def python(code, **environment):
    """Runs code in a fresh interpreter."""
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True,
                          env={**os.environ, **environment})


# ---- the folders of C ------------------------------------------------------

C_LIBRARY = {"assert.h", "float.h", "limits.h", "math.h", "stdbool.h", "stddef.h", "stdint.h", "stdlib.h",
             "string.h"} | {"immintrin.h"}           # the intrinsics of x86, where a variant has them

# What a folder's files may include besides themselves.
MAY_INCLUDE = {
    "kernels": set(),
    "runtime": set(),
    "network": {"kernels", "runtime"},
    "python": {"kernels", "network", "runtime"},
    "variants": {"kernels", "network", "python", "runtime"},
}


def sources(folder):
    return sorted(path for path in (CSRC / folder).iterdir() if path.suffix in (".c", ".h"))


def includes(path):
    """(own headers as paths, the system's as names)"""
    found = re.findall(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', path.read_text(), re.MULTILINE)
    assert len(found) == len(re.findall(r"^\s*#\s*include\b", path.read_text(), re.MULTILINE))
    return [(path.parent / own).resolve() for own, _ in found if own], [name for _, name in found if name]


@needs_sources
def test_folders():
    assert {path.name for path in CSRC.iterdir() if path.is_dir()} == set(MAY_INCLUDE)
    assert all(sources(folder) for folder in MAY_INCLUDE)


@needs_sources
@pytest.mark.parametrize("folder", MAY_INCLUDE)
def test_folders_depend_in_one_direction(folder):
    for path in sources(folder):
        for header in includes(path)[0]:
            assert header.is_file(), f"{path.name} includes {header}, which is not there"
            assert header.parent.name in {folder, *MAY_INCLUDE[folder]}, f"{path.name} includes {header}"


@needs_sources
def test_kernels_are_plain_c():
    for path in sources("kernels"):
        assert set(includes(path)[1]) <= C_LIBRARY, path.name


@needs_sources
@pytest.mark.parametrize("folder", ["kernels", "runtime", "network"])
def test_no_python_below_the_border(folder):
    for path in sources(folder):
        text = path.read_text()
        assert not re.search(r"\bPy[A-Z_]\w*|\bPyObject\b|\bnpy_|\bNPY_|Python\.h|numpy/", text), path.name


@needs_sources
def test_kernels_have_no_state_and_no_memory_of_their_own():
    for path in sources("kernels"):
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(malloc|calloc|realloc|aligned_alloc|free)\s*\(", code), path.name
        variables = re.findall(r"^static\s+(?!const\b|inline\b|void\b)[^(){};]*[;=]", code, re.MULTILINE)
        assert not variables, f"{path.name}: {variables}"


@needs_sources
def test_kernels_compile_alone(tmp_path):
    """In both precisions, as plain C11, with all warnings as errors."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not here")
    kernels = [path for path in sources("kernels") if path.suffix == ".c"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-unused-function"]
    unit = tmp_path / "unit.c"
    unit.write_text("".join(f'#include "{path}"\n' for path in kernels))
    for precision in ([], ["-DNEUROAI_FLOAT64"]):
        done = subprocess.run(["gcc", *flags, *precision, "-c", unit, "-o", tmp_path / "unit.o"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@needs_sources
def test_everything_compiles_without_warnings(tmp_path):
    headers = Path(sysconfig.get_path("include"))
    if not shutil.which("gcc") or not (headers / "Python.h").is_file():
        pytest.skip("gcc or Python's headers are not here")
    if int(np.__version__.split(".")[0]) < 2:
        pytest.skip("the headers of NumPy 1 are none to build with")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
             "-isystem", headers, "-isystem", np.get_include(), "-DNPY_TARGET_VERSION=NPY_1_23_API_VERSION"]
    units = [path for folder in ("python", "runtime", "variants") for path in sources(folder)
             if path.suffix == ".c" and path.name not in ("py_ops.c", "py_network.c", "py_rate.c")]
    for path in units:
        done = subprocess.run(["gcc", *flags, path], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


# ---- import ----------------------------------------------------------------


def test_import_is_light():
    heavy = ["matplotlib", "pooch", "nbformat", "nbclient", "IPython", "ipykernel", "requests", "urllib3",
             "scipy", "pandas", "tensorflow", "torch"]
    code = f"import sys, neuroai_c, neuroai_c.cli; print(*(set({heavy}) & set(sys.modules)))"
    done = python(code)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_import_leaves_numpy_alone():
    done = python("""
import numpy as np
np.random.seed(3); before = np.random.get_state(), np.geterr(), np.get_printoptions()
import neuroai_c
after = np.random.get_state(), np.geterr(), np.get_printoptions()
assert (before[0][1] == after[0][1]).all() and before[0][2:] == after[0][2:] and before[1:] == after[1:]
""")
    assert done.returncode == 0, done.stderr


def test_subnormal_numbers_survive_the_import():
    """-ffast-math in one library flushes them to zero in the whole process."""
    done = python("import neuroai_c, numpy as np; assert np.float64(5e-324) / 1 > 0 < 2.0**-1070 / 2**3")
    assert done.returncode == 0, done.stderr


def test_subnormal_numbers_survive_training():
    """They count as zero while a network runs; for everybody else they are as before."""
    done = python("""
import neuroai_c as ai, numpy as np
model = ai.Sequential([ai.layers.InputLayer([None, 3]), ai.layers.SNU(40, return_sequences=True)], seed=0)
model.compile("rmsprop")
for threads in (1, 2):
    ai.set_num_threads(threads)
    model.fit(np.ones((8, 5, 3)), np.ones((8, 5, 40)), verbose=0)
    model.predict(np.ones((8, 5, 3)), verbose=0)
    assert np.float64(5e-324) / 1 > 0 < 2.0**-1070 / 2**3
    assert (np.full(64, 1e-40, np.float32) * np.float32(0.5) > 0).all()
""")
    assert done.returncode == 0, done.stderr


@needs_sources
def test_the_source_folder_without_the_compiled_part_says_what_to_do(tmp_path):
    folder = tmp_path / "neuroai_c"
    shutil.copytree(CSRC.parent / "src" / "neuroai_c", folder,
                    ignore=shutil.ignore_patterns("*.so", "*.pyd", "*.gz", "__pycache__"))
    done = subprocess.run([sys.executable, "-c", "import neuroai_c"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode != 0
    assert re.search(r"^ImportError: .*pip install", done.stderr.splitlines()[-1]), done.stderr
    assert "circular" not in done.stderr and done.stderr.count("Traceback") == 1


# ---- environment -----------------------------------------------------------

TRAINING = """
import hashlib, numpy as np, neuroai_c as ai
digest = hashlib.sha256()
for dtype in ("float32", "float64"):
    for gate in (False, "batch", "sample"):
        for activation in ("step_function", "sigmoid", "tanh"):
            rng = np.random.default_rng(0)
            x = (rng.random((50, 11, 67)) < 0.2).astype("uint8")
            options = dict(activation=activation, g="leaky_rel", decay=0.9, lateral_inhibition=gate)
            model = ai.Sequential(seed=0, dtype=dtype)
            model.add(ai.layers.InputLayer([None, 67]))
            model.add(ai.layers.SNU(37, **options, return_sequences=True))
            model.add(ai.layers.SNU(10, **options, recurrent=True, return_sequences=True))
            model.add(ai.layers.GlobalAveragePooling1D())
            model.compile("adam", "mse", ["acc", ai.metrics.SpikeCount(model.layers[0])])
            history = model.fit(x, rng.random((50, 10)), batch_size=16, epochs=3, verbose=0)
            real = model.predict(rng.standard_normal((5, 11, 67)), verbose=0)
            for array in (*model.get_weights(), *history.history.values(), real):
                digest.update(np.asarray(array).tobytes())
digest.update(np.asarray(ai.utils.transform_rate(np.random.default_rng(0).random((30, 50)), 40, 9)).tobytes())
print(ai._core.ISA, digest.hexdigest())
"""


def test_instruction_sets_give_the_same_bits():
    known = ["baseline", "avx2", "avx512"]
    available = known[:known.index(_core.ISA) + 1]
    if os.environ.get("NEUROAI_C_ISA"):
        pytest.skip("the environment chooses the instruction set")
    results = {}
    for isa in available:
        done = python(TRAINING, NEUROAI_C_ISA=isa)
        assert done.returncode == 0, done.stderr
        used, results[isa] = done.stdout.split()
        assert used == isa
    assert len(set(results.values())) == 1, results


def test_recorded_numbers_on_every_instruction_set():
    if os.environ.get("NEUROAI_C_ISA"):
        pytest.skip("the environment chooses the instruction set")
    known = ["baseline", "avx2", "avx512"]
    for isa in known[:known.index(_core.ISA)]:      # that of this run is tested in this run
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
             Path(__file__).parent / "test_golden.py"],
            capture_output=True, text=True, env={**os.environ, "NEUROAI_C_ISA": isa},
            cwd=Path(__file__).parent.parent,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("value", ["sse9", "AVX2", "avx512 ", "0"])
def test_unknown_instruction_set(value):
    done = python("import neuroai_c", NEUROAI_C_ISA=value)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "NEUROAI_C_ISA" in last and f"'{value}'" in last and "baseline" in last


@pytest.mark.parametrize("value", ["0", "-1", "65", "two", "1.5", "9" * 40])
def test_bad_number_of_threads_in_the_environment(value):
    done = python("import neuroai_c", NEUROAI_C_NUM_THREADS=value)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "NEUROAI_C_NUM_THREADS" in last and repr(value) in last


@pytest.mark.parametrize("value, threads", [("1", 1), ("3", 3), ("64", 64), ("", None)])
def test_number_of_threads_in_the_environment(value, threads):
    done = python("import neuroai_c; print(neuroai_c.get_num_threads())", NEUROAI_C_NUM_THREADS=value)
    assert done.returncode == 0, done.stderr
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert int(done.stdout) == (threads or min(cores, 8))


def test_set_num_threads():
    before = ai.get_num_threads()
    try:
        for n in (1, 64, np.int64(2)):
            ai.set_num_threads(n)
            assert ai.get_num_threads() == n
        for error, n in ((ValueError, 0), (ValueError, -1), (ValueError, 65), (ValueError, 2**40),
                         (TypeError, 2.0), (TypeError, "2"), (TypeError, None), (TypeError, True)):
            with pytest.raises(error, match="set_num_threads: n must be"):
                ai.set_num_threads(n)
            assert ai.get_num_threads() == 2
    finally:
        ai.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_training_in_a_forked_child():
    """The child of a process that trained on several threads trains too, to the same weights."""
    done = python("""
import os, warnings
import numpy as np, neuroai_c as ai
warnings.simplefilter("ignore")         # Python warns of forks that have threads
ai.set_num_threads(4)

def weights():
    model = ai.Sequential([ai.layers.InputLayer([None, 5]), ai.layers.SNU(3)], seed=0)
    model.compile()
    model.fit(np.ones((20, 4, 5)), np.ones((20, 3)), epochs=2, verbose=0)
    return np.concatenate([w.ravel() for w in model.get_weights()]).tobytes()

parent = weights()
child = os.fork()
if child == 0:
    os._exit(0 if weights() == parent else 1)
assert os.waitpid(child, 0)[1] == 0
assert weights() == parent
""")
    assert done.returncode == 0, done.stderr


# ---- public names ----------------------------------------------------------

# name: its first arguments in order, then those that have to be there by name
SIGNATURES = {
    "Sequential": ("layers name seed dtype", ""),
    "Sequential.add": ("self layer", ""),
    "Sequential.pop": ("self", ""),
    "Sequential.build": ("self input_shape", ""),
    "Sequential.compile": ("self optimizer loss metrics", ""),
    "Sequential.fit": ("self x y batch_size epochs verbose", "shuffle initial_epoch"),
    "Sequential.evaluate": ("self x y batch_size verbose return_dict", ""),
    "Sequential.predict": ("self x batch_size verbose", ""),
    "Sequential.predict_on_batch": ("self x", ""),
    "Sequential.train_on_batch": ("self x y", ""),
    "Sequential.test_on_batch": ("self x y", ""),
    "Sequential.summary": ("self", ""),
    "Sequential.count_params": ("self", ""),
    "Sequential.get_weights": ("self", ""),
    "Sequential.set_weights": ("self weights", ""),
    "layers.SNU": ("units activation decay g recurrent lateral_inhibition return_sequences",
                   "kernel_initializer recurrent_initializer bias_initializer name"),
    "layers.InputLayer": ("input_shape", ""),
    "layers.GlobalAveragePooling1D": ("", ""),
    "activations.StepFunction": ("pseudoderivative_of", ""),
    "activations.LeakyRel": ("alpha", ""),
    "optimizers.SGD": ("learning_rate momentum nesterov", "clipnorm clipvalue weight_decay"),
    "optimizers.RMSprop": ("learning_rate rho momentum epsilon", "clipnorm clipvalue weight_decay"),
    "optimizers.Adam": ("learning_rate beta_1 beta_2 epsilon", "clipnorm clipvalue weight_decay"),
    "optimizers.schedules.CosineDecay": ("initial_learning_rate decay_steps alpha", ""),
    "optimizers.schedules.ExponentialDecay": ("initial_learning_rate decay_steps decay_rate staircase", ""),
    "losses.MeanSquaredError": ("", ""),
    "losses.BinaryCrossentropy": ("from_logits", ""),
    "losses.CategoricalCrossentropy": ("from_logits", ""),
    "losses.SparseCategoricalCrossentropy": ("from_logits", ""),
    "regularizers.L1": ("l1", ""),
    "callbacks.Callback": ("", ""),
    "callbacks.EarlyStopping": ("monitor min_delta patience verbose mode baseline restore_best_weights "
                                "start_from_epoch", ""),
    "callbacks.ModelCheckpoint": ("filepath monitor verbose save_best_only save_weights_only mode save_freq", ""),
    "callbacks.CSVLogger": ("filename separator append", ""),
    "callbacks.LearningRateScheduler": ("schedule verbose", ""),
    "metrics.SpikeCount": ("layer name", ""),
    "utils.transform_rate": ("data2D N_ts max_is_present_for seed", ""),
    "utils.to_categorical": ("", ""),
    "utils.write_wav": ("path signal rate", ""),
    "datasets.JSB": ("path", ""),
    "datasets.mnist.load_data": ("path", ""),
    "Spikes.from_dense": ("a", ""),
    "plots.raster": ("spikes ax", ""),
    "plots.spike_history": ("", "ax"),
    "plots.features": ("kernel shape columns ax", ""),
    "set_num_threads": ("n", ""),
    "get_num_threads": ("", ""),
    "show_versions": ("", ""),
    "ops.snu_forward": ("x kernel bias recurrent_kernel",
                        "decay activation g lateral_inhibition initial_state"),
    "ops.snu_backward": ("dy x kernel bias recurrent_kernel",
                         "y V dy_state dV_state decay activation g lateral_inhibition initial_state"),
    "ops.matmul": ("", ""),
    "ops.mse_forward": ("", ""),
    "ops.mse_backward": ("", ""),
    "ops.average_forward": ("", ""),
    "ops.average_backward": ("", ""),
    "ops.sgd_step": ("", ""),
    "ops.rmsprop_step": ("", ""),
    "ops.adam_step": ("", ""),
    "ops.rate_encode": ("", ""),
}

DEFAULTS = {
    "Sequential": dict(layers=None, name=None, seed=None, dtype="float32"),
    "Sequential.fit": dict(batch_size=None, epochs=1, verbose="auto", shuffle=True, initial_epoch=0),
    "Sequential.evaluate": dict(batch_size=None, verbose="auto", return_dict=False),
    "Sequential.predict": dict(batch_size=None, verbose="auto"),
    "layers.SNU": dict(decay=0.8, recurrent=False, lateral_inhibition=False, return_sequences=False),
    "activations.LeakyRel": dict(alpha=0.1),
    "optimizers.SGD": dict(learning_rate=0.01, momentum=0.0, nesterov=False),
    "optimizers.RMSprop": dict(learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7),
    "optimizers.Adam": dict(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
    "optimizers.schedules.CosineDecay": dict(alpha=0.0),
    "optimizers.schedules.ExponentialDecay": dict(staircase=False),
    "losses.BinaryCrossentropy": dict(from_logits=False),
    "regularizers.L1": dict(l1=0.01),
    "callbacks.EarlyStopping": dict(monitor="val_loss", min_delta=0, patience=0, verbose=0, mode="auto",
                                    baseline=None, restore_best_weights=False, start_from_epoch=0),
    "callbacks.ModelCheckpoint": dict(monitor="val_loss", verbose=0, save_best_only=False,
                                      save_weights_only=False, mode="auto", save_freq="epoch"),
    "callbacks.CSVLogger": dict(separator=",", append=False),
    "callbacks.LearningRateScheduler": dict(verbose=0),
    "metrics.SpikeCount": dict(name="spikes"),
    "utils.transform_rate": dict(seed=0),
    "datasets.JSB": dict(path=None),
    "ops.snu_forward": dict(decay=0.8, lateral_inhibition=False, initial_state=None),
    "plots.features": dict(columns=20, ax=None),
}


def public(name):
    found = ai
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    parameters = inspect.signature(public(name)).parameters
    positional, named = (names.split() for names in SIGNATURES[name])
    assert list(parameters)[:len(positional)] == positional
    assert set(named) <= set(parameters)
    for argument, default in DEFAULTS.get(name, {}).items():
        assert parameters[argument].default == default


@pytest.mark.parametrize("name", SIGNATURES)
def test_public_names_have_docstrings(name):
    assert inspect.getdoc(public(name))


def test_other_names():
    assert all(hasattr(ai.activations, name) for name in
               "step_function leaky_rel relu tanh sigmoid identity".split())
    assert all(hasattr(ai, name) for name in ai.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", ai.__version__)
    assert ai.ops.Gradients._fields == ("x", "kernel", "bias", "recurrent_kernel", "decay", "initial_state")
    assert isinstance(ai.Sequential.output_shape, property)


def test_typing_is_there():
    folder = Path(ai.__file__).parent
    assert (folder / "py.typed").is_file() and (folder / "_core.pyi").is_file()


def test_stubs_name_what_the_compiled_part_has():
    stubs = (Path(ai.__file__).parent / "_core.pyi").read_text()
    kernels, module = (set(re.findall(rf"^{indent}def (\w+)", stubs, re.MULTILINE))
                       for indent in ("    ", ""))
    assert kernels == {name for name in dir(_core.f64) if not name.startswith("_")}
    assert {*dir(_core.f32), "rate_encode"} == set(dir(_core.f64))
    module |= set(re.findall(r"^(\w+):", stubs, re.MULTILINE))
    assert module == {name for name in dir(_core) if not name.startswith("_")}
