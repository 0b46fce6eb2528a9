"""One training of one objective: its rows, its candidates, their search, and the choice among them."""
