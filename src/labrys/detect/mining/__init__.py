"""Finds coin mining: long flows of little and even traffic to the ports and names of pools."""
