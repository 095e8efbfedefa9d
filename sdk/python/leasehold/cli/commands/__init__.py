"""The commands, one file per thing they work on."""
