"""XML documents for editors, and how they name files."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

Value = str | int | Fraction | bool
#: What no project file can hold: control characters, ends of lines, bytes that are not UTF-8 (which Python keeps as
#: halves of characters), and the two that XML 1.0 leaves out.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def is_writable(text: str) -> bool:
    """Whether every format can hold a text as it is."""
    return _UNWRITABLE.search(text) is None


def writable(text: str) -> str:
    """The text with � for what no project file can hold."""
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


@dataclass(frozen=True)
class Places:
    """How a document names the files that it uses.

    Attributes:
        folder: where the document lies.
        is_relative: paths are relative to it.
    """

    folder: Path
    is_relative: bool = False

    def path(self, file: Path) -> str:
        """The file's path."""
        absolute = os.path.abspath(file)  # noqa: PTH100  links stay as they are
        if not self.is_relative:
            return writable(absolute)
        relative = self._relative(absolute)
        return writable(
            f"./{relative}" if ":" in Path(relative).parts[0] else relative
        )  # else "x:" would be a protocol

    def _relative(self, absolute: str) -> str:
        """From the document's folder on; where that is reached by a link, "..", which leads back from its own place."""
        relative = os.path.relpath(absolute, self.folder.absolute())
        own = os.path.realpath(self.folder)
        if os.path.realpath(os.path.join(own, relative)) == os.path.realpath(absolute):  # noqa: PTH118
            return relative
        folder, name = os.path.split(absolute)
        return os.path.relpath(os.path.join(os.path.realpath(folder), name), own)  # noqa: PTH118

    def url(self, file: Path, host: str = "") -> str:
        """The file's address: file://… or relative, with percent signs for what an address can't hold."""
        text = self.path(file).replace(os.sep, "/")
        if self.is_relative:
            return f"./{quote(text.removeprefix('./'))}"
        return f"file://{host}{'' if text.startswith('/') else '/'}{quote(text)}"


def add(parent: ET.Element, tag: str, text: Value | None = None, /, **attributes: Value | None) -> ET.Element:
    """A new element below `parent`; attributes that are None are left out."""
    found = {name: _text(value) for name, value in attributes.items() if value is not None}
    element = ET.SubElement(parent, tag, found)
    if text is not None:
        element.text = _text(text)
    return element


def _text(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def document(root: ET.Element, doctype: str = "") -> bytes:
    """The whole document, indented."""
    ET.indent(root, " ")
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}'
    return (head + ET.tostring(root, encoding="unicode") + "\n").encode()
