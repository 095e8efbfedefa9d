"""Assets: which there are, when one is active, what tasks may ask of them; the ports."""
