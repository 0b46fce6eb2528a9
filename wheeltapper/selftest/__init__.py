"""Known faults are put into real readings: what a model finds of them, and the gates that follow."""
