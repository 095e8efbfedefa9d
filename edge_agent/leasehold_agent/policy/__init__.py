"""The site's own policy: what may run here, when and how much of it. Pure rules, and the reading of one file."""
