"""What holds for the places of any normalised text."""

from inference.normalisation import Normalised


def assert_places_fit(text: str, found: Normalised) -> None:
    """Each character has a place in the text it came from, and they never go backwards."""
    assert len(found.offsets) == len(found.text)
    assert list(found.offsets) == sorted(found.offsets)
    assert all(0 <= offset < len(text) for offset in found.offsets)
