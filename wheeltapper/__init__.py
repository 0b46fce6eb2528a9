"""Wheeltapper hears what is wrong with industrial machines before they break."""

__version__ = "0.1.0"
