"""Order: which step after which. One flow a file; each reads top to bottom like the picture in the README."""
