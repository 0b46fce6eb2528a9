"""How good a model is: faults found, delay, false alarms and cost, with intervals; and what follows from them."""
