"""Ask ``/health`` of services on this machine: ``python healthcheck.py PORT...``; exit code 0 when all are well.

The standard library only: it runs inside the image, and on a host while the program is being installed.
"""

import http.client
import json
import sys

WITHIN_S = 3.0
LONGEST_ANSWER = 65_536

WELL = frozenset({"active", "healthy", "ok"})
"""What a droplet says when it works: the first word is the contract's, the others are what peers are known to say."""


def trouble_at(port: int) -> str | None:
    """Return what is wrong with the service on a port of the loopback interface, or nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = json.loads(answer.read(LONGEST_ANSWER))
    except (OSError, http.client.HTTPException) as cause:
        return f"no answer ({type(cause).__name__})"
    except ValueError:
        return "the answer is not JSON"
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return f"HTTP status {answer.status}"
    status = body.get("status") if isinstance(body, dict) else None
    return None if status in WELL else f"status {str(status)[:40]!r}"


def main(ports: list[str]) -> int:
    """Print a line for each service that is not well."""
    troubles = [(port, trouble) for port in ports if (trouble := trouble_at(int(port)))]
    for port, trouble in troubles:
        sys.stdout.write(f"port {port}: {trouble}\n")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
