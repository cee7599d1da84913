from pathlib import Path

import pytest
from tests.deployment.scripts import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")
