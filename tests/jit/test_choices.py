"""Choices taken out of loops, in LLVM's text: less hangs on the way taken, and the same numbers come out."""

from __future__ import annotations

import ctypes
import random
import re
import struct

import llvmlite.binding as llvm
import numpy as np
from numba.core.registry import cpu_target

from fastsumo.jit.choices import with_choices

ELIFS = """
define double @f(double %a, double %b, ptr %x, i64 %n) {
entry:
  %first = fcmp olt double %a, %b
  %second = fcmp olt double %a, 2.0
  %c = fadd double %a, %b
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %"the end" ]
  %sum = phi double [ 0.0, %entry ], [ %new, %"the end" ]
  %at = getelementptr double, ptr %x, i64 %i
  %z = load double, ptr %at
  br i1 %first, label %one, label %others

one:
  br label %"the end"

others:
  br i1 %second, label %"the end", label %three

three:
  br label %"the end"

"the end":
  %p = phi double [ %a, %one ], [ %b, %others ], [ 3.0, %three ]
  %q = phi double [ %b, %one ], [ %z, %others ], [ %a, %three ]
  %r = phi double [ 1.0, %one ], [ %c, %others ], [ %c, %three ]
  %pq = fmul double %p, %q
  %pqr = fadd double %pq, %r
  %new = fadd double %sum, %pqr
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %out, label %head

out:
  ret double %new
}
"""


def parsed(text: str) -> llvm.ModuleRef:
    """Of LLVM before 16, too, whose pointers say to what they point."""
    try:
        return llvm.parse_assembly(text)
    except RuntimeError:
        return llvm.parse_assembly(text.replace("ptr %", "double* %"))


def numbers_of(text: str, arguments: list[tuple[float, ...]], x: np.ndarray) -> bytes:
    """What ``f(a, b, ..., x, n)`` of a module gives."""
    module = parsed(text)
    module.verify()
    cpu_target.target_context.codegen()  # which has LLVM ready
    with llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine()) as engine:
        given = [ctypes.c_double] * len(arguments[0])
        f = ctypes.CFUNCTYPE(ctypes.c_double, *given, ctypes.c_void_p, ctypes.c_int64)(engine.get_function_address("f"))
        return struct.pack(f"{len(arguments)}d", *(f(*each, x.ctypes.data, x.size) for each in arguments))


def phi(text: str, name: str) -> list[str]:
    """The values that one is made of."""
    line = re.search(rf"%{name} = phi \w+ (.*)", text)
    assert line is not None
    return re.findall(r"\[ (\S+),", line[1])


def test_values_are_chosen_where_ways_part() -> None:
    once = with_choices(ELIFS)
    one, *others = phi(once, "p")
    assert one == "%a"
    assert others == [others[0]] * 2
    assert f"{others[0]} = select i1 %second, double %b, double 3.0" in once
    assert phi(once, "q") == ["%b", "%z", "%a"]  # one of them is read in the loop
    assert phi(once, "i") == ["0", "%next"]
    assert (
        with_choices(once).count("select") == 2
    )  # of r, for which both of the others are one; that of p is inside yet
    x, arguments = np.array([0.3, -2.0, 1.0]), [(1.0, 2.0), (1.5, 0.5), (3.0, 0.5), (float("nan"), 1.0)]
    expected = numbers_of(ELIFS, arguments, x)
    assert numbers_of(once, arguments, x) == numbers_of(with_choices(once), arguments, x) == expected


def test_what_hangs_on_the_loop_stays() -> None:
    inside = ELIFS.replace("%second = fcmp olt double %a, 2.0", "%other = fadd double %a, 2.0").replace(
        "  br i1 %second", "  %second = fcmp olt double %z, %a\n  br i1 %second"
    )
    assert phi(with_choices(inside), "p") == phi(inside, "p")
    no_loop = ELIFS.replace("label %out, label %head", "label %out, label %out")
    assert "select" not in with_choices(no_loop)
    assert with_choices("; nothing") == "; nothing"


class Program:
    """A random function of arguments and an array, with choices among choices in a loop over the array."""

    def __init__(self, seed: int) -> None:
        self.rng, self.lines, self.count = random.Random(seed), list[str](), 0
        names = [f"%v{i}" for i in range(4)]
        self.names, self.arguments = names, ["%a", "%b", "%c"]
        self.say("entry:", *(f"  {name} = alloca double" for name in names), "  %sum = alloca double")
        self.say("  store double 0.0, ptr %sum", "  br label %head", "head:")
        self.say("  %i = phi i64 [ 0, %entry ], [ %next, %last ]", "  %at = getelementptr double, ptr %x, i64 %i")
        self.say("  %z = load double, ptr %at", *(f"  store double %a, ptr {name}" for name in names))
        for _ in range(3):
            self.statement(0)
        total = self.new("load double, ptr %sum")
        for name in names:
            total = self.new(f"fadd double {total}, {self.new(f'load double, ptr {name}')}")
        self.say(f"  store double {total}, ptr %sum", "  br label %last", "last:", "  %next = add i64 %i, 1")
        self.say("  %done = icmp eq i64 %next, %n", "  br i1 %done, label %out, label %head", "out:")
        self.say(f"  ret double {total}")
        self.text = "\n".join(["define double @f(double %a, double %b, double %c, ptr %x, i64 %n) {", *self.lines, "}"])

    def say(self, *lines: str) -> None:
        self.lines += lines

    def new(self, value: str) -> str:
        self.count += 1
        self.say(f"  %n{self.count} = {value}")
        return f"%n{self.count}"

    def value(self) -> str:
        kind = self.rng.random()
        if kind < 0.5:
            return self.new(f"load double, ptr {self.rng.choice(self.names)}")
        return self.rng.choice(self.arguments) if kind < 0.85 else "%z" if kind < 0.92 else "1.5"

    def statement(self, depth: int) -> None:
        if depth == 3 or self.rng.random() < 0.4:
            kind = self.rng.choice(["fadd", "fmul", "fsub"])
            found = self.new(f"{kind} double {self.value()}, {self.value()}")
            self.say(f"  store double {found}, ptr {self.rng.choice(self.names)}")
            return
        condition = self.new(f"fcmp olt double {self.value()}, {self.value()}")
        self.count += 1
        yes, no, end = (f"{word}{self.count}" for word in ("yes", "no", "end"))
        self.say(f"  br i1 {condition}, label %{yes}, label %{no}", f"{yes}:")
        for _ in range(self.rng.randint(1, 3)):
            self.statement(depth + 1)
        self.say(f"  br label %{end}", f"{no}:")
        for _ in range(self.rng.randint(0, 3)):
            self.statement(depth + 1)
        self.say(f"  br label %{end}", f"{end}:")


def simplified(text: str) -> str:
    """As LLVM does it before it makes vectors."""
    module, machine = parsed(text), llvm.Target.from_default_triple().create_target_machine()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(module, passes)
    return str(module)


def test_random_programs_give_the_same_numbers() -> None:
    """With choices, simplified, and again, as when models are compiled."""
    x, draw, with_some = np.array([0.3, -2.0, 1.0, 7.0]), np.random.default_rng(0), 0
    for seed in range(25):
        arguments = [tuple(draw.normal(size=3).tolist()) for _ in range(30)]
        text = simplified(program := Program(seed).text)
        with_some += with_choices(text) != text
        once = with_choices(text)
        twice = with_choices(simplified(once))
        expected = numbers_of(program, arguments, x)
        assert numbers_of(once, arguments, x) == numbers_of(twice, arguments, x) == expected
    assert with_some >= 5
