"""Made-up ordinary administration of a small office, with what looks like attacks but is none."""
