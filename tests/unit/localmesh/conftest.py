from pathlib import Path

import pytest
from tests.fakes import CountingIds, FakeClock
from tests.unit.localmesh.harness import Keys, Network

from airtable_connector.localmesh import KeyFolder


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Keys that are made once, for making them takes long."""
    folder = KeyFolder(tmp_path_factory.mktemp("mesh-keys"))
    folder.open_registry_pair()
    folder.open_mesh_pair()
    return Keys(folder, folder.open_registry_key(CountingIds()).reveal())


@pytest.fixture
def own_keys(tmp_path: Path) -> Keys:
    """Keys that a test may replace."""
    folder = KeyFolder(tmp_path / "own")
    folder.open_registry_pair()
    return Keys(folder, folder.open_registry_key(CountingIds()).reveal())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def network() -> Network:
    return Network()
