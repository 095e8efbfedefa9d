"""A new project: a DAG, its test, and what goes with them."""
