"""Code blocks of a Markdown file."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """One block: its language, its text, and the heading that it stands under."""

    language: str
    text: str
    heading: str


def snippets(document: str) -> list[Snippet]:
    """Return the code blocks of a document, named from the root of the project."""
    text = (ROOT / document).read_text()
    return [
        Snippet(block[1], block[2], _heading_before(text, block.start()))
        for block in _BLOCK.finditer(text)
    ]


def _heading_before(text: str, position: int) -> str:
    headings = re.findall(r"^#+ (.*)$", text[:position], re.MULTILINE)
    return headings[-1] if headings else ""
