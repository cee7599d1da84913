"""``python main.py`` is ``airtable-connector serve``; it needs the requirements installed, but not this package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from airtable_connector.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
