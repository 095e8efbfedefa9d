"""The Leasehold API: the central service that hands out tasks as leases."""

__version__ = "0.1.0"
