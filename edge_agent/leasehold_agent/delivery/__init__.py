"""From attempt directories to the API, until every byte is acknowledged."""
