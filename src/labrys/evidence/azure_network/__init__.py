"""Azure network logs: flows of network security groups and virtual networks, gateways."""
