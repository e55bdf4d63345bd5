"""Code blocks of a Markdown file."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


class Snippet(NamedTuple):
    """One block: its language, its text, and the heading that it stands under."""

    language: str
    text: str
    heading: str
    title: str = ""
    """The file that the text is to be written to, if it names one."""
    is_next: bool = False
    """Whether nothing but space is between it and the block before."""


def snippets(document: str) -> list[Snippet]:
    """Return the code blocks of a document, named from the root of the project."""
    text = (ROOT / document).read_text()
    found = []
    end = 0
    for block in _BLOCK.finditer(text):
        title = _TITLE.search(block[2])
        is_next = bool(found) and not text[end : block.start()].strip()
        heading = _heading_before(text, block.start())
        found.append(Snippet(block[1], block[3], heading, title[1] if title else "", is_next))
        end = block.end()
    return found


def _heading_before(text: str, position: int) -> str:
    headings = re.findall(r"^#+ (.*)$", text[:position], re.MULTILINE)
    return headings[-1] if headings else ""
