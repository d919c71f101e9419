"""What the detectors of network behaviour share: flows, where addresses lie, how findings look."""
