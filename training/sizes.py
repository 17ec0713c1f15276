"""The encoder's sizes, for the network and for its graph."""

HIDDEN = 384
INNER = 1536
ATTENTION_HEADS = 12
VOCABULARY = 30522
POSITIONS = 512
EPSILON = 1e-12
FAR_BELOW = -10000.0
"""What is added to scores that must not count."""
