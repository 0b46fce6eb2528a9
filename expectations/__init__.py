"""Promises about tables, one suite a file. Great Expectations is used in this folder only, behind `_run`."""
