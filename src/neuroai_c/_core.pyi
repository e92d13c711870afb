"""The compiled part: spikes, threads, and the kernels of both precisions."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[Any]
_Activation = tuple[int, int, float]
_Optimizer = tuple[int, float, float, bool, float, float, float, float, float, float]

class _Packed(Protocol):
    """Spikes as events: a capsule that only this module opens."""

class _Network(Protocol):
    """A network: a capsule that only this module opens."""

class _Kernels(Protocol):
    def matmul(self, x: _Array, kernel: _Array, /) -> _Array: ...
    def snu_forward(
        self,
        x: _Array | _Packed,
        kernel: _Array,
        bias: _Array,
        recurrent_kernel: _Array | None,
        decay: _Array,
        y_0: _Array | None,
        V_0: _Array | None,
        h: _Activation,
        g: _Activation,
        inhibition: int,
        mask: npt.NDArray[np.uint8] | None,
        go_backwards: bool,
        /,
    ) -> tuple[_Array, _Array]: ...
    def snu_backward(
        self,
        dy: _Array,
        dy_T: _Array | None,
        dV_T: _Array | None,
        x: _Array | _Packed,
        y: _Array,
        V: _Array,
        kernel: _Array,
        bias: _Array,
        recurrent_kernel: _Array | None,
        decay: _Array,
        y_0: _Array | None,
        V_0: _Array | None,
        h: _Activation,
        g: _Activation,
        inhibition: int,
        mask: npt.NDArray[np.uint8] | None,
        go_backwards: bool,
        reset_gradient: bool,
        /,
    ) -> tuple[_Array, _Array, _Array, _Array | None, _Array, _Array | None, _Array | None]: ...
    def average_forward(self, x: _Array, mask: npt.NDArray[np.uint8] | None, /) -> _Array: ...
    def average_backward(
        self, dy: _Array, T: int, mask: npt.NDArray[np.uint8] | None, /
    ) -> _Array: ...
    def mse_forward(self, y: _Array, target: _Array, /) -> float: ...
    def mse_backward(self, y: _Array, target: _Array, /) -> _Array: ...
    def optimizer_step(
        self,
        name: str,
        w: _Array,
        g: _Array,
        slot_0: _Array | None,
        slot_1: _Array | None,
        optimizer: _Optimizer,
        step: float,
        /,
    ) -> None: ...
    def network_new(self, layers: tuple[tuple[Any, ...], ...], /) -> _Network: ...
    def network_run(
        self,
        network: _Network,
        x: _Array | _Packed,
        starts: npt.NDArray[np.intp] | None,
        mask: npt.NDArray[np.uint8] | None,
        target: _Array | None,
        output: _Array | None,
        weights: npt.NDArray[np.float64] | None,
        order: npt.NDArray[np.intp],
        first: int,
        batch: int,
        optimizer: _Optimizer | None,
        rates: npt.NDArray[np.float64] | None,
        steps: npt.NDArray[np.float64],
        loss: tuple[int, bool],
        accuracy: bool,
        squares: bool,
        key: int,
        sums: npt.NDArray[np.float64],
        seconds: float,
        /,
    ) -> tuple[int, int]: ...

class _Float64Kernels(_Kernels, Protocol):
    def rate_encode(
        self, data: npt.NDArray[np.float64], T: int, most: float, seed: int, /
    ) -> _Packed: ...

f32: _Kernels
f64: _Float64Kernels
COMPILER: str
ISA: str

def pack(a: npt.NDArray[np.uint8], /) -> _Packed: ...
def unpack(spikes: _Packed, begin: int, end: int, /) -> npt.NDArray[np.uint8]: ...
def take(spikes: _Packed, index: npt.NDArray[np.intp], /) -> _Packed: ...
def describe(spikes: _Packed, /) -> tuple[int, int, int, int]: ...
def set_num_threads(n: int, /) -> None: ...
def get_num_threads() -> int: ...
