"""The vocabulary (OCSF 1.8): entities, findings and incidents as Arrow schemas, maps as data."""
