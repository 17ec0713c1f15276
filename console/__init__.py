"""Pages for people: status, demo and the restyled admin."""
