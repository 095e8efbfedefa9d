"""What the product costs: each figure measured on real processes, beside the floor of the same run."""
