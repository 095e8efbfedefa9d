"""A DAG drawn with the signs of a terminal: layers from left to right, lines where one task waits for another."""
