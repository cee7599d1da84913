"""``python -m airtable_connector`` is the command ``airtable-connector``."""

import sys

from airtable_connector.cli import main

if __name__ == "__main__":
    sys.exit(main())
