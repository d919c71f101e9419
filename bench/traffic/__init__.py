"""Made-up traffic of ordinary hosts and of attacks, as rows of the view `network_activity`."""
