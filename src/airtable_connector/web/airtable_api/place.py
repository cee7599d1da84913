"""Where the dialect is found."""

from typing import Final

BEGINNING: Final = "/v0/"
"""How every path of the dialect begins."""
