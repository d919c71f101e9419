"""Events in the Open Cybersecurity Schema Framework."""
