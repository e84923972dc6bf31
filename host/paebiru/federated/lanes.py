"""Vectors of 256 bits as values of numba's loops: instructions of AVX2 that LLVM does not find.

The look-up of 32 bytes at once in a table of 16 is one of them, the inner product of int16 with
sums in int32 another.  A function below is an operation on vectors within a compiled loop; none
can be called from Python.  Where a processor has no AVX2, `usable` says so and nothing of this
may be compiled.

A vector's two halves of 128 bits are apart: look-ups and zips stay within their half.

What numba has compiled it keeps by the date of the loop's own file: a change here wants a touch
of `near` too.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, codegen, config, types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

_INT32 = ir.IntType(32)


class Lanes(types.Type):
    """The type of a vector: so many integers of so many bits."""

    def __init__(self, bits: int, count: int) -> None:
        self.vector = ir.VectorType(ir.IntType(bits), count)
        super().__init__(name=f"Lanes({count} of {bits} bits)")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.vector)  # type: ignore[no-untyped-call]


BYTES, SHORTS, INTS = Lanes(8, 32), Lanes(16, 16), Lanes(32, 8)
_OF = {8: BYTES, 16: SHORTS, 32: INTS}


def usable() -> bool:
    """Tell whether what numba compiles for has AVX2."""
    asked: Any = config
    if asked.DISABLE_JIT or (asked.CPU_NAME and "+avx2" not in (asked.CPU_FEATURES or "")):
        return False
    return "+avx2" in (asked.CPU_FEATURES or codegen.get_host_cpu_features())


def _operation(typed: Callable[..., Any]) -> Any:
    """Make a function of types, which returns a signature and what writes code, an operation."""
    return intrinsic(typed)


def _call(builder: Any, name: str, result: Any, *args: Any) -> Any:
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _where(context: Any, builder: Any, kind: Any, args: Any) -> Any:
    array = context.make_array(kind)(context, builder, args[0])
    inside = {"wraparound": False, "boundscheck": False}
    first = cgutils.get_item_pointer(context, builder, kind, array, args[1:3], **inside)
    return builder.bitcast(first, _OF[kind.dtype.bitwidth].vector.as_pointer())


@_operation
def load(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """Return array[row, column:] as a vector of the array's type; its rows are contiguous."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_where(context, builder, signature.args[0], args), align=1)

    return _OF[array.dtype.bitwidth](array, types.intp, types.intp), write


@_operation
def store(typing: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """Write a vector to array[row, column:]."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _where(context, builder, signature.args[0], args[:3])
        builder.store(args[3], where, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), write


def _of_two(name: str, result: Lanes) -> Any:
    """Return the operation on two vectors that LLVM has under a name."""

    @_operation
    def operation(typing: Any, a: Any, b: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _call(builder, name, result.vector, *args)

        return result(a, b), write

    return operation


look_up = _of_two("llvm.x86.avx2.pshuf.b", BYTES)
"""look_up(table, i): the bytes table[i] for i < 16, the table standing in both halves."""

scale = _of_two("llvm.x86.avx2.pmul.hr.sw", SHORTS)
"""scale(a, b): a * b / 2**15 of int16, half rounded up."""

dot = _of_two("llvm.x86.avx2.pmadd.wd", INTS)
"""dot(a, b): a[2i] * b[2i] + a[2i + 1] * b[2i + 1] of int16, in int32."""

larger = _of_two("llvm.umax.v32i8", BYTES)
"""larger(a, b): the larger byte of each two."""


@_operation
def add(typing: Any, a: Any, b: Any) -> Any:
    """Return a + b."""
    return a(a, a), lambda context, builder, signature, args: builder.add(*args)


@_operation
def zeros(typing: Any, like: Any) -> Any:
    """Return zeros, of a vector's type."""
    return like(like), lambda context, builder, signature, args: ir.Constant(args[0].type, None)


@_operation
def high_nibbles(typing: Any, a: Any) -> Any:
    """Return a >> 4 of bytes."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.lshr(args[0], ir.Constant(BYTES.vector, [4] * 32))

    return BYTES(a), write


@_operation
def low_nibbles(typing: Any, a: Any) -> Any:
    """Return a & 15 of bytes."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.and_(args[0], ir.Constant(BYTES.vector, [15] * 32))

    return BYTES(a), write


def _zip(first: int) -> Any:
    mask = [k + first + half + i for half in (0, 16) for i in range(8) for k in (0, 32)]

    @_operation
    def operation(typing: Any, a: Any, b: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            order = ir.Constant(ir.VectorType(_INT32, 32), mask)
            return builder.shuffle_vector(*args, order)

        return BYTES(a, b), write

    return operation


zip_low = _zip(0)
"""zip_low(a, b): a[0], b[0], a[1], b[1] ... of the first eight bytes of each half."""

zip_high = _zip(8)
"""zip_high(a, b): the same of the last eight."""


@_operation
def shorts(typing: Any, a: Any) -> Any:
    """Return the same 256 bits as int16."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], SHORTS.vector)

    return SHORTS(a), write


@_operation
def everywhere(typing: Any, value: Any) -> Any:
    """Return an int32 in all lanes."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        nothing = ir.Constant(INTS.vector, ir.Undefined)
        one = builder.insert_element(nothing, args[0], _INT32(0))
        return builder.shuffle_vector(one, nothing, ir.Constant(INTS.vector, [0] * 8))

    return INTS(types.int32), write


@_operation
def total(typing: Any, a: Any) -> Any:
    """Return the sum of int32 lanes, in int64."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = builder.sext(args[0], ir.VectorType(ir.IntType(64), 8))
        return _call(builder, "llvm.vector.reduce.add.v8i64", ir.IntType(64), wide)

    return types.int64(a), write


@_operation
def largest(typing: Any, a: Any) -> Any:
    """Return the largest of the bytes."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.vector.reduce.umax.v32i8", ir.IntType(8), args[0])

    return types.uint8(a), write
