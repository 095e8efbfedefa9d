"""``leasehold-api backup`` and ``restore``: the database with what belongs to it, in one file, and back."""
