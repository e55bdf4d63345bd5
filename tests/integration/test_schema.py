"""The archive's schema: made once, by whoever comes first, and never by an older release."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import LiteralString

import psycopg
import pytest
from histories import Act, log_of
from isolation import database
from processes import eventually
from psycopg import sql
from psycopg.conninfo import make_conninfo
from real_log import RealLog
from servers import Servers

from checkpoint.doctor import examine
from checkpoint.events.creation import Log
from checkpoint.events.entry_id import ZERO
from checkpoint.events.errors import (
    ArchiveNotReady,
    ArchiveUnavailable,
    SchemaTooNew,
    UnsupportedServer,
)
from checkpoint.snapshotter import (
    dead_letters,
    migration,
    pipelines,
    restorations,
    roles,
    schema,
    troubles,
)
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


@pytest.mark.parametrize("encoding", ["WIN1252", "LATIN1", "SQL_ASCII", "EUC_JP"])
def test_a_database_that_cannot_hold_every_text_is_refused(
    servers: Servers, namespace: str, encoding: str
) -> None:
    with database(servers.postgres_url, f"{namespace}_{encoding}", encoding) as url:
        archive = Archive(url, namespace)
        for attempt in (archive.migrate, archive.log):
            with pytest.raises(UnsupportedServer, match=rf"{encoding}.*ENCODING 'UTF8'"):
                attempt()
        archive.close()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT to_regnamespace(%s)", [namespace]).fetchone() == (
                None,
            )


def test_the_doctor_names_an_archive_that_cannot_hold_every_text(
    archived_log: RealLog, monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    url = archived_log.settings.postgres_url
    assert url
    with database(url, f"{namespace}_win", "WIN1252") as other:
        with monkeypatch.context() as earlier:  # a release that did not look
            earlier.setattr(migration, "check_encoding", lambda _: None)
            with closing(Archive(other, namespace)) as archive:
                archive.register_log(archived_log.log)
        settings = replace(archived_log.settings, postgres_url=other)
        with closing(RealLog(settings)) as log:
            findings = {one.subject: one for one in log.run(examine(settings))}
    assert not findings["archive"].is_well
    assert "WIN1252" in findings["archive"].detail


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
            assert migration.migrate(connection) == list(schema.migrations().values())
            connection.execute("INSERT INTO log (id, partitions) VALUES ('x', 1)")
        finally:
            connection.execute("RESET ROLE")
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))
    assert archive.log() is None


def no_schema(postgres_url: str) -> bool:
    """Say whether the database is as empty as it was made."""
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute(
            "SELECT FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN "
            "('information_schema', 'public')"
        )
        return rows.fetchall() == []


READS: dict[str, Callable[[Archive], object]] = {
    "log": Archive.log,
    "positions": Archive.positions,
    "position": lambda archive: archive.position(0),
    "now": Archive.now_ms,
    "job": lambda archive: archive.job_entries("j"),
    "history": lambda archive: archive.job_history("j"),
    "version": Archive.schema_version,
    "letters": dead_letters.find,
    "restorations": restorations.on_record,
    "pipelines": pipelines.kept,
    "troubles": troubles.count,
    "store": lambda archive: archive.store([Chapter(0, ZERO, ZERO, [])]),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_who_only_reads_creates_nothing_and_hears_what_is_missing(
    postgres_url: str, namespace: str, read: Callable[[Archive], object]
) -> None:
    with closing(Archive(postgres_url, namespace, migrates=False)) as reader:
        with pytest.raises(ArchiveNotReady, match=r"no schema.*`checkpoint migrate`.*backup"):
            read(reader)
        assert reader.find_log() is None
    assert no_schema(postgres_url)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_schema_that_is_dropped_is_not_made_again_and_no_error_is_raw(
    archive: Archive, postgres_url: str, namespace: str, read: Callable[[Archive], object]
) -> None:
    archive.register_log(Log("log-1", 1))
    read(archive)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(namespace)))
    for _ in range(2):
        if read is READS["now"]:  # over the connection that is open, the time needs no table
            archive.close()
        with pytest.raises(ArchiveNotReady, match="backup"):
            read(archive)
    assert no_schema(postgres_url)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE {}",
        "ALTER TABLE {} RENAME TO other",
        "DROP TABLE {}; CREATE VIEW {} AS SELECT 1 AS one",
        "DROP TABLE {}; CREATE TABLE {} (one int)",
    ],
)
@pytest.mark.parametrize("table", ["log", "event", "position", "dead_letter", "pipeline"])
def test_a_table_that_is_missing_or_of_another_release_is_named(
    archive: Archive, postgres_url: str, namespace: str, table: str, change: LiteralString
) -> None:
    archive.register_log(Log("log-1", 1))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        schema.enter(connection, namespace)
        connection.execute("DROP VIEW payload")
        for one in change.split("; "):
            name = sql.Identifier(table)
            connection.execute(sql.SQL(one).format(name))
    told = []
    for read in READS.values():
        try:
            read(archive)
        except ArchiveNotReady as error:
            told.append(str(error))
    assert told
    assert all("backup" in one or "knows no log" in one for one in told)


def test_a_schema_of_an_earlier_release_is_upgraded_by_who_migrates_and_by_nobody_else(
    postgres_url: str, namespace: str
) -> None:
    with psycopg.connect(postgres_url) as old:
        release_before_columns(old, namespace)
    with closing(Archive(postgres_url, namespace, migrates=False)) as reader:
        with pytest.raises(ArchiveNotReady, match=r"version 4, .* needs 5: run `checkpoint migr"):
            reader.log()
        assert reader.upgrade()
        assert reader.log() == Log("log-1", 1)


def test_an_upgrade_creates_nothing(postgres_url: str, namespace: str) -> None:
    with closing(Archive(postgres_url, namespace, migrates=False)) as archive:
        assert not archive.upgrade()
    assert no_schema(postgres_url)


def test_positions_that_are_lost_are_an_error(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    archive.register_log(Log("log-1", 2))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        schema.enter(connection, namespace)
        connection.execute("DELETE FROM position WHERE partition = 1")
    for use in (
        archive.positions,
        lambda: archive.position(0),
        lambda: archive.store([Chapter(1, ZERO, ZERO, [])]),
        lambda: archive.resume("run", {0: ZERO, 1: ZERO}, 1),
    ):
        with pytest.raises(ArchiveNotReady, match="no position of partition 1"):
            use()


def test_an_archive_that_knows_no_log_says_what_to_do(archive: Archive) -> None:
    assert archive.positions() == {}
    with pytest.raises(ArchiveNotReady, match=r"knows no log.*backup.*migrate --register"):
        archive.position(0)


@contextmanager
def user(postgres_url: str, name: str, *roles: str) -> Iterator[str]:
    """Make a user who is a member of roles; yield the URL by which it connects."""
    owner = sql.Identifier(name)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(owner))
        for role in roles:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), owner))
        try:
            yield make_conninfo(postgres_url, user=name, password="x")
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(owner))
            connection.execute(sql.SQL("DROP ROLE {}").format(owner))


def acl(postgres_url: str, namespace: str, *statements: LiteralString) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for one in statements:
            connection.execute(sql.SQL(one).format(ns=sql.Identifier(namespace)))


WITHOUT_RIGHTS = [
    ["REVOKE ALL ON SCHEMA {ns} FROM checkpoint_writer, checkpoint_reader"],
    ["REVOKE ALL ON ALL TABLES IN SCHEMA {ns} FROM checkpoint_writer, checkpoint_reader"],
    ["REVOKE INSERT ON {ns}.event FROM checkpoint_writer"],
    ["REVOKE UPDATE ON {ns}.position FROM checkpoint_writer"],
]


@pytest.mark.parametrize("statements", WITHOUT_RIGHTS)
def test_a_role_that_has_no_rights_here_is_not_taken_on_and_gets_them_by_a_migration(
    archive: Archive, postgres_url: str, namespace: str, statements: list[LiteralString]
) -> None:
    archive.register_log(Log("log-1", 1))
    acl(postgres_url, namespace, *statements)
    for migrates, role in ((False, "postgres"), (True, "checkpoint_writer")):
        with closing(Archive(postgres_url, namespace, migrates=migrates)) as later:
            later.store([Chapter(0, ZERO, ZERO, [])])
            is_lacking = bool(later.transact(roles.lacking_rights))
            assert is_lacking is not migrates
            used = later.transact(lambda one: one.execute("SELECT current_user").fetchone())
            assert used == (role,) or (role == "postgres" and used != ("checkpoint_writer",))


def test_a_user_without_rights_hears_which_roles_would_have_them(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    archive.register_log(Log("log-1", 1))
    with (
        user(postgres_url, f"{namespace}_nobody") as url,
        closing(Archive(url, namespace, migrates=False)) as theirs,
    ):
        with pytest.raises(ArchiveUnavailable, match=r"no rights in .*checkpoint_reader"):
            theirs.log()
        acl(postgres_url, namespace, "GRANT USAGE ON SCHEMA {ns} TO PUBLIC")
        with pytest.raises(ArchiveUnavailable, match=r"permission denied.*checkpoint_reader"):
            theirs.log()


def test_who_may_only_read_reads_and_hears_that_it_may_not_write(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    archive.register_log(Log("log-1", 1))
    with (
        user(postgres_url, f"{namespace}_auditor", "checkpoint_reader") as url,
        closing(Archive(url, namespace, migrates=False)) as theirs,
    ):
        for name, read in READS.items():
            if name != "store":
                read(theirs)
        with pytest.raises(ArchiveUnavailable, match=r"permission denied.*checkpoint_writer"):
            pipelines.keep({"p": ["a"]}, theirs)


def test_every_table_and_view_is_granted(archive: Archive) -> None:
    archive.migrate()
    names = {
        name
        for (name,) in archive.transact(
            lambda one: one.execute(
                "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
                "WHERE nspname = current_setting('checkpoint.namespace') AND relkind IN ('r', 'v')"
            ).fetchall()
        )
    }
    text = schema.query("lacking_rights").decode()
    assert {name for name in names if f"'{name}'" not in text} == set()
