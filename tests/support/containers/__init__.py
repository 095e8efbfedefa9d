"""Container engines for tests: one that runs commands in place, and the machine's own podman where there is one."""
