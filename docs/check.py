"""`make docs`: the documents say what the program does. With --write, docs/commands.md is written anew.

1. docs/commands.md holds the --help of every command, as it is.
2. Every relative link in a Markdown file leads to a file, and its anchor to a heading.
3. README.md has at most 120 lines.
4. Every command in a block or between backticks exists and has the options that it is given.
5. Every Python block compiles, and what it calls of avmatch takes the arguments that it is given.
6. docs/python.md lists what `avmatch` offers, and the pages of folders list their files.

Tutorials are run as well, by docs/run_tutorials.py, and notebooks when the site is built.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import avmatch
from avmatch.cli import app

ROOT = Path(__file__).parents[1]
MEASURED = ("retrieval", "sync", "match", "words", "classify", "probe")
COMMANDS = (
    *(
        "",
        "match",
        "review",
        "solve",
        "export",
        "export-onnx",
        "rename",
        "sync",
        "fix",
        "locate",
        "index",
        "search",
        "embed",
        "classify",
        "collide",
        "robustness",
        "train",
    ),
    "evaluate",
    *(f"evaluate {name}" for name in MEASURED),
    *("synth", "models", "models install", "doctor"),
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)")
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.*)", re.MULTILINE)
#: Pages of what was measured when; options may have gone since.
DATED = ("docs/experiments/", "docs/decisions/", "CHANGELOG.md")


def commands_text() -> str:
    """docs/commands.md as it should be."""
    parts = ["# Commands", "", "Written by `docs/check.py --write` from the commands' own help."]
    environment = os.environ | {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    for name in COMMANDS:
        command = [sys.executable, "-m", "avmatch", *name.split(), "--help"]
        text = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=environment).stdout
        lines = [line.rstrip() for line in text.strip("\n").splitlines()]
        parts += ["", f"## avmatch {name}".rstrip(), "", "```text", *lines, "```"]
    return "\n".join(parts) + "\n"


def documents() -> list[Path]:
    """Every Markdown file that people read."""
    patterns = ("*.md", "docs/**/*.md", "benchmarks/*.md", "examples/**/*.md", "src/avmatch/weights/*/card.md")
    return [document for pattern in patterns for document in sorted(ROOT.glob(pattern))]


def anchors(document: Path) -> set[str]:
    """The names that a heading gets on the repository's pages and on the site."""
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading)) for heading in HEADING.findall(text))
    return {heading.strip().lower().replace(" ", "-") for heading in plain}


def broken_links(document: Path) -> Iterator[str]:
    """Links that lead nowhere."""
    for target, anchor in LINK.findall(BLOCK.sub("", document.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = document.parent / target if target else document
        if not file.exists():
            yield f"{target} does not exist"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            yield f"{target}#{anchor}: no such heading"


def command_lines(text: str) -> Iterator[str]:
    """What a person would type into a terminal, from blocks and from between backticks."""
    for language, block in BLOCK.findall(text):
        if language in ("console", "bash", "sh"):
            for line in block.splitlines():
                if line.startswith("$ ") or language != "console":
                    yield line.removeprefix("$ ")
    yield from (span for span in SPAN.findall(BLOCK.sub("", text)) if span.startswith("avmatch "))


def wrong_options(line: str) -> Iterator[str]:
    """Commands and options of `line` that avmatch doesn't have."""
    for part in re.split(r"&&|\|", line):
        words = shlex.split(part, comments=True) if part.count("'") % 2 == 0 else part.split()
        if not words or words[0] != "avmatch":
            continue
        command = typer.main.get_command(app)
        options = {name for parameter in command.params for name in parameter.opts}
        for word in words[1:]:
            groups: dict[str, Any] = getattr(command, "commands", {})
            if word in groups:
                command = groups[word]
                options |= {name for parameter in command.params for name in parameter.opts}
            elif groups and re.fullmatch(r"[a-z]+", word):
                yield f"`{line}`: there is no command {word}"
                break
            elif re.match(r"--?[a-z]", word) and word.split("=")[0] not in {*options, "--help"}:
                yield f"`{line}`: there is no option {word}"


def wrong_calls(block: str) -> Iterator[str]:
    """Names of avmatch, and keywords, that don't exist."""
    for node in ast.walk(ast.parse(block)):
        call = node.func if isinstance(node, ast.Call) else None
        if (
            isinstance(node, ast.Call)
            and isinstance(call, ast.Attribute)
            and getattr(call.value, "id", "") == "avmatch"
        ):
            function = getattr(avmatch, call.attr, None)
            if function is None:
                yield f"avmatch.{call.attr} does not exist"
                continue
            known = inspect.signature(function).parameters
            yield from (f"avmatch.{call.attr} has no {word.arg}" for word in node.keywords if word.arg not in known)


def faults_of(document: Path) -> Iterator[str]:
    """What is wrong in one document."""
    text = document.read_text(encoding="utf-8")
    yield from broken_links(document)
    if not document.relative_to(ROOT).as_posix().startswith(DATED):
        for line in command_lines(text):
            yield from wrong_options(line)
        for language, block in BLOCK.findall(text):
            if language == "python":
                yield from wrong_calls(block)


def missing_names() -> list[str]:
    """What avmatch offers and docs/python.md doesn't list."""
    listed = re.findall(r"auto\w+:: avmatch\.(\w+)", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"))
    return sorted(set(dir(avmatch)) - {"__version__", *listed})


def missing_pages() -> Iterator[str]:
    """What stands in a folder of pages and isn't linked from its page."""
    for folder in ("decisions", "experiments", "systems"):
        text = (ROOT / "docs" / f"{folder}.md").read_text(encoding="utf-8")
        for page in sorted((ROOT / "docs" / folder).glob("*.md")):
            if f"({folder}/{page.name})" not in text:
                yield f"docs/{folder}.md: {page.name} is missing"


def main() -> None:
    commands = ROOT / "docs" / "commands.md"
    text = commands_text()
    if "--write" in sys.argv:
        commands.write_text(text, encoding="utf-8")
    faults = [f"{document.relative_to(ROOT)}: {fault}" for document in documents() for fault in faults_of(document)]
    faults += [f"docs/python.md: {name} is missing" for name in missing_names()]
    faults += missing_pages()
    if not commands.exists() or commands.read_text(encoding="utf-8") != text:
        faults.append("docs/commands.md is not what --help says: run docs/check.py --write")
    num_lines = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    if num_lines > 120:
        faults.append(f"README.md has {num_lines} lines, at most 120")
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
