"""The command ``serve``: how it is asked plainly, and what it does.

Most starts are plain ones, by a service manager or a container; they do not wait for the library that reads every
other command line and words what is wrong with it.
"""

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "airtable-connector"

_PLAIN: Mapping[str, str] = {"--host": "HOST", "--port": "PORT", "--data-dir": "DATA_DIR"}
_LARGEST_PORT = 65_535


def read_plain(words: Sequence[str]) -> Mapping[str, str] | None:
    """Return the settings that a plain ``serve`` gives, from words like ``serve --port 8080``.

    None for every other command line, also for one that is wrong: those are not read here.
    """
    command, options = words[:1], words[1:]
    if command != ["serve"] or len(options) % 2:
        return None
    said: dict[str, str] = {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option not in _PLAIN or value.startswith("-"):
            return None
        said[_PLAIN[option]] = value
    if "PORT" in said and not _is_port(said["PORT"]):
        return None
    return said


def _is_port(text: str) -> bool:
    return (
        text.isascii() and text.isdecimal() and len(text) < 6 and text == str(int(text)) and int(text) <= _LARGEST_PORT
    )


def serve_until_stopped(command_line: Mapping[str, str]) -> int:
    """Serve with the settings of a command line before all others, and return the exit code."""
    with nothing_collected():
        from airtable_connector import compose  # noqa: PLC0415 - ``--help`` must not wait for it
        from airtable_connector.settings import Configuration  # noqa: PLC0415 - as above

    configuration = Configuration(Path.cwd(), command_line=command_line)
    settings = configuration.read()
    tell_not_used(settings.not_used)
    return compose.serve(settings, configuration)


def given(host: str, port: int | None, data_dir: str) -> dict[str, str]:
    """Return the options of a command line as settings; what is empty was not given."""
    return {"HOST": host, "PORT": "" if port is None else str(port), "DATA_DIR": data_dir}


def tell_not_used(names: Sequence[str]) -> None:
    """Say on the standard error which settings have no effect."""
    if names:
        sys.stderr.write(f"known, but not used by this version: {', '.join(names)}\n")


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Import a server's modules without looking for garbage meanwhile, nor ever again among what they hold.

    It saves a tenth of the start, and later the pauses in which all of it would be looked through.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        # requests make many small objects and no circles: looking every 700 of them costs some percent of each request
        gc.set_threshold(50_000, 20, 50)
        gc.enable()
