"""Where the command ``airtable-connector`` begins and ends.

Exit codes: 0 it worked, 1 it did not, 2 it was asked wrongly (arguments or settings), 130 the
keyboard interrupted it before it could stop in its own way.
"""

import sys
from collections.abc import Sequence

from airtable_connector.cli.serving import PROGRAM, read_plain, serve_until_stopped
from airtable_connector.kernel.errors import ConnectorError, Invalid

FAILED = 1
ASKED_WRONGLY = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; without ``arguments`` those of the process are taken."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _run(words)
    except ConnectorError as error:
        sys.stderr.write(f"{PROGRAM}: {error.message}" + (f" ({error.hint})" if error.hint else "") + "\n")
        return ASKED_WRONGLY if isinstance(error, Invalid) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED


def _run(words: Sequence[str]) -> int:
    served = read_plain(words)
    if served is not None:
        return serve_until_stopped(served)
    from airtable_connector.cli.app import app  # noqa: PLC0415 - its library costs a plain start a sixth of its time

    app(args=list(words), prog_name=PROGRAM)
    return 0
