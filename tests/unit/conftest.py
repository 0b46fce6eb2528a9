"""Series and machines that several rooms are tested on."""

from tests.unit.drawn_scores import draw, late, sharp
from tests.unit.mill import bare_mill, bundle, clock_mill, other_mill, sequence_mill, the_mill

__all__ = [
    "bare_mill",
    "bundle",
    "clock_mill",
    "draw",
    "late",
    "other_mill",
    "sequence_mill",
    "sharp",
    "the_mill",
]
