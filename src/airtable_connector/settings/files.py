"""The two files that configure, and which others may stand in for the second."""

from pathlib import Path, PurePath
from typing import Final

from airtable_connector.settings.errors import BadSettings, ConfigPathRefused

ENV_FILE: Final = ".env"
UDC_CONFIG_FILE: Final = "udc_config.json"

LONGEST_FILE: Final = 1024 * 1024
"""Bytes of a file that are read; ours have a few thousand."""

LONGEST_PATH: Final = 500


def contents(file: Path) -> str | None:
    """Return a file's text, or None when there is no such file.

    Raises:
        BadSettings: it is there and cannot be read.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            raise BadSettings([f"{file.name} is longer than {LONGEST_FILE} bytes"])
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as cause:
        raise BadSettings([f"{file.name} cannot be read ({type(cause).__name__}); it must be a UTF-8 text"]) from cause


def find_config(folder: Path, asked: str) -> str:
    """Return the path of a configuration file, relative to ``folder``.

    Raises:
        ConfigPathRefused: it lies outside of the folder, itself or what it links to, or is no JSON file, or not there.
    """
    if not 0 < len(asked) <= LONGEST_PATH:
        raise ConfigPathRefused(f"a path has 1 to {LONGEST_PATH} characters")
    if ".." in PurePath(asked).parts:
        raise ConfigPathRefused("it leads out of its folder")
    if not asked.endswith(".json"):
        raise ConfigPathRefused("it is no .json file")
    inside = folder.resolve()
    try:
        found = (inside / asked).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as cause:  # a circle of links, or characters that no path has
        raise ConfigPathRefused("it is not there") from cause
    if not found.is_relative_to(inside):
        raise ConfigPathRefused("it lies outside of the working directory")
    if not found.is_file():
        raise ConfigPathRefused("it is no file")
    return found.relative_to(inside).as_posix()
