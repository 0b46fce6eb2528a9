"""The tables of a plant: parquet files with a transaction log, written completely or not at all."""

from wheeltapper.store.log import Damage as Damage
from wheeltapper.store.planning import KeyExistsError as KeyExistsError
from wheeltapper.store.refs import Ref as Ref
from wheeltapper.store.refs import Staged as Staged
from wheeltapper.store.store import Store as Store
from wheeltapper.store.verification import verify_all as verify_all
