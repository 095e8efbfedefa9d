"""Protocol v1. One module per subject; import from the module that owns the message."""
