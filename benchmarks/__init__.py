"""Measures the product against its goals and its peers; run with `make bench`."""
