"""How much of the models' time a text takes, and how much of it goes into one batch."""

MAX_ITEMS = 32
MAX_TOKENS = 2_048
"""Padded tokens of a batch: its length times its longest text."""
BYTES_PER_TOKEN = 4
"""In UTF-8: four letters of English, one and a third of Chinese, one emoji."""
MIN_WORK = 16
"""Tokens that even the shortest text costs: what surrounds the models takes its time too."""
MAX_TEXT_TOKENS = 128
"""A longer text is cut into windows, which fill their own rows."""


def estimate_tokens(text: str) -> int:
    """A text's tokens, roughly, including the two that mark its ends."""
    return len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN + 3


def work(text: str) -> int:
    """What judging a text costs, in tokens."""
    return max(MIN_WORK, estimate_tokens(text))
