"""Public data sets: which exist, under which licence, and how they are downloaded and checked."""

from wheeltapper.datasets.downloading import RECORDED as RECORDED
from wheeltapper.datasets.downloading import Fetched as Fetched
from wheeltapper.datasets.downloading import fetch as fetch
from wheeltapper.datasets.downloading import target as target
from wheeltapper.datasets.listing import DataSet as DataSet
from wheeltapper.datasets.listing import named as named
from wheeltapper.datasets.listing import registry as registry
from wheeltapper.datasets.listing import where as where
