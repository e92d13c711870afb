"""Damaged and hostile files, for the tests of what reads them and for `python -m trust files`."""

import copy
import gzip
import io
import json
import random
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import neuroai_c as ai
import numpy as np
import safetensors.numpy
from neuroai_c import files

# ---- safetensors files -----------------------------------------------------


def split(data):
    """(header, bytes of arrays)"""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8:8 + length]), data[8 + length:]


def split_or_none(data):
    """What `split` returns, or None of data that it cannot."""
    try:
        return split(data)
    except ValueError:
        return None


def joined(header, rest):
    text = header if isinstance(header, bytes) else json.dumps(header, ensure_ascii=False).encode()
    return len(text).to_bytes(8, "little") + text + rest


NUMBERS = [0, 1, -1, 7, 2.5, True, None, "4", [], {}, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, 1e300]


def mutated(data, rng):
    """The file with a random damage."""
    header, rest = split(data)
    length = len(data) - len(rest) - 8
    names = [name for name in header if name != "__metadata__"]
    entry = header[rng.choice(names)]
    kind = rng.randrange(10)
    if kind == 0:                           # bytes anywhere
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 9)):
            changed[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        return bytes(changed)
    if kind == 1:                           # bytes that are missing, anywhere
        first, last = sorted(rng.sample(range(len(data)), 2))
        return data[:first] + data[last:]
    if kind == 2:                           # bytes too many, anywhere
        at = rng.randrange(len(data))
        return data[:at] + rng.randbytes(rng.randrange(1, 20)) + data[at:]
    if kind == 3:                           # the length of the header
        other = rng.choice([0, 1, length - 1, length + 1, length + len(rest), 10**8, 10**18, 2**63, 2**64 - 1])
        return other.to_bytes(8, "little") + data[8:]
    if kind == 4:
        entry["data_offsets"][rng.randrange(2)] += rng.choice([-8, -1, 1, 4, 8, 2**62])
    elif kind == 5:
        entry[rng.choice(["dtype", "shape", "data_offsets"])] = rng.choice(NUMBERS)
    elif kind == 6:
        entry["dtype"] = rng.choice(["F16", "BF16", "BOOL", "U16", "F8_E4M3", "C64", "f32", "O", "", "F4"])
    elif kind == 7:
        entry["shape"] = rng.choice([[0], [3], [3, 2], [2**62, 4], [-1], [1] * 70, [0, 10**18], NUMBERS])
    elif kind == 8:                         # two arrays change places
        one, other = rng.sample(names, 2)
        header[one]["data_offsets"], header[other]["data_offsets"] = (
            header[other]["data_offsets"], header[one]["data_offsets"])  # fmt: skip
    else:
        return joined(header, rng.sample([rest[::-1], rest[:-8] + rest[:8], bytes(len(rest)), rest * 2], 1)[0])
    return joined(header, rest)


def entry_of(document, arrays=(), kind="model", version="1", checksum=None):
    """A header with an entry of ours, with the checksum that is right for it if none is given."""
    arrays = dict(arrays)
    checksum = checksum or files._checksum(kind, document, arrays)
    return {"__metadata__": {"neuroai_c": f"{version} {kind} {checksum} {document}"}}


WHOLE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BOMB = gzip.compress(bytes(10**7))
HOSTILE = {
    "nothing": b"",
    "seven bytes": b"1234567",
    "no header": bytes(8),
    "zeros": bytes(10_000),
    "header of 1e18 bytes": (10**18).to_bytes(8, "little") + b"{}",
    "header of 2**64 - 1 bytes": b"\xff" * 8 + b"{}",
    "header of 3 MB": joined(b'{"a":"' + b"x" * 3_000_000 + b'"}', b""),
    "gzip": BOMB,
    "gzip behind a header": joined(BOMB, b""),
    "text": b"to be or not to be, that is the question",
    "zip": b"PK\x03\x04" + bytes(1000),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(1000),
    "pickle": b"\x80\x04\x95" + bytes(1000),
    "no text": joined(b"\xff\xfe{}", b""),
    "no JSON": joined(b"{,}", b""),
    "a list": joined(b"[]", b""),
    "null": joined(b"null", b""),
    "deep lists": joined(b"[" * 2_000_000, b""),
    "deep dicts": joined(b'{"a":' * 400_000, b""),
    "deep in an entry": joined(b'{"__metadata__":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", b""),
    "long integer": joined(b'{"a":' + b"9" * 2_000_000 + b"}", b""),
    "many lists": joined(b"[" + b"[0]," * 500_000 + b"0]", b""),
    "many dicts": joined(b"[" + b'{"a":0},' * 250_000 + b"0]", b""),
    "many keys": joined(b"{" + b",".join(b'"%d":0' % i for i in range(200_000)) + b"}", b""),
    "key twice": joined(b'{"a":1,"a":1}', b""),
    "array twice": joined(
        json.dumps(entry_of("{}")).encode()[:-1] + 2 * b',"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
        + b"}", bytes(4)),
    "metadata twice": joined(
        json.dumps(entry_of("{}")).encode()[:-1] + b"," + json.dumps(entry_of("{}")).encode()[1:], b""),
    "of another program": safetensors.numpy.save({"a": np.ones(3)}, {"format": "pt"}),
    "of another program, no metadata": safetensors.numpy.save({"a": np.ones(3)}),
    "metadata no dict": joined({"__metadata__": ["neuroai_c"]}, b""),
    "entry no text": joined({"__metadata__": {"neuroai_c": 1}}, b""),
    "entry empty": joined({"__metadata__": {"neuroai_c": ""}}, b""),
    "entry too short": joined({"__metadata__": {"neuroai_c": "1 model"}}, b""),
    "entry without a document": joined({"__metadata__": {"neuroai_c": f"1 model {'0' * 64}"}}, b""),
    "newer": joined(entry_of("{}", version="2"), b""),
    "much newer": joined(entry_of("{}", version="9" * 5000), b""),
    "version in other digits": joined(entry_of("{}", version="\u0661"), b""),
    "unknown kind": joined(entry_of("{}", kind="optimizer"), b""),
    "wrong checksum": joined(entry_of("{}", checksum="0" * 64), b""),
    "array that is no dict": joined({**entry_of("{}"), "a": [1, 2]}, bytes(4)),
    "array without offsets": joined({**entry_of("{}"), "a": {"dtype": "F32", "shape": [1]}}, bytes(4)),
    "overlap": joined({**entry_of("{}"), "a": WHOLE, "b": WHOLE}, bytes(4)),
    "gap": joined({**entry_of("{}"), "a": {**WHOLE, "data_offsets": [4, 8]}}, bytes(8)),
    "offsets backwards": joined({**entry_of("{}"), "a": {**WHOLE, "data_offsets": [4, 0]}}, bytes(0)),
    "offsets negative": joined({**entry_of("{}"), "a": {**WHOLE, "data_offsets": [-4, 0]}}, bytes(0)),
    "shape of 1e18 and 0": joined(
        {**entry_of("{}"), "a": {"dtype": "F32", "shape": [10**18, 10**18, 0], "data_offsets": [0, 0]}}, b""),
    "70 axes": joined({**entry_of("{}"), "a": {**WHOLE, "shape": [1] * 70}}, bytes(4)),
    "bool": joined({**entry_of("{}"), "a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\x02"),
    "document no JSON": joined(entry_of("{"), b""),
    "document no dict": joined(entry_of("[1]"), b""),
    "document of nothing": joined(entry_of("null"), b""),
    "document deep": joined(entry_of('{"a":' * 100_000 + "1" + "}" * 100_000), b""),
    "document with a key twice": joined(entry_of('{"a":1,"a":2}'), b""),
    "document with a long integer": joined(entry_of(f'{{"a":{"9" * 1_000_000}}}'), b""),
    "document of many lists": joined(entry_of("[" + "[0]," * 500_000 + "0]"), b""),
    "document with half a character": joined(b'{"__metadata__":{"neuroai_c":"1 model 0 \\ud800"}}', b""),
}  # fmt: skip


# ---- models: a right checksum, and content that does not fit -------------------


def changed(document, place, value):
    """The document with another value at a place, or without it."""
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return document


SNU = ("model", "layers", 1, "config")
NESTED = {"class_name": "Dense", "config": {}}
for _ in range(50):
    NESTED = {"class_name": "SNU", "config": {"units": NESTED}}
LIES = [
    (("model",), KeyError), (("model",), None), (("model",), []), (("model",), "model"), (("model",), {}),
    (("model", "name"), KeyError), (("model", "name"), 3), (("model", "dtype"), KeyError),
    (("model", "dtype"), "float16"), (("model", "dtype"), "float64"), (("model", "dtype"), None),
    (("model", "dtype"), [["a", "f4"]]), (("model", "dtype"), {"names": ["a"], "formats": ["f4"]}),
    (("model", "dtype"), {"names": 3}), (("model", "dtype"), ">f4"), (("model", "dtype"), "O"),
    (("model", "input_shape"), KeyError), (("model", "input_shape"), None), (("model", "input_shape"), 6),
    (("model", "input_shape"), [None]), (("model", "input_shape"), [None, 0]),
    (("model", "input_shape"), [None, -6]), (("model", "input_shape"), [None, 6.5]),
    (("model", "input_shape"), [None, 7]), (("model", "input_shape"), [None, "6"]),
    (("model", "layers"), KeyError), (("model", "layers"), None), (("model", "layers"), {}),
    (("model", "layers"), []), (("model", "layers"), "SNU"), (("model", "layers", 1), None),
    (("model", "layers", 1), "snu"), (("model", "layers", 1), 3), (("model", "layers", 1), []),
    (("model", "layers", 1), {}), (("model", "layers", 1), NESTED),
    (("model", "layers", 1), {"class_name": "InputLayer", "config": {"input_shape": [None, 6]}}),
    (("model", "layers", 1), {"class_name": "Layer", "config": {}}),
    (("model", "layers", 1, "class_name"), "LSTM"), (("model", "layers", 1, "class_name"), None),
    (("model", "layers", 1, "class_name"), ["SNU"]), (("model", "layers", 1, "class_name"), "os.system"),
    (("model", "layers", 1, "class_name"), "Adam"), (("model", "layers", 1, "class_name"), "Dense"),
    (("model", "layers", 1, "config"), None), (("model", "layers", 1, "config"), []),
    (("model", "layers", 1, "config"), {}), (("model", "layers", 0), KeyError),
    (("model", "layers", 3), KeyError), ((*SNU, "units"), KeyError), ((*SNU, "units"), 8), ((*SNU, "units"), 0),
    ((*SNU, "units"), True), ((*SNU, "units"), "9"), ((*SNU, "units"), 9.0), ((*SNU, "units"), None),
    ((*SNU, "decay"), "0.9"), ((*SNU, "decay"), None), ((*SNU, "decay"), float("nan")), ((*SNU, "decay"), 1.5),
    ((*SNU, "decay"), [0.5] * 8), ((*SNU, "decay"), [[0.5] * 9]), ((*SNU, "decay"), {"class_name": "Constant"}),
    ((*SNU, "activation"), "softmax"), ((*SNU, "activation"), None), ((*SNU, "activation"), []),
    ((*SNU, "g"), "step_function"), ((*SNU, "g"), {"class_name": "StepFunction", "config": {}}),
    ((*SNU, "recurrent"), False), ((*SNU, "trainable_decay"), False), ((*SNU, "stateful"), False),
    ((*SNU, "return_state"), True), ((*SNU, "return_sequences"), False),
    ((*SNU, "lateral_inhibition"), "batches"), ((*SNU, "lateral_inhibition"), 1), ((*SNU, "name"), 3),
    ((*SNU, "name"), "masking"), ((*SNU, "kernel_initializer"), "he"), ((*SNU, "activity_regularizer"), "l2"),
    ((*SNU, "activity_regularizer"), {"class_name": "L1", "config": {"l1": -1}}), ((*SNU, "time_major"), True),
    (("rng",), KeyError), (("rng",), None), (("rng",), {}), (("rng",), 3), (("rng",), "PCG64"),
    (("compile",), None), (("compile",), []), (("compile",), {}), (("compile",), "adam"),
    (("compile", "optimizer"), KeyError), (("compile", "optimizer"), None), (("compile", "optimizer"), "lion"),
    (("compile", "optimizer"), "sgd"), (("compile", "optimizer"), {"class_name": "Adam", "config": {"lr": 1}}),
    (("compile", "optimizer", "class_name"), "RMSprop"), (("compile", "optimizer", "config", "beta_1"), 1),
    (("compile", "optimizer", "config", "learning_rate"), "fast"),
    (("compile", "optimizer", "config", "learning_rate", "class_name"), "Adam"),
    (("compile", "optimizer", "config", "learning_rate", "config", "decay_steps"), 0),
    (("compile", "loss"), KeyError), (("compile", "loss"), None), (("compile", "loss"), "hinge"),
    (("compile", "metrics"), KeyError), (("compile", "metrics"), None), (("compile", "metrics"), "acc"),
    (("compile", "metrics"), ["acc", "acc"]), (("compile", "metrics"), ["auc"]),
    (("compile", "metrics", 0), None), (("compile", "metrics", 1, "config", "layer"), "output"),
    (("compile", "metrics", 1, "config", "layer"), None),
    (("compile", "metrics", 1, "config", "layer"), "masking"), (("compile", "metrics", 1, "config"), {}),
    (("steps",), KeyError), (("steps",), -1), (("steps",), 1.5), (("steps",), "6"), (("steps",), True),
    (("steps",), 10**30), (("steps",), []), (("steps",), None),
    (("history",), KeyError), (("history",), None), (("history",), 3), (("history",), {}),
    (("history",), "loss"), (("history",), []), (("history",), [3, 4]), (("history", 0), None),
    (("history", 0), 5), (("history", 1), "loss"),
    (("history", 0), KeyError),
]
SIZES = [
    (("model", "input_shape"), [None, 2**40]), (("model", "input_shape"), [None, 10**30]),
    ((*SNU, "units"), 2**20), ((*SNU, "units"), 2**62),
    ((*SNU, "units"), 10**30), (("model", "layers", 3, "config", "units"), 2**40),
]
# Whose checking or whose message could take long.
LONG = [
    (("model", "layers"), [{"class_name": "Dropout", "config": {"rate": 0.5}}] * 30_000),
    (("model", "layers"), [{"class_name": "Dropout", "config": {"rate": 0.5, "name": f"{i}"}} for i in range(25_000)]),
    (("compile", "metrics"), ["acc"] * 200_000), ((*SNU, "decay"), [0.5] * 400_000),
    (("history",), [f"{i}" for i in range(150_000)]), (("history",), ["x" * 2_000_000]),
    (("model", "layers", 1, "class_name"), "x" * 2_000_000), ((*SNU, "activation"), "x" * 2_000_000),
    ((*SNU, "units"), "x" * 2_000_000), ((*SNU, "name"), ["x"] * 300_000), (("rng",), {"x" * 2_000_000: 1}),
    (("rng", "bit_generator"), "\ud800"), (("steps",), float("nan")), ((*SNU, "decay"), [float("inf")] * 9),
]

WRONG = {
    "empty": lambda array: array[:0], "shorter": lambda array: array[:-1],
    "longer": lambda array: np.repeat(array, 2, 0),
    "one axis more": lambda array: array[None], "one number": lambda array: np.float64(array.flat[0]),
    "transposed": lambda array: array.T if array.ndim == 2 else array[:, None],
    "integers": lambda array: array.astype(np.int8),
    "another precision": lambda array: array.astype(np.float64 if array.dtype == np.float32 else np.float32),
}
# Numbers that none of a model's arrays has: Adam's second slot is a mean of squares.
BAD_NUMBERS = [("weights/0000", np.nan), ("weights/0000", -np.inf), ("slots/0000", np.nan), ("slots/0001", -1),
               ("states/0002", np.nan), ("epochs", -7)]
GROUPS = ["weights/0000", "weights/0004", "slots/0000", "slots/0004", "states/0002", "epochs", "seconds",
          "history/0000", "history/0003"]
EXTRA = ["weights/0099", "slots/0099", "states/0000", "states/0099", "history/0099", "weights", "other"]


# ---- MNIST ------------------------------------------------------------------

PACKAGE = Path(ai.datasets.mnist.__file__).parent
NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def gz(name):
    return PACKAGE / f"{name}.gz"


def copy_gz(folder, leave_out=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        if name not in leave_out:
            shutil.copy(gz(name), folder)
    return folder


def write_idx(folder, name, data, layout):
    """One file, plain or gzipped, in a folder whose other files are whole."""
    copy_gz(folder, leave_out=[name])
    if layout == "plain":
        file = folder / name
        file.write_bytes(data)
    else:
        file = folder / f"{name}.gz"
        file.write_bytes(gzip.compress(data, compresslevel=0))
    return file


def write_member(file, data, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("x_train.npy", data)


def npy_header(shape, **changes):
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape, **changes}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _flipped(data, *places):
    data = bytearray(data)
    for place in places:
        data[place] ^= 1
    return bytes(data)


# Of the first file, uncompressed: what becomes of it, and what the error says.
IDX = {
    "short": (lambda data: data[:-1], "wanted 47040016 bytes, uncompressed, got 47040015"),
    "long": (lambda data: data + b"\0", "wanted 47040016 bytes, uncompressed, got more"),
    "empty": (lambda data: b"", "wanted 47040016 bytes, uncompressed, got 0"),
    "half a header": (lambda data: data[:6], "wanted 47040016 bytes, uncompressed, got 6"),
    "only a header": (lambda data: data[:16], "wanted 47040016 bytes, uncompressed, got 16"),
    "type": (lambda data: struct.pack(">4I", 0x0D03, 60000, 28, 28) + data[16:],
             r"\(2051, 60000, 28, 28\), got \(3331, 60000, 28, 28\)"),
    "sizes": (lambda data: struct.pack(">4I", 0x0803, 28, 28, 60000) + data[16:], r"got \(2051, 28, 28, 60000\)"),
    "sizes of 2**96": (lambda data: struct.pack(">4I", 0x0803, *[2**32 - 1] * 3) + data[16:],
                       r"got \(2051, 4294967295, 4294967295, 4294967295\)"),
    "sizes of 2**96 and no data": (lambda data: struct.pack(">4I", 0x0803, *[2**32 - 1] * 3), "got 16"),
    "255 axes": (lambda data: struct.pack(">4I", 0x08FF, 60000, 28, 28) + data[16:], r"got \(2303, 60000, 28, 28\)"),
    "first bit": (lambda data: _flipped(data, 0), r"got \(16779267, 60000, 28, 28\)"),
    "first pixel": (lambda data: _flipped(data, 16), "not MNIST's values"),
    "last pixel": (lambda data: _flipped(data, -1), "not MNIST's values"),
    "little-endian": (lambda data: struct.pack("<4I", 0x0803, 60000, 28, 28) + data[16:], "wanted the IDX header"),
    "test images": (lambda data: gzip.decompress(gz(NAMES[2]).read_bytes()), "47040016 bytes, uncompressed, got 7840016"),
}  # fmt: skip


def bomb(megabytes):
    """A gzip file of so many MB of zeros, in one member: parts that all begin afresh."""
    deflate = zlib.compressobj(9, wbits=31)
    head = deflate.compress(b"") + deflate.flush(zlib.Z_FULL_FLUSH)
    part = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return head + part * megabytes


# Of the first file's .gz: what becomes of it, and what the error says.
WHOLE_GZIP = "wanted a whole gzip file, got"
GZIP = {
    "no gzip": (lambda data: bytes(10_000), WHOLE_GZIP),
    "nothing": (lambda data: b"", WHOLE_GZIP),
    "half a head": (lambda data: data[:5], WHOLE_GZIP),
    "head": (lambda data: data[:10], WHOLE_GZIP),
    "half": (lambda data: data[:len(data) // 2], WHOLE_GZIP),
    "without its end": (lambda data: data[:-1], WHOLE_GZIP),
    "without its checksum": (lambda data: data[:-8], WHOLE_GZIP),
    "a block of the type that deflate reserves": (lambda data: gzip.compress(b"")[:10] + b"\x07", WHOLE_GZIP),
    "body": (lambda data: data[:5000] + bytes(100) + data[5100:], WHOLE_GZIP),
    "checksum": (lambda data: _flipped(data, -8), WHOLE_GZIP),
    "length": (lambda data: _flipped(data, -1), WHOLE_GZIP),
    "method": (lambda data: _flipped(data, 2), WHOLE_GZIP),
    "trailing": (lambda data: data + b"something else", WHOLE_GZIP),
    "twice": (lambda data: data * 2, WHOLE_GZIP),
    "bomb of 20 GB": (lambda data: bomb(20_000), "got more"),
    "bomb of many members": (lambda data: gzip.compress(bytes(1 << 20)) * 2000, WHOLE_GZIP),
    "a million empty members": (lambda data: gzip.compress(b"") * 1_000_000, WHOLE_GZIP),
    "a name of 40 MB": (lambda data: b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 40_000_000, WHOLE_GZIP),
    "empty blocks": (lambda data: data[:10] + b"\0\0\0\xff\xff" * 4_000_000, WHOLE_GZIP),
    "60 MB behind it": (lambda data: data + bytes(60_000_000), WHOLE_GZIP),
}  # fmt: skip


def _zip(data, method=zipfile.ZIP_STORED):
    """An archive with x_train alone."""
    stream = io.BytesIO()
    write_member(stream, data, method)
    return stream.getvalue()


def _with_directory_of(size):
    """An archive that says that its directory has so many bytes, and has them."""
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    return bytes(size) + end


def _many_members(count):
    name = b"x"
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 0, 20, 0, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    directory = entry * count
    return directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), 0, 0)


TRAIN = (60000, 28, 28)
# mnist.npz: its bytes, and what the error says.
NPZ = {
    "nothing": (lambda: b"", "got BadZipFile"),
    "the begin of an archive": (lambda: b"PK\3\4 no archive", "got BadZipFile"),
    "zeros": (lambda: bytes(1000), "got BadZipFile"),
    "member of nothing": (lambda: _zip(b""), "wanted"),
    "member that is no npy": (lambda: _zip(b"no npy"), "wanted"),
    "half a header": (lambda: _zip(npy_header(TRAIN)[:40]), "wanted"),
    "header of brackets": (lambda: _zip(b"\x93NUMPY\x01\x00\x20\x00" + b"(" * 32), "wanted"),
    "header of many brackets": (lambda: _zip(b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535), "wanted"),
    "header of signs": (lambda: _zip(b"\x93NUMPY\x01\x00\x10\x27" + b"-" * 9999 + b"1"), "wanted"),
    "header of 4 GB": (lambda: _zip(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), r"npy format \(2, 0\)"),
    "cut in its values": (lambda: _zip(npy_header(TRAIN) + bytes(1000)), "47040000 bytes, uncompressed, got 1000"),
    "terabytes": (lambda: _zip(npy_header((10**9, 28, 28))), r"got uint8 of shape \(1000000000, 28, 28\)"),
    "axes without end": (lambda: _zip(npy_header((1,) * 2000)), "wanted"),
    "negative axes": (lambda: _zip(npy_header((-60000, -28, 28))), r"got uint8 of shape \(-60000, -28, 28\)"),
    "objects": (lambda: _zip(npy_header(TRAIN, descr="|O")), "got object"),
    "bzip2": (lambda: _zip(npy_header(TRAIN), zipfile.ZIP_BZIP2), f"compression method {zipfile.ZIP_BZIP2}"),
    "lzma": (lambda: _zip(npy_header(TRAIN), zipfile.ZIP_LZMA), f"compression method {zipfile.ZIP_LZMA}"),
    "bomb": (lambda: _zip(npy_header(TRAIN) + bytes(100 << 20), zipfile.ZIP_DEFLATED), "got more"),
    "directory of 100 MB": (lambda: _with_directory_of(100_000_000), "a part of more than"),
    "half a million members": (lambda: _many_members(500_000), "a part of more than"),
    "as many members as may be": (lambda: _many_members(22_000), "wanted"),
}  # fmt: skip


# ---- all of them -----------------------------------------------------------------

JSB_NAME = "jsb-chorales-quarter.json"
JSB = {
    "nothing": b"", "no JSON": b"{", "another": b'{"train":[],"valid":[],"test":[]}', "deep": b"[" * 900_000,
    "numbers": b'{"train":[[[' + b"9" * 900_000 + b"]]]}", "notes": b'{"train":[[[1e400,-5,NaN]]]}',
    "large": b'{"train":[' + b"[[60]]," * 1_000_000 + b"[[60]]]}",
}  # fmt: skip
SPARSE = 10**12                             # bytes of a file that takes no room on the disk


def corpus(folder, whole, truth):
    """(name, function that reads) of every damaged file, which is in `folder` meanwhile.

    `whole` is a model's file as bytes, `truth` what it says: (arrays, document).
    """
    path = folder / "file"

    def model(data, size=None):
        path.write_bytes(data)
        if size:
            with open(path, "r+b") as file:
                file.truncate(size)
        return lambda: ai.load_model(path)

    rng = random.Random(0)
    length = len(split(whole)[1])
    for place in sorted({*range(9), *range(10, len(whole), len(whole) // 20), len(whole) - length, len(whole) - 1}):
        yield f"model: cut at {place}", model(whole[:place])
    for what, begin, end in (("length", 0, 8), ("header", 8, len(whole) - length), ("data", len(whole) - length, len(whole))):
        for place in sorted(rng.sample(range(begin, end), 8)):
            yield f"model: a bit of its {what}, at {place}", model(_flipped(whole, place))
    at = whole.index(b"1 model ") + len(b"1 model ")
    for place in range(at, at + 64, 16):
        yield f"model: a bit of its checksum, at {place}", model(_flipped(whole, place))
    for i in range(40):
        data = mutated(whole, rng)
        if data[8:9] != b"{" or split_or_none(data) != split(whole):
            yield f"model: random damage {i}", model(data)
    for name, data in HOSTILE.items():
        yield f"model: {name}", model(data)
    for name, data in (("zeros", bytes(8)), ("another program's", safetensors.numpy.save({"a": np.zeros(10)})[:-80]),
                       ("a model and zeros", whole)):
        yield f"model: {name}, 1 TB", model(data, SPARSE)

    arrays, document = truth
    for place, value in [*LIES, *SIZES, *LONG]:
        files.write(path, arrays, changed(document, place, value))
        yield f"model: {'.'.join(map(str, place))} = {str(value)[:30]}", lambda: ai.load_model(path)
    for name in GROUPS:
        for wrong, change in WRONG.items():
            if not (name.startswith("history") and wrong in ("empty", "shorter")):
                files.write(path, {**arrays, name: change(arrays[name])}, document)
                yield f"model: {name} {wrong}", lambda: ai.load_model(path)
        files.write(path, {key: array for key, array in arrays.items() if key != name}, document)
        yield f"model: without {name}", lambda: ai.load_model(path)
    for name, number in BAD_NUMBERS:
        array = arrays[name].copy()
        array.flat[-1] = number
        files.write(path, {**arrays, name: array}, document)
        yield f"model: {number} in {name}", lambda: ai.load_model(path)
    for name in EXTRA:
        files.write(path, {**arrays, name: arrays["states/0002"]}, document)
        yield f"model: {name} too much", lambda: ai.load_model(path)

    def mnist():
        return ai.datasets.mnist.load_data(folder)

    plain, packed, rest = folder / NAMES[0], folder / f"{NAMES[0]}.gz", [gz(name) for name in NAMES[1:]]
    for source in rest:
        (folder / source.name).symlink_to(source)
    data = gz(NAMES[0]).read_bytes()
    for name, (change, _) in GZIP.items():
        packed.write_bytes(change(data))
        yield f"MNIST: .gz, {name}", mnist
    packed.unlink()
    data = gzip.decompress(data)
    for name, (change, _) in IDX.items():
        plain.write_bytes(change(data))
        yield f"MNIST: {name}", mnist
    with open(plain, "wb") as file:
        file.truncate(SPARSE)
    yield "MNIST: 1 TB of zeros", mnist
    plain.unlink()
    npz = folder / "mnist.npz"
    for name, (make, _) in NPZ.items():
        npz.write_bytes(make())
        yield f"MNIST: npz, {name}", lambda: ai.datasets.mnist.load_data(npz)
    npz.unlink()

    jsb = folder / JSB_NAME
    for name, data in JSB.items():
        jsb.write_bytes(data)
        yield f"JSB: {name}", lambda: ai.datasets.JSB(folder)
    with open(jsb, "wb") as file:
        file.truncate(SPARSE)
    yield "JSB: 1 TB of zeros", lambda: ai.datasets.JSB(folder)
    for file in folder.iterdir():
        file.unlink()

