"""The colours of pictures: a light and a dark look, both told apart by every kind of colour vision."""

from __future__ import annotations

from dataclasses import dataclass, fields

from capacity.domain import require


@dataclass(frozen=True, slots=True)
class Look:
    """Colours by what they stand for. `paper` is the background, `ink` text and what was measured, `muted` axes."""

    paper: str
    ink: str
    muted: str
    rule: str
    blue: str
    orange: str
    green: str

    def named(self) -> dict[str, str]:
        """Each colour by its name, as a style sheet wants them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


# Okabe and Ito (2008). On dark paper their sky blue and orange take the place of blue and vermillion: those two lie
# under the contrast of 3 to 1 that WCAG 2.2 asks of lines on this paper, or close to it.
LIGHT = Look("#FFFFFF", "#222222", "#666666", "#DDDDDD", "#0072B2", "#D55E00", "#009E73")
DARK = Look("#15191E", "#E9E7E4", "#A3A8AD", "#363C43", "#56B4E9", "#E69F00", "#00AF80")
LOOKS = {"light": LIGHT, "dark": DARK}


def look_of(theme: str) -> Look:
    """The look of a theme. Raises `DataError` on another than light and dark."""
    require(theme in LOOKS, "theme: expected one of {}, got {}", sorted(LOOKS), theme)
    return LOOKS[theme]
