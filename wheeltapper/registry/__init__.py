"""Runs, models and the aliases that say which model is live: the only door to MLflow."""

from wheeltapper.registry.names import CHALLENGER as CHALLENGER
from wheeltapper.registry.names import CHAMPION as CHAMPION
from wheeltapper.registry.names import PREVIOUS as PREVIOUS
from wheeltapper.registry.records import Dataset as Dataset
from wheeltapper.registry.registry import Registry as Registry
from wheeltapper.registry.versions import Version as Version
