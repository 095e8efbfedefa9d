"""``edge-agent doctor``: looks for what is wrong with a site, one file per part of it. Each finding names its cure."""
