"""A PostgreSQL of the tests' own: a cluster in a temporary folder, reached through a unix socket there and by no port.

`initdb` and the server refuse root: as root, Debian's user `postgres` runs both.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import psycopg

from tests.eventually import eventually
from tests.phones.process import Process
from tests.programs import program

_MEMORY = "/dev/shm"
# Nothing that a test does survives the machine itself: there is no need to wait for its disk. Nor to clean up, which
# shortens the server's own tables under a lock that a test of small patience takes for one of its own.
_SETTINGS = ("fsync=off", "full_page_writes=off", "autovacuum=off", "listen_addresses=", "max_connections=20",
             "shared_buffers=16MB")  # fmt: skip


class Cluster:
    """A server with empty databases to take.

    :ivar folder: where all of it is.
    """

    def __init__(self) -> None:
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="pbx-postgresql-", dir=_MEMORY if os.path.isdir(_MEMORY) else None))
        self._made = 0
        self.process: Process | None = None
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        words = ["-D", self.folder / "cluster", "-U", "pbx", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(
            [program("initdb"), *words], user=self._user, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it and return when it takes connections."""
        argv = [program("postgres"), "-D", self.folder / "cluster", "-k", self.folder]
        argv += [word for setting in _SETTINGS for word in ("-c", setting)]

        def answers() -> bool:
            # Backends of a server that was killed may still be on their way out, and then a new one does not start.
            if self.process is None or self.process.status is not None:
                self.process = Process(argv, self.folder / "server.log", user=self._user)
            try:
                self._connect().close()
            except psycopg.OperationalError:
                return False
            return True

        eventually(answers, within=20)

    def database(self) -> str:
        """Make an empty database, and return the URL under which `[database] url` knows it.

        It is a schema of the one that is there: the server makes that in a thousandth of the time.
        """
        self._made += 1
        name = f"pbx{self._made}"
        with closing(self._connect()) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"postgresql://pbx@/postgres?host={self.folder}&options=-csearch_path%3D{name}"

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self.folder), user="pbx", dbname="postgres", autocommit=True)

    def kill(self) -> None:
        """`kill -9`; its backends see that and end."""
        assert self.process
        self.process.kill()

    def stop(self) -> None:
        """Stop it in order, as `pg_ctl stop` does: who is connected is told so, and its files are whole."""
        assert self.process
        assert self.process.stop(signal.SIGINT, within=20) == 0

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let none of its processes do anything meanwhile: they keep their connections and do not answer."""
        assert self.process
        # The parent stops first and goes on last: meanwhile none of its children that end is gone for good.
        os.kill(self.process.pid, signal.SIGSTOP)
        pids = [*_children(self.process.pid), self.process.pid]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop it, without waiting for those who are connected or for its files, and remove all of it."""
        if self.process is not None:
            self.process.stop(signal.SIGQUIT, within=20)
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
