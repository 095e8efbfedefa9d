"""Telling others how runs end: an outbox, filled where runs end, and who empties it."""
