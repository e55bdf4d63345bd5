"""The web page for tests: a process of its own, and a browserless way to ask it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

from processes import environ, running

from checkpoint import Settings


@dataclass(frozen=True)
class Api:
    """The page's JSON API."""

    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @contextmanager
    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HTTPResponse]:
        """Yield the raw answer to a request."""
        connection = HTTPConnection(self.host, timeout=30)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, dict(headers or {}))
            yield connection.getresponse()
        finally:
            connection.close()

    def get(self, path: str, **query: object) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        with self.request(f"/api/{path}?{urlencode(query)}") as response:
            return response.status, json.loads(response.read())

    def found(self, path: str, **query: object) -> Any:
        """Return the JSON of an answer that is well."""
        status, answer = self.get(path, **query)
        assert status == 200, answer
        return answer

    def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """Send what a page would, but for `headers`; one of "" is left out."""
        ours = {
            "Origin": self.url.rstrip("/"),
            "X-Checkpoint-Token": self.found("log")["token"],
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        sent = {name: text for name, text in ours.items() if text}
        with self.request(f"/api/{path}", method="POST", body=body, headers=sent) as response:
            return response.status, json.loads(response.read())


WITH_FILES = """
import resource, runpy, sys
most = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
runpy.run_module("checkpoint", run_name="__main__", alter_sys=True)
"""


@contextmanager
def page(settings: Settings, *options: str, files: int = 0) -> Iterator[Api]:
    """Run `checkpoint web` on a free port as long as the block does, with few `files` to open."""
    start = ("-c", WITH_FILES, str(files)) if files else ("-m", "checkpoint")
    command = (*start, "web", "--port", "0", *options)
    with running(*command, **environ(settings)) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("page: http://127.0.0.1:"), line
        yield Api(line.removeprefix("page: ").strip())
