"""A real PostgreSQL cluster in a temporary directory, run by a user who is not root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.process import binary, guard, running

NAMES = ("postgres", "nobody")  # users a server may run as when the tests run as root, whom PostgreSQL refuses
OWNER = "capacity"  # the superuser inside the cluster; trusted without password, on loopback only


@dataclass(frozen=True)
class Postgres:
    """One database. `url` has no driver in it: `url.replace("postgresql", "postgresql+psycopg", 1)` for SQLAlchemy."""

    url: str

    def sql(self, statements: str) -> str:
        """Run SQL (also `COPY ... FROM STDIN` with its rows); gives the rows, unaligned, without a header."""
        words = [binary("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url]
        done = subprocess.run(words, input=statements, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass(frozen=True)
class PostgresServer:
    """A running cluster on loopback."""

    port: int

    def database(self, name: str) -> Postgres:
        return Postgres(f"postgresql://{OWNER}@127.0.0.1:{self.port}/{name}")

    def sql(self, statements: str) -> str:
        return self.database("postgres").sql(statements)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A cluster that lives until the block ends: on loopback only, without fsync."""
    initdb, server, ready = program("initdb"), program("postgres"), program("pg_isready")
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="capacity-postgres-"))  # not below pytest's folder, which only root enters
    try:
        if user:
            shutil.chown(folder, user)
        words = ["-D", str(folder / "data"), "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run([*guard(user), initdb, *words], capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with running(
            lambda port: [server, "-D", str(folder / "data"), "-p", str(port), *settings],
            lambda port: subprocess.run([ready, "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode == 0,
            folder / "postgres.log",
            user,
        ) as port:
            yield PostgresServer(port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def program(name: str) -> str:
    """A server program of PostgreSQL: Debian keeps them off the path, one folder for each version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return binary(name, *(str(folder / name) for folder in versions))


def unprivileged() -> str | None:
    """Whom the server runs as: a user of this system when we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    binary("setpriv")
    known = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
    return next(name for name in NAMES if any(line.startswith(f"{name}:") for line in known))
