"""Compile inner loops to machine code with numba.

A compiled function is kept beside its source, or in the user's cache folder, so a
machine compiles it once (the matcher: five seconds) and later processes load it (half
a second, most of it numba's own start). Where neither folder can be written each
process compiles. What is kept goes with one source file: a compiled function calls
helpers of its own module only, or a change of theirs would go unnoticed.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

_F = TypeVar("_F", bound=Callable[..., Any])


def read_only(kind: str) -> str:
    """Name the type of an array that is only read, so one mapped from a file fits, too.

    Args:
        kind: of its elements, such as "uint8"; it has one axis and no gaps.
    """
    return f"Array({kind}, 1, 'C', readonly=True)"


def compiled(signature: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a function when it is first called, for one signature and no other.

    Args:
        signature: numba's, such as "int64(uint8[::1])".
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @cache
        def machine_code() -> Callable[P, R]:
            try:
                made: Callable[P, R] = numba.njit(signature, cache=True)(function)
            except (RuntimeError, OSError):  # no folder for the cache, or no room in it
                made = numba.njit(signature)(function)
            return made

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return machine_code()(*args, **kwargs)

        return call

    return decorate


def helper(function: _F) -> _F:
    """Mark a function that compiled functions of its module call."""
    made: _F = numba.njit(function, forceinline=True)
    return made


def _load_8_bytes(context: Any, data: Any, at: Any) -> tuple[Any, Callable[..., Any]]:
    del context

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        address = builder.bitcast(builder.gep(array.data, [values[1]]), ir.IntType(64).as_pointer())
        word = builder.load(address)
        word.align = 1
        return word

    return numba.types.uint64(data, at), emit


load_8_bytes: Callable[[npt.NDArray[np.uint8], Any], Any] = intrinsic(_load_8_bytes)
"""Read data[at:at + 8] as one little-endian uint64, at any `at`. In compiled functions only; not checked."""


def _prefetch(context: Any, data: Any, at: Any) -> tuple[Any, Callable[..., Any]]:
    del context

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        address = builder.bitcast(builder.gep(array.data, [values[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        wanted = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(wanted, [address, number(0), number(3), number(1)])  # to read, to all caches, data
        return context.get_dummy_value()

    return numba.types.void(data, at), emit


prefetch: Callable[[npt.NDArray[Any], Any], None] = intrinsic(_prefetch)
"""Ask for data[at] to be brought near, without waiting. In compiled functions only; not checked."""
