import stat
from pathlib import Path

import pytest
from tests.fakes import CountingIds

from airtable_connector.localmesh import KeyFolder, MeshFolderUnusable


def test_the_registry_key_is_made_once_and_private(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "new" / "mesh")
    first = folder.open_registry_key(CountingIds())
    assert folder.open_registry_key(CountingIds()) == first
    assert stat.S_IMODE(folder.registry_key_file.stat().st_mode) == 0o600


def test_an_emptied_registry_key_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "registry.key").write_text("\n")
    with pytest.raises(MeshFolderUnusable, match="empty"):
        KeyFolder(tmp_path).open_registry_key(CountingIds())


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mesh").write_text("")
    with pytest.raises(MeshFolderUnusable):
        KeyFolder(tmp_path / "mesh").open_registry_key(CountingIds())
