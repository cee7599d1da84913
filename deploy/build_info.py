"""Print what a build says about itself: ``python build_info.py COMMIT BUILT_AT DEPLOYED_BY > build_info.json``.

An empty argument is not known, and becomes null rather than a guess.
"""

import json
import sys


def build_info(commit: str, built_at: str, deployed_by: str) -> str:
    """Return the content of ``build_info.json``, which is installed inside the package."""
    facts = {"commit": commit, "built_at": built_at, "deployed_by": deployed_by}
    return json.dumps({name: value or None for name, value in facts.items()}, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(build_info(*sys.argv[1:]))
