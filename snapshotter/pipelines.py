"""The pipelines that managers declare in Redis, as the archive keeps them."""

from collections.abc import Mapping, Sequence

from psycopg import Connection

from .archive import Archive
from .schema import query


def keep(pipelines: Mapping[str, Sequence[str]], archive: Archive) -> None:
    """Keep the stages of pipelines by their names, in place of what is known of those."""

    def write(connection: Connection) -> None:
        for name, stages in sorted(pipelines.items()):
            connection.execute(query("keep_pipeline"), [name, list(stages)])

    archive.transact(write)


def kept(archive: Archive) -> dict[str, tuple[str, ...]]:
    """Return the stages of all pipelines by their names."""

    def read(connection: Connection) -> dict[str, tuple[str, ...]]:
        return {name: tuple(stages) for name, stages in connection.execute(query("read_pipelines"))}

    return archive.transact(read)
