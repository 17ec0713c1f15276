"""Whether what the pages for people say can be read: contrast after WCAG 2, in both themes."""

import re
from pathlib import Path

import pytest

SHEET = Path(__file__).parents[2] / "console" / "static" / "console" / "console.css"
ENOUGH = 4.5


def luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(each * 2 for each in colour)
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares
    ]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def themes() -> list[dict[str, str]]:
    """The colours of the light theme and of the dark one, by name."""
    blocks = re.findall(r":root \{(.*?)\}", SHEET.read_text(), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): #(\w+)", block)) for block in blocks]


@pytest.mark.parametrize("theme", themes(), ids=("light", "dark"))
@pytest.mark.parametrize("ink", ["ink", "soft", "faint"])
def test_text_stands_out_from_what_is_behind_it(theme: dict[str, str], ink: str) -> None:
    for behind in ("paper", "ground"):
        assert contrast(theme[ink], theme[behind]) >= ENOUGH
