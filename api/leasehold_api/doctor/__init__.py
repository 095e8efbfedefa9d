"""``leasehold-api doctor``: looks for what is wrong with the service, a file for each part. Findings name cures."""
