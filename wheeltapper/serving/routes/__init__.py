"""The service's own routes, one group a file."""
