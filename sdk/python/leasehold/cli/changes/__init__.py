"""What a deploy would change: two manifests and two bundles, compared."""
