"""A PostgreSQL table of ten rows: two assets, one with a fault of three readings."""

from pathlib import Path

from tests.postgres import new_database
from wheeltapper.sources import Example

PLANT = """
asset_type: {{step: 1min, sensors: {{load: {{unit: A}}}}}}
source:
  sql: {{url: "{url}", table: {table}, time_column: time, asset_column: asset, fault_column: broken}}
features: [latest]
candidates: [lof]
"""
TABLE = "CREATE TABLE readings (time timestamptz, asset text, load float8, broken boolean)"


def _rows() -> str:
    rows = [
        f"('2026-01-05 00:0{i}:00+00', '{asset}', {i}, {asset == 'b' and 1 <= i <= 3})"
        for i in range(5)
        for asset in "ab"
    ]
    return f"INSERT INTO readings VALUES {', '.join(rows)}"


def _plant(*statements: str, table: str = "readings") -> str:
    return PLANT.format(url=new_database(*statements), table=table)


def _not_there(folder: Path) -> str:
    return PLANT.format(url="postgresql://reader@127.0.0.1:1/plant", table="readings")


EXAMPLE = Example(
    plant=lambda _: _plant(TABLE, _rows()),
    broken={
        "no server": _not_there,
        "no table": lambda folder: _plant(TABLE, _rows(), table="reading"),
        "no column": lambda folder: _plant(TABLE.replace("load", "weight")),
        "no rows": lambda folder: _plant(TABLE),
        "a variable that is not set": lambda folder: PLANT.format(
            url="postgresql://r:${NO_SUCH_VARIABLE}@h/p", table="t"
        ),
    },
)
