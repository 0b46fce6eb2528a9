"""Wheeltapper finds faults of industrial machines in their sensor data before they become failures."""

__version__ = "0.1.0"
