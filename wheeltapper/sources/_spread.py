"""Machines side by side: one row of the file, with columns for each of them, becomes one row a machine."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wheeltapper.sources._cells import constant


def spread(frame: pd.DataFrame, tags: dict[str, tuple[str, str]], sensors: list[str], prefix: str = "") -> pd.DataFrame:
    """Give each machine of a row a row of its own, where it has a value: an empty field is no reading.

    A row that could not be read, and has no value of any machine, comes out once and names no machine.

    Parameters
    ----------
    frame : DataFrame
        A column for each tag; ``defect``; and shared columns, such as the timestamp. Indexed from 0.
    tags : dict
        Column → machine and sensor.
    sensors : list of str
        The plant's sensors; a machine without one has it missing.
    prefix : str
        Text before the machine's name.

    Returns
    -------
    DataFrame
        asset_id, the sensors and the shared columns; row after row, in each the machines in the order of the columns.
    """
    shared = frame.drop(columns=list(tags))
    parts = []
    has_any = pd.Series(False, index=frame.index)
    for asset in dict.fromkeys(asset for asset, _ in tags.values()):
        asset_columns = {sensor: frame[name] for name, (of, sensor) in tags.items() if of == asset}
        has_value = pd.concat(asset_columns, axis=1).notna().any(axis=1)
        has_any |= has_value
        values = {sensor: asset_columns.get(sensor, np.nan) for sensor in sensors}
        parts.append(shared.assign(asset_id=constant(prefix + asset, len(frame)), **values)[has_value])
    no_asset = pd.Series(None, index=frame.index, dtype="str")
    lost = shared.assign(asset_id=no_asset, **dict.fromkeys(sensors, np.nan))[~has_any & (frame["defect"] != "")]
    together = [part for part in (*parts, lost) if len(part)] or parts[:1]
    return pd.concat(together).sort_index(kind="stable").reset_index(drop=True)
