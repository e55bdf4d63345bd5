"""`python -m bench.contenders MODULE`: one contender, asked over stdin, answering on stdout.

The first answer is {"ready": …} or {"missing": the reason}; then each line names a method of
Contender and its arguments, as a JSON list, and is answered with {"figure": …} or {"error": …}.
"""

import importlib
import os
import sys
from typing import IO, Any

import msgspec

from bench.contenders.contender import Contender


def main(module: str) -> None:
    """Answer until stdin ends. Whatever a contender prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        subject: Contender = importlib.import_module(f"bench.contenders.{module}").Subject()
    except Exception as error:  # noqa: BLE001 - whatever keeps a peer from running is the answer
        _answer(answers, missing=_said(error))
        return
    _answer(answers, ready=True)
    for line in sys.stdin:
        name, *arguments = msgspec.json.decode(line)
        try:
            _answer(answers, figure=getattr(subject, name)(*arguments))
        except Exception as error:  # noqa: BLE001 - as above
            _answer(answers, error=_said(error))
    subject.close()


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _answer(answers: IO[bytes], **answer: Any) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.flush()


main(sys.argv[1])
