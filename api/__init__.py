"""REST: the config API and the front doors that programs already know."""
