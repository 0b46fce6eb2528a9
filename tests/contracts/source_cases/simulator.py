"""Two pumps, two days."""

from pathlib import Path

PLANT = """
asset_type: pump
source:
  simulator:
    assets: 2
    start: 2026-01-05
    duration: 2d
    anomaly_rate: {rate}
    kinds: {kinds}
features: [latest]
candidates: [lof]
"""


def write_plant(folder: Path) -> str:
    return PLANT.format(rate=0.05, kinds="[cavitation]")


BROKEN = {
    "an unknown kind of fault": lambda folder: PLANT.format(rate=0.05, kinds="[cavitatoin]"),
    "faults without a kind": lambda folder: PLANT.format(rate=0.05, kinds="[]"),
    "a type that cannot be simulated": lambda folder: PLANT.format(rate=0, kinds="[]").replace(
        "asset_type: pump", "asset_type: {step: 1min, sensors: {load: {unit: A}}}"
    ),
}
