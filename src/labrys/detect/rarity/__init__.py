"""How unusual something is at its place, among its peers and in the case: shared by detectors."""
