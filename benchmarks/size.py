"""How large the code is: `python benchmarks/size.py [SRC]`, for this checkout or another one's `src/avmatch`.

Lines of code are those that hold more than comments, docstrings and blanks. Modules are counted after importing what a
command imports, packages (`__init__.py`) apart. Repeats: `pylint --disable=all --enable=duplicate-code src/avmatch`.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

LONGEST_FUNCTION, LONGEST_MODULE = 60, 400
IMPORTS = {
    "match": "import avmatch.pipelines.match",
    "train lips": (
        "import avmatch.cli, importlib\n"
        "try:\n"
        "    import avmatch.pipelines.train\n"
        "    from avmatch.systems.registry import recipe\n"
        "except ModuleNotFoundError:  # before there were systems\n"
        "    import avmatch.recipes.story\n"
        "    from avmatch.recipes.book import recipe\n"
        "recipe('lips')"
    ),
}
COUNT = """
import sys
ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "avmatch"]
print(sum(not hasattr(module, "__path__") for module in ours), len(ours))
"""
OPTIONS = """
import typer
from avmatch.cli import app
def commands(command):
    inner = getattr(command, "commands", None)
    return [leaf for one in inner.values() for leaf in commands(one)] if inner else [command]
found = commands(typer.main.get_command(app))
print(sum(len([p for p in c.params if p.param_type_name == "option" and p.name != "help"]) for c in found))
print(max(len([p for p in c.params if p.param_type_name == "option"]) for c in found))
"""
#: Tokens that aren't code.
_QUIET = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(text: str) -> int:
    """Lines of code of a module."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            documented.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _QUIET:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - documented)


def asked(source: Path, code: str) -> str:
    """What a program prints that imports the package from there."""
    environment = os.environ | {"PYTHONPATH": str(source.parent)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, default=Path(__file__).parents[1] / "src" / "avmatch")
    source = parser.parse_args().source.resolve()
    texts = {path.relative_to(source): path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py"))}
    folders: Counter[str] = Counter()
    for path, text in texts.items():
        depth = 2 if path.parts[0] == "systems" and len(path.parts) > 2 else 1
        folders["/".join(path.parts[:depth]) if len(path.parts) > 1 else "."] += code_lines(text)
    for folder, lines in sorted(folders.items()):
        print(f"{lines:7d}  {folder}")
    print(f"{sum(folders.values()):7d}  lines of code in {len(texts)} files")
    functions = [
        f"{path}:{node.name}"
        for path, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    print(f"{len(functions):7d}  functions longer than {LONGEST_FUNCTION} lines {' '.join(functions)}")
    modules = [str(path) for path, text in texts.items() if text.count("\n") > LONGEST_MODULE]
    print(f"{len(modules):7d}  modules longer than {LONGEST_MODULE} lines {' '.join(modules)}")
    for name, code in IMPORTS.items():
        alone, together = asked(source, code + COUNT).split()
        print(f"{alone:>7}  modules imported by {name} ({together} with packages)")
    options, most = asked(source, OPTIONS).split()
    print(f"{options:>7}  options, at most {most} of one command")


if __name__ == "__main__":
    main()
