"""The pages of the documentation and the fenced blocks in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[^\s`]*)(?P<rest>[^`]*)")
_COMMENT = re.compile(r"(?:^|\s+)# .*")
_FILE = re.compile(r"#\s*(?P<name>(?:[\w-]+/)*[\w-]+\.(?:py|toml|txt))\s*")


@dataclass(frozen=True)
class Block:
    """One fenced block. ``line`` is the number of its first line of text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The path of the file that the block shows, if its first line is a comment that names it."""
        named = _FILE.fullmatch(self.text.partition("\n")[0])
        return named["name"] if named else None

    @property
    def body(self) -> str:
        """The text without the comment that names the file."""
        return self.text.partition("\n")[2] if self.file else self.text

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands after each ``$`` with the output below them. Without a ``$``, every line is a command."""
        lines = [_COMMENT.sub("", line) for line in self.text.replace("\\\n", "").splitlines()]
        if not lines[0].startswith("$ "):
            return [(line, "") for line in lines if line]
        found: list[tuple[str, str]] = []
        for line in lines:
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + line + "\n")
        return found


def pages() -> list[Path]:
    named = [PROJECT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")]
    return [*named, *sorted((PROJECT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    return list(blocks_in(page, page.read_text(encoding="utf-8")))


def blocks_in(page: Path, text: str) -> Iterator[Block]:
    numbered = enumerate(text.splitlines(), 1)
    for number, line in numbered:
        opening = _FENCE.fullmatch(line)
        if opening is None:
            continue
        lines: list[str] = []
        for _, inner in numbered:
            if inner.strip() == opening["fence"]:
                break
            lines.append(inner)
        else:
            raise ValueError(f"{page}:{number}: the block has no end")
        yield Block(page, number + 1, opening["language"], textwrap.dedent("\n".join(lines)) + "\n")


def names_defined_in(page: str) -> dict[str, Any]:
    """Run the examples of a page that need a server, all but their configuration; returns the names they define."""
    names: dict[str, Any] = {}
    for block in blocks_of(PROJECT / page):
        if block.language == "python":
            exec(compile(block.text.replace('synthetic.configure(keys="shared.jwks")\n', ""), page, "exec"), names)
    return names


def table_under(page: str, heading: str) -> list[list[str]]:
    """Return the body rows of the first table under a heading. In a cell, \\| stands for |."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    rows = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert rows, f"{page}: there is no table under {heading!r}"
    split = (re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in rows[0].splitlines()[2:])
    return [[cell.strip() for cell in row] for row in split]
