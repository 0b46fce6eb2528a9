"""From readings to feature rows: windows, conditioning, feature sets, and scaling by operating state."""
