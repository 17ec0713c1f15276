"""The built-in plugins: they come in through the door that everyone uses."""
