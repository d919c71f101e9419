"""The scan: evidence read in worker processes, kept in the lake, searched by every detector."""
