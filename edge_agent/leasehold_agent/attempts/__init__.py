"""Attempts on this machine: their directories, hosts and bundles."""
