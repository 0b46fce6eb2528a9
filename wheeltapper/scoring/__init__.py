"""From feature rows to scores, thresholds and explained alarms, through a bundle of plain files."""
