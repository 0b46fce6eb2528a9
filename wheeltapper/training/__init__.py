"""One training: its parts, what is prepared for all candidates, the candidates, their search, and the choice."""
