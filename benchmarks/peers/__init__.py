"""Other ways to do what the product does, to measure it against."""
