"""How DAGs are signed and their signatures read: pure, without cryptography, which the three programs bring."""
