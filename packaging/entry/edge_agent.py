"""Where the executable ``edge-agent`` begins."""

import sys

from leasehold_agent.cli import main

sys.exit(main())
