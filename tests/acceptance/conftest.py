"""Started processes on both stores.

`shared` serves every test that only reads, or writes under keys of its own; a test that stops its service, or counts
what is in it, takes a `place` of its own.
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import asyncpg
import httpx2
import pytest
from tests.postgres import shared_server
from tests.service import Place, Service, running

STORES = ("sqlite", "postgres")


def new_place(store: str, folder: Path) -> Place:
    return Place(folder / "data", shared_server().new_database() if store == "postgres" else None)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    return new_place("sqlite", tmp_path)


@pytest.fixture
def postgres_place(tmp_path: Path) -> Place:
    return new_place("postgres", tmp_path)


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place, one of each store."""
    return new_place(request.param, tmp_path)


@pytest.fixture(scope="package", params=STORES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service, one of each store."""
    with running(new_place(request.param, tmp_path_factory.mktemp(request.param))) as service:
        # written at the first start; whoever watches the feed's head must not see it come
        service.wait_for_log("digest_written")
        yield service


@pytest.fixture
def client(shared: Service) -> Iterator[httpx2.Client]:
    """A client of the shared service that may read and write."""
    with shared.client() as opened:
        yield opened


@contextmanager
def held_by_another_writer(place: Place) -> Iterator[None]:
    """Keep the store's writers out with a transaction of another process (this one, seen from the service)."""
    if place.database_url is None:
        with closing(apsw.Connection(str(place.sqlite_file))) as connection:
            connection.set_busy_timeout(5_000)
            connection.execute("begin immediate")
            yield
        return
    with asyncio.Runner() as runner:
        session = runner.run(asyncpg.connect(place.database_url))
        runner.run(session.execute("begin; lock table chain in exclusive mode"))
        yield
        runner.run(session.close())
