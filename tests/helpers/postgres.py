"""A private PostgreSQL cluster for the tests: made, started and thrown away, nobody else's touched.

It listens on a unix socket in its own folder only, and ends with the process that started it, even
one that is killed. Where PostgreSQL is not installed the tests that need it are skipped, unless
EMBUDO_REQUIRE_POSTGRES says that they may not be (continuous integration).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

REQUIRED = "EMBUDO_REQUIRE_POSTGRES"

_numbers = count(1)


class Cluster:
    """A running cluster: schemas by the dozen, since a database has hundreds of files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, name: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://embudo@/{name}?host={self.folder}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(_numbers)}"
        self._do(f"CREATE DATABASE {name}")
        return self.url(name)

    def schema(self) -> str:
        """The URL of a new, empty schema, which is a database to whoever connects with it."""
        name = f"test{next(_numbers)}"
        self._do(f"CREATE SCHEMA {name}")
        return f"{self.url('postgres')}&options=-csearch_path%3D{name}"

    def _do(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: Debian's newest, or what the PATH has."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(versions, key=lambda p: float(p.parts[-3]))
    found = str(newest[-1]) if newest else shutil.which("initdb")
    return None if found is None else Path(found).parent


def require() -> Path:
    """The binaries; skips the test without them, or fails it where they are required."""
    found = binaries()
    if found is not None:
        return found
    said = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.environ.get(REQUIRED):
        pytest.fail(f"{said}, and {REQUIRED} is set")
    pytest.skip(said)


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster while the block lasts."""
    programs = require()
    folder = Path(tempfile.mkdtemp(prefix="embudo-pg-"))
    try:
        user = _owner(folder)
        data = folder / "data"
        made = [str(programs / "initdb"), "-D", str(data), "-U", "embudo", "-A", "trust"]
        made += ["-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(made, cwd=folder, user=user, check=True, stdout=subprocess.DEVNULL)
        with _server(programs, folder, user):
            yield Cluster(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


# The server ends when its standard input does, that is, with us; its thousands of files go while
# we go on.
_UNTIL_EOF = '"$0" "$@" & p=$!; cat >/dev/null; kill -QUIT $p; wait $p; rm -rf "$PWD" &'


def _owner(folder: Path) -> int | None:
    """Root may not run PostgreSQL: then the folder is given to somebody without rights."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


@contextmanager
def _server(programs: Path, folder: Path, user: int | None) -> Iterator[None]:
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off"}
    settings |= {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "64MB"}
    options = [word for k, v in settings.items() for word in ("-c", f"{k}={v}")]
    said = (folder / "log").open("wb")
    server = subprocess.Popen(
        ["sh", "-c", _UNTIL_EOF, programs / "postgres", "-D", folder / "data", *options],
        cwd=folder,
        user=user,
        stdin=subprocess.PIPE,
        stdout=said,
        stderr=said,
    )
    try:
        _wait(Cluster(folder), server, folder / "log")
        yield
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(60)
        said.close()


def _wait(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            psycopg.connect(cluster.url("postgres")).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    pytest.fail(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")
