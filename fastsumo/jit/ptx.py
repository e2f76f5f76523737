"""Kernels for a GPU as PTX, the assembly that every driver reads: compiled by numba-cuda, kept by content.

numba-cuda is optional and slow to import, so only these functions import it, when something is to be compiled; no card
and no driver is needed for that. Multiplications and additions are never fused but where `fma` is spelled out, as on
a CPU. A user's function is checked as it is there (`checked.py`), where numba-cuda drops the options that say so: an
index out of range raises, and so do whole numbers that its types do not hold. What a kernel makes of that is
`calls.attempt`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastsumo.jit.assigned import insert_before, insert_checks
from fastsumo.jit.cache import cache_folder, prune
from fastsumo.jit.checked import HelperCompiler
from fastsumo.jit.powers import Nodes, insert_powers
from fastsumo.jit.whole import LowerWhole, WholeNumbers

Capability = tuple[int, int]  # compute capability of a card, such as (9, 0)
Bounds = tuple[int, int] | None

_LIBRARIES = ("numba-cuda", "nvidia-nvvm")
_ONE = threading.Lock()  # numba-cuda is bent while it compiles


def versions() -> str:
    """The versions of the libraries that make PTX; ImportError where numba-cuda is not installed."""
    try:
        found = [f"numba-cuda {importlib.metadata.version('numba-cuda')}"]
    except importlib.metadata.PackageNotFoundError:
        raise ImportError("numba-cuda is not installed") from None
    with suppress(importlib.metadata.PackageNotFoundError):
        found.append(f"nvidia-nvvm {importlib.metadata.version('nvidia-nvvm')}")
    return ", ".join(found)


def ptx_of(
    make: Callable[[Any], Any], signature: Any, capability: Capability, digest: str | None, bounds: Bounds = None
) -> str:
    """PTX of the kernel that ``make(cuda)`` gives; read from the cache where ``digest`` is not None and known there.

    Parameters
    ----------
    make : callable
        Takes the module ``numba.cuda`` and returns a function that returns nothing.
    signature : Numba signature
        Of numbers alone.
    capability : (int, int)
        Of the cards that it is for.
    digest : str or None
        A hash of all that goes into the kernel.
    bounds : (int, int), optional
        Threads of a block, and blocks that a processor is to hold at a time: they decide how many registers there are.
    """
    folder = cache_folder()
    if digest is None or folder is None:
        return _compile(make, signature, capability, bounds)
    key = hashlib.sha256(f"{digest} {capability} {bounds} {versions()}".encode()).hexdigest()
    path = folder / "ptx" / f"{key[:40]}.ptx"
    with suppress(OSError):
        text = path.read_text(encoding="ascii")
        path.touch()
        if text.endswith("}\n"):
            return text
    text = _compile(make, signature, capability, bounds)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{threading.get_ident()}")
        part.write_text(text, encoding="ascii")
        part.replace(path)
        prune(path.parent)
    return text


def entry_of(ptx: str) -> str:
    """The name of the kernel in its PTX.

    Examples
    --------
    >>> entry_of(".visible .entry kernel_1(")
    'kernel_1'
    """
    found = re.search(r"\.visible \.entry (\w+)\(", ptx)
    assert found is not None
    return found.group(1)


def _compile(make: Callable[[Any], Any], signature: Any, capability: Capability, bounds: Bounds) -> str:
    with _ONE, _names_of_old():
        from numba import cuda
        from numba.cuda import compiler
        from numba.cuda.cudadrv import nvvm

        with _bent(capability):
            library, _ = compiler._compile_pyfunc_with_fixup(
                make(cuda), signature, device=False, abi="numba", cc=capability, launch_bounds=bounds
            )
            arch = f"compute_{capability[0]}{capability[1]}"
            made: bytes = nvvm.compile_ir(library.llvm_strs, opt=3, arch=arch, fma=0)
    return made.decode("ascii").strip("\0").strip() + "\n"


@contextmanager
def _names_of_old() -> Iterator[None]:
    """NumPy 2.5 with a name that it has dropped, and numba-cuda 0.30 asks for."""
    names, name = vars(np), "row_stack"
    missing = name not in names
    if missing:
        names[name] = np.vstack
    try:
        yield
    finally:
        if missing:
            del names[name]


@contextmanager
def _bent(capability: Capability) -> Iterator[None]:
    """numba-cuda, with our compiler, and asking no driver for the capability of a card."""
    from numba.cuda import compiler, dispatcher

    class Device:
        compute_capability = capability

    asked: list[Any] = []  # what is to be compiled, the last one first of all
    compile_device = dispatcher.CUDADispatcher.compile_device

    def remembered(called: Any, *what: Any) -> Any:
        asked.append(called)
        try:
            return compile_device(called, *what)
        finally:
            asked.pop()

    with (
        _set(compiler, "CUDACompiler", type("Compiler", (_compiler(),), {"asked": asked})),
        _set(dispatcher, "get_current_device", lambda: Device),
        _set(dispatcher.CUDADispatcher, "compile_device", remembered),
    ):
        yield


@contextmanager
def _set(owner: Any, name: str, value: Any) -> Iterator[None]:
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@cache
def _compiler() -> Any:
    """numba-cuda's, with constant powers as multiplications, and a user's functions checked."""
    from numba.cuda.compiler import CUDACompiler, CUDANativeLowering
    from numba.cuda.core import analysis, errors, ir_utils
    from numba.cuda.core import ir as code
    from numba.cuda.core.callconv import PythonErrorModel
    from numba.cuda.core.compiler_machinery import FunctionPass, register_pass
    from numba.cuda.core.untyped_passes import ReconstructSSA
    from numba.cuda.lowering import CUDALower
    from numba.cuda.target import CUDATargetContext

    nodes = Nodes(code.Expr, code.Var, code.Global, code.Assign, code.Const)

    def made(name: str, insert: Any, known: Any) -> Any:
        @register_pass(mutates_CFG=False, analysis_only=False)
        class Made(FunctionPass):  # type: ignore[misc]
            _name = name

            def __init__(self) -> None:
                FunctionPass.__init__(self)

            def run_pass(self, state: Any) -> bool:
                return bool(insert(state.func_ir, nodes, known, ir_utils.build_definitions))

        return Made

    powers = made("constant_powers", insert_powers, errors.ConstantInferenceError)
    assigned = made("assigned_first", insert_checks, analysis.compute_cfg_from_blocks)

    class Target(CUDATargetContext):  # type: ignore[misc]
        @property
        def call_conv(self) -> Any:  # as Numba has it; here it warns
            return self.fndesc.call_conv

    class Checked(WholeNumbers, Target):  # type: ignore[misc]
        enable_boundscheck = True
        compiled: ClassVar[dict[Any, Any]] = {}  # for this target

    class Lower(LowerWhole, CUDALower):  # type: ignore[misc]
        _variable = code.Var

    @register_pass(mutates_CFG=True, analysis_only=False)
    class Lowering(CUDANativeLowering):  # type: ignore[misc]
        _name = "checked_lowering"
        lowering_class = Lower

    class Compiler(CUDACompiler):  # type: ignore[misc]
        asked: ClassVar[list[Any]]

        def compile_extra(self, func: Any) -> Any:
            options = self.asked[-1].targetoptions if self.asked and self.asked[-1].py_func is func else {}
            target = self.state.targetctx
            target.__class__ = Checked if isinstance(target, Checked) else Target
            if options.get("boundscheck") or options.get("pipeline_class") is HelperCompiler:
                target.__class__, target.cached_internal_func = Checked, Checked.compiled
                if options.get("error_model") == "python":
                    target.error_model = PythonErrorModel(target.error_model.call_conv)
            return super().compile_extra(func)

        def define_pipelines(self) -> list[Any]:
            [passes] = super().define_pipelines()
            passes.add_pass_after(powers, ReconstructSSA)
            if isinstance(self.state.targetctx, Checked):
                passes.passes = [(Lowering if each is CUDANativeLowering else each, why) for each, why in passes.passes]
                insert_before(passes, ReconstructSSA, assigned)
            passes.finalize()
            return [passes]

    return Compiler


_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def philox_words(typingctx, c0, c1, c2, c3, k0, k1):
    """Philox4x32-10 of a counter and a key of 32-bit words in uint64, as two 64-bit words; for a GPU only.

    As instructions of PTX: LLVM would make 64-bit products of them, which a GPU puts together from four.
    """

    def codegen(context, builder, signature, args):
        pair = ir.LiteralStructType([_I32, _I32])
        multiply = "{ .reg .u64 t; mul.wide.u32 t, $2, $3; mov.b64 {$0, $1}, t; }"

        def product(x, factor):
            both = ir.FunctionType(pair, [_I32, _I32])
            found = builder.asm(both, multiply, "=r,=r,r,r", [x, ir.Constant(_I32, factor)], False)
            found.attributes.add("readnone")  # no memory, so that what is read in a loop can be read before it
            return builder.extract_value(found, 0), builder.extract_value(found, 1)

        def joined(low, high):
            both = ir.FunctionType(_I64, [_I32, _I32])
            found = builder.asm(both, "mov.b64 $0, {$1, $2};", "=l,r,r", [low, high], False)
            found.attributes.add("readnone")
            return found

        words = [builder.trunc(each, _I32) for each in args]
        counter, key = words[:4], words[4:]
        for _ in range(10):
            (low_0, high_0), (low_1, high_1) = product(counter[0], 0xD2511F53), product(counter[2], 0xCD9E8D57)
            left, right = builder.xor(counter[1], key[0]), builder.xor(counter[3], key[1])
            counter = [builder.xor(high_1, left), low_1, builder.xor(high_0, right), low_0]
            steps = zip(key, (0x9E3779B9, 0xBB67AE85), strict=True)
            key = [builder.add(word, ir.Constant(_I32, step)) for word, step in steps]
        return context.make_tuple(builder, signature.return_type, [joined(*counter[:2]), joined(*counter[2:])])

    word = types.uint64
    return types.UniTuple(word, 2)(*[word] * 6), codegen
