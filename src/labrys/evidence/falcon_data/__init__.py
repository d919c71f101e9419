"""CrowdStrike Falcon Data Replicator."""
