"""What a plant's YAML may say, as pydantic models, and the settings of this machine.

Everything is frozen and refuses keys that it does not know; a wrong key gets its near miss.
"""

from wheeltapper.config.categories import category_sensor as category_sensor
from wheeltapper.config.cleaning import Cleaning as Cleaning
from wheeltapper.config.cleaning import Conditioning as Conditioning
from wheeltapper.config.cleaning import RegimeRule as RegimeRule
from wheeltapper.config.cleaning import Smooth as Smooth
from wheeltapper.config.loading import load as load
from wheeltapper.config.loading import parse as parse
from wheeltapper.config.loading import path_of as path_of
from wheeltapper.config.loading import plant_files as plant_files
from wheeltapper.config.machines import IDLE_REGIMES as IDLE_REGIMES
from wheeltapper.config.machines import REGIMES as REGIMES
from wheeltapper.config.machines import AssetType as AssetType
from wheeltapper.config.machines import Effect as Effect
from wheeltapper.config.machines import FaultKind as FaultKind
from wheeltapper.config.machines import Sensor as Sensor
from wheeltapper.config.mistakes import describe as describe
from wheeltapper.config.parts import Parts as Parts
from wheeltapper.config.parts import PartsByAssets as PartsByAssets
from wheeltapper.config.parts import PartsByDate as PartsByDate
from wheeltapper.config.parts import PartsByFiles as PartsByFiles
from wheeltapper.config.parts import PartsByFirstRows as PartsByFirstRows
from wheeltapper.config.parts import PartsByFraction as PartsByFraction
from wheeltapper.config.plant import Alarms as Alarms
from wheeltapper.config.plant import AssetTypes as AssetTypes
from wheeltapper.config.plant import Costs as Costs
from wheeltapper.config.plant import KindCosts as KindCosts
from wheeltapper.config.plant import Plant as Plant
from wheeltapper.config.plant import Windows as Windows
from wheeltapper.config.plug_ins import PlugIn as PlugIn
from wheeltapper.config.search import Search as Search
from wheeltapper.config.settings import Settings as Settings
from wheeltapper.config.settings import conf_folder as conf_folder
from wheeltapper.config.settings import data_folders as data_folders
from wheeltapper.config.values import Duration as Duration
from wheeltapper.config.values import Instant as Instant
from wheeltapper.config.values import Model as Model
from wheeltapper.config.values import format_duration as format_duration
from wheeltapper.config.values import parse_duration as parse_duration
