"""Runs, models and the aliases that say which model is live: the only door to MLflow."""

from wheeltapper.registry.records import Dataset as Dataset
from wheeltapper.registry.records import Version as Version
from wheeltapper.registry.registry import Registry as Registry
