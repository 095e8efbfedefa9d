"""The one outbound connection: requests, their errors, and the loops that keep leases coming and alive."""
