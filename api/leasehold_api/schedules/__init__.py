"""When DAGs run by themselves: times, asset conditions and backfills. Rules and ports."""
