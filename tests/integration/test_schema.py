"""The archive's schema: made once, by whoever comes first, and never by an older release."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from histories import Act, log_of
from processes import eventually
from psycopg import sql

from checkpoint.events.creation import Log
from checkpoint.events.entry_id import ZERO
from checkpoint.events.errors import ArchiveUnavailable, SchemaTooNew
from checkpoint.snapshotter import schema
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.chain import genesis, leaf_of
from checkpoint.snapshotter.rows import page
from checkpoint.snapshotter.storing import Chapter


@pytest.fixture
def archive(postgres_url: str, namespace: str) -> Iterator[Archive]:
    made = Archive(postgres_url, namespace)
    yield made
    made.close()


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    assert list(schema.migrations()) == list(range(1, len(schema.migrations()) + 1))


def test_an_empty_database_gets_all_migrations_and_a_second_run_none(archive: Archive) -> None:
    assert archive.migrate() == list(schema.migrations().values())
    assert archive.migrate() == []


def test_the_first_use_migrates_by_itself(archive: Archive) -> None:
    assert archive.log() is None
    assert archive.migrate() == []


def test_eight_that_migrate_at_once_apply_each_migration_once(
    postgres_url: str, namespace: str
) -> None:
    start = threading.Barrier(8)

    def migrate(number: int) -> list[str]:
        archive = Archive(postgres_url, namespace)
        start.wait()
        try:
            # half of them by name, half as the first use of a worker does
            return archive.migrate() if number % 2 else [] if archive.log() is None else ["?"]
        finally:
            archive.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(migrate, range(8)))
    with psycopg.connect(postgres_url) as connection:
        schema.enter(connection, namespace)
        rows = connection.execute("SELECT version FROM migration ORDER BY version")
        assert [row[0] for row in rows] == list(schema.migrations())


def test_logs_in_one_database_migrate_at_once_and_share_nothing(
    postgres_url: str, namespace: str
) -> None:
    names = [f"{namespace}{number}" for number in range(4)]
    start = threading.Barrier(4)

    def register(name: str) -> Log:
        archive = Archive(postgres_url, name)
        start.wait()
        try:
            return archive.register_log(Log(f"of {name}", 1))
        finally:
            archive.close()

    with ThreadPoolExecutor(4) as threads:
        logs = list(threads.map(register, names))
    assert [log.id for log in logs] == [f"of {name}" for name in names]


def test_an_archive_of_the_first_release_gets_a_chain_over_all_its_rows(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    first, second = log_of([Act("complete", "j", "cut", 1), Act("complete", "j", "mix", 2)]).entries
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        schema.enter(connection, namespace)
        for name in ("create_schema", "migrations/0001_archive"):
            connection.execute(schema.query(name))
        connection.execute("INSERT INTO migration (version, name) VALUES (1, '0001_archive')")
        connection.execute("INSERT INTO log (id, partitions) VALUES ('log-1', 1)")
        connection.execute(
            "INSERT INTO event VALUES (0, %s, %s, 'j', %s, %s, 1, %s, %s)",
            [*first.id, *first.incarnation, first.id.time, first.encoded.decode()],
        )
        connection.execute("INSERT INTO position VALUES (0, %s, %s)", [*first.id])
    archive.store([Chapter(0, first.id, second.id, [second])])
    old, new = page(0, ZERO, second.id, 10, archive)
    head = genesis("log-1", 0).over(leaf_of(0, first)).over(leaf_of(0, second))
    assert (old.number, old.chain) == (None, None)
    assert (new.number, new.chain) == head


def release_before_columns(connection: psycopg.Connection, namespace: str) -> None:
    """Make a schema as it was before the columns got another order."""
    schema.enter(connection, namespace)
    connection.execute(schema.query("create_schema"))
    for number, name in list(schema.migrations().items())[:4]:
        connection.execute(schema.query(f"migrations/{name}"))
        values = [number, name]
        connection.execute("INSERT INTO migration (version, name) VALUES (%s, %s)", values)
    connection.execute("INSERT INTO log (id, partitions) VALUES ('log-1', 1)")


def test_what_an_old_snapshotter_commits_during_the_migration_is_not_lost(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    (entry,) = log_of([Act("complete", "j", "cut", 1)]).entries
    with psycopg.connect(postgres_url) as old, psycopg.connect(postgres_url) as eyes:
        release_before_columns(old, namespace)
        old.execute("INSERT INTO position VALUES (0, 0, 0)")
        old.commit()
        old.execute("SELECT * FROM position FOR UPDATE")
        old.execute(
            "INSERT INTO event (partition, ms, seq, job, incarnation_ms, incarnation_seq, version, "
            "at, event) VALUES (0, %s, %s, 'j', %s, %s, 1, %s, %s)",
            [*entry.id, *entry.incarnation, entry.id.time, entry.encoded.decode()],
        )
        old.execute("UPDATE position SET ms = %s, seq = %s", [*entry.id])
        migrating = threading.Thread(target=archive.migrate)
        migrating.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM "
        waits += "pg_database WHERE datname = current_database())"
        eventually(lambda: eyes.execute(waits).fetchone() != (0,))
        old.commit()
        migrating.join()
    assert archive.positions()[0] == entry.id
    assert [one.id for one in archive.job_history("j")] == [entry.id]


def test_what_others_have_built_upon_the_table_stops_the_migration(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    with psycopg.connect(postgres_url) as old:
        release_before_columns(old, namespace)
        old.execute("CREATE VIEW ours AS SELECT job, count(*) FROM event GROUP BY job")
    with pytest.raises(ArchiveUnavailable, match="view ours depends on table event"):
        archive.migrate()
    with psycopg.connect(postgres_url) as old:
        schema.enter(old, namespace)
        old.execute("SELECT * FROM ours")
        old.execute("DROP VIEW ours")
    assert archive.migrate()


def test_a_schema_of_a_newer_release_is_refused(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    archive.migrate()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        schema.enter(connection, namespace)
        connection.execute("INSERT INTO migration (version, name) VALUES (9999, 'future')")
    for use in (archive.log, archive.migrate, archive.positions):
        with pytest.raises(SchemaTooNew, match=r"version 9999.*upgrade"):
            use()


def test_a_user_who_may_not_create_roles_can_still_use_the_archive(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    """The grants are then an administrator's to make."""
    user = f"{namespace}_user"
    name = sql.Identifier(user)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, name))
        try:
            connection.execute(sql.SQL("SET ROLE {}").format(name))
            schema.enter(connection, f"{namespace}own")
            assert schema.migrate(connection) == list(schema.migrations().values())
            connection.execute("INSERT INTO log (id, partitions) VALUES ('x', 1)")
        finally:
            connection.execute("RESET ROLE")
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))
    assert archive.log() is None
