"""Our own service, examined as any droplet of the mesh is."""

from pathlib import Path

import pytest
from tests.acceptance.conftest import STORES, new_place
from tests.integration.test_doctor_command import assert_in_order
from tests.localmesh_process import running_mesh
from tests.service import free_port, running


@pytest.mark.parametrize("store", STORES)
def test_the_doctor_finds_nothing_to_mend(store: str, tmp_path: Path) -> None:
    port = free_port()
    with running_mesh(tmp_path / "mesh") as mesh:
        settings = {
            "PORT": str(port),
            "DROPLET_URL": f"http://127.0.0.1:{port}",
            "REGISTRY_URL": mesh.registry,
            "REGISTRY_KEY": mesh.registry_key,
            "ORCHESTRATOR_URL": mesh.orchestrator,
            "ORCHESTRATOR_PRIVATE_KEY_FILE": str(mesh.mesh_private_key_file),
        }
        with running(new_place(store, tmp_path), settings) as service:
            for peer in ("registry", "orchestrator"):
                service.wait_for_log("registered", peer=peer)
            assert_in_order(service.address, service.token("read,write,admin"), "--include-stop")
