"""Prevention: from findings and incidents to blocks that are guarded, written down and undone."""
