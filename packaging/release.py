"""The repository that agents update from: who signs what, what is added, what is published.

    python packaging/release.py --help

docs/howto/release.md is the procedure.
"""

import sys

from release.commands import main

sys.exit(main())
