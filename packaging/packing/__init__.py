"""Makes packs: trees with a Python or with uv, that work wherever an agent puts them."""
