"""The version of the attempt host: the distribution's, known without asking for its metadata."""

HOST_VERSION = "0.1.0"
