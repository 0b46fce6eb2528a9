"""Order: which step follows which. One flow a file; each reads from top to bottom like the way through in docs."""
