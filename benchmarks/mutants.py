"""Mutation test: do the tests of a folder notice when one of its expressions is changed?

    python benchmarks/mutants.py WORK [--number 300] [--seed 0] [--jobs 2]

A sample of mutants of `matching`, `alignment` and `core`: a comparison, an operation, a number, a condition or a
statement is changed, and the tests of its folder run until one fails. Each mutant runs in a process forked from one
that has the libraries loaded already, on a copy of the sources in WORK; the working tree stays as it is. Each result is
kept in WORK/mutants.jsonl at once, so a run that was interrupted goes on. Survivors are printed at the end.
"""

from __future__ import annotations

import argparse
import ast
import collections
import json
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("matching", "alignment", "core")
#: A mutant that never ends is noticed as well.
CPU_SECONDS = 120
WALL_SECONDS = 900
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
OPERATIONS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
NAMES = {"min": "max", "any": "all", "argmin": "argmax", "floor": "ceil", "minimum": "maximum", "nanmin": "nanmax"}
NAMES |= {other: name for name, other in NAMES.items()}


@dataclass(frozen=True)
class Mutant:
    """A place in a module, and what stands there instead; offsets in bytes."""

    module: str
    line: int
    start: int
    end: int
    old: str
    new: str

    @property
    def room(self) -> str:
        return self.module.split("/")[0]

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {' '.join(self.old.split())}  →  {self.new}"


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand instead of a node."""
    match node:
        case ast.expr():
            yield from other_expressions(node)
        case ast.AugAssign(target, operator, value) if type(operator) in OPERATIONS:
            yield ast.AugAssign(target, OPERATIONS[type(operator)](), value)
        case ast.Expr(ast.Call()) | ast.Raise():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()


def other_expressions(node: ast.expr) -> Iterator[ast.expr]:
    """What may stand instead of an expression."""
    match node:
        case ast.Compare(left, [operator], right):
            yield from (ast.Compare(left, [other()], right) for other in COMPARISONS[type(operator)])
        case ast.BinOp(left, operator, right) if type(operator) in OPERATIONS:
            yield ast.BinOp(left, OPERATIONS[type(operator)](), right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(OPERATIONS[type(operator)](), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(bool() | int() | float()):
            yield ast.Constant(other_number(node.value))
        case ast.Name(name) if name in NAMES:
            yield ast.Name(NAMES[name])
        case ast.Attribute(value, name) if name in NAMES:
            yield ast.Attribute(value, NAMES[name])


def other_number(value: complex) -> complex:
    """A bool's opposite, the next integer, a float half as large again (1 for 0)."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value * 1.5 + (value == 0)


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what lies below it, without annotations, decorators, messages, and what only type checkers read."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        return
    yield node
    unread = {"annotation", "returns", "decorator_list", "type_params"}
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in unread:
                yield from executed(child)


def mutants(module: Path, package: Path) -> list[Mutant]:
    """All mutants of a module."""
    source = module.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in executed(ast.parse(source)):
        for other in replacements(node):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            new = ast.unparse(ast.fix_missing_locations(other))
            new = new if isinstance(node, ast.stmt) else f"({new})"
            name = module.relative_to(package).as_posix()
            found.append(Mutant(name, node.lineno, start, end, source[start:end].decode(), new))
    return found


def run_tests(mutant: Mutant, tree: Path, serial: int) -> None:
    """In a forked process: put the mutant into the copy of the sources and run its room's tests; never returns."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    signal.alarm(WALL_SECONDS)
    os.chdir(ROOT)
    os.dup2(os.open(tree.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    module = tree / "avmatch" / mutant.module
    source = (ROOT / "src" / "avmatch" / mutant.module).read_bytes()
    module.write_bytes(source[: mutant.start] + mutant.new.encode() + source[mutant.end :])
    os.utime(module, (serial, serial))  # compiled files are kept by time and size
    os.environ["PYTHONPATH"] = str(tree)
    sys.dont_write_bytecode = False  # the other modules are compiled once
    sys.path.insert(0, str(tree))
    own = f"test_{module.stem}.py"
    tests = sorted((ROOT / "tests" / mutant.room).glob("test_*.py"), key=lambda path: (path.name != own, path.name))
    import pytest

    base = tree.with_suffix(".tests")
    status = pytest.main(["-q", "-x", "-p", "no:cacheprovider", f"--basetemp={base}", *map(str, tests)])
    os._exit(int(status))


def run_all(todo: list[Mutant], work: Path, jobs: int, results: Path) -> None:
    """Run mutants, `jobs` at a time, and write what became of each."""
    free = [work / f"tree{number}" for number in range(jobs)]
    for tree in free:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(ROOT / "src", tree, ignore=shutil.ignore_patterns("__pycache__"))
    running: dict[int, tuple[Mutant, Path]] = {}
    for serial, mutant in enumerate([*todo, *[None] * jobs], start=1):
        if not free or (mutant is None and running):
            process, status = os.wait()
            done, tree = running.pop(process)
            shutil.copy(ROOT / "src" / "avmatch" / done.module, tree / "avmatch" / done.module)
            free.append(tree)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(done) | {"survived": status == 0}, ensure_ascii=False) + "\n")
        if mutant is not None:
            tree = free.pop()
            child = os.fork()
            if child == 0:
                run_tests(mutant, tree, serial)
            running[child] = mutant, tree


def survivors(results: Path) -> dict[Mutant, bool]:
    """For each mutant that was run: whether all tests passed."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    rows = [json.loads(line) for line in lines]
    return {Mutant(**{name: row[name] for name in row if name != "survived"}): row["survived"] for row in rows}


def preload() -> None:
    """Import once what all forked processes need; pytest imports its plugins itself."""
    import numpy  # noqa: F401
    import scipy.interpolate
    import scipy.optimize
    import scipy.signal
    import scipy.stats  # noqa: F401


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    work = arguments.work.resolve()
    package = ROOT / "src" / "avmatch"
    modules = [path for room in ROOMS for path in sorted((package / room).rglob("*.py"))]
    every = [mutant for path in modules for mutant in mutants(path, package)]
    unchanged = [Mutant(f"{room}/__init__.py", 1, 0, 0, "", "") for room in ROOMS]
    sample = random.Random(arguments.seed).sample(every, min(arguments.number, len(every)))
    results = work / "mutants.jsonl"
    preload()
    run_all(unchanged, work, arguments.jobs, results)
    if not all(survivors(results)[mutant] for mutant in unchanged):
        results.unlink()
        sys.exit(f"tests fail though nothing was changed: see {work}/tree*.log")
    known = survivors(results)
    run_all([mutant for mutant in sample if mutant not in known], work, arguments.jobs, results)
    survived = survivors(results)
    alive = sorted(str(mutant) for mutant in sample if survived[mutant])
    print(*alive, sep="\n")
    for room in ROOMS:
        counts = collections.Counter(survived[mutant] for mutant in sample if mutant.room == room)
        print(f"{room}: {counts[False]} of {counts.total()} noticed")
    print(f"{len(sample) - len(alive)} of {len(sample)} mutants noticed (of {len(every)} there are)")


if __name__ == "__main__":
    main()
