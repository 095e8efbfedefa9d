"""From an author's Python file to manifests and bundles: pure data that the API stores without running any of it.

A running task imports the author's file too, so that what the file needs at import (``task``, ``dag``, ``shell``, …)
stays light; everything that compiles is imported when a file is loaded (``leasehold.authoring.loading``).
"""
