import subprocess
import sys

LOOK = "import sys, airtable_connector.airtable; print(*sys.modules)"


def test_entering_the_room_loads_no_http_client() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOOK], check=True, capture_output=True, text=True, timeout=60)
    assert {"pyairtable", "pydantic", "requests", "urllib3"} & set(loaded.stdout.split()) == set()
