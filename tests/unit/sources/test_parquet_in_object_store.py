"""Parquet in an object store: a real S3 server on this machine, found through the usual environment variables."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper import config, sources
from wheeltapper.errors import SourceError
from wheeltapper.readings.survey.survey import survey

ACCESS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
ROWS = pd.DataFrame(
    {"time": pd.date_range("2026-01-05", periods=3, freq="1min", tz="UTC"), "flow": [1.0, 2.0, 3.0], "bad": [0, 1, 0]}
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Start an S3 server with a bucket of two pumps, and name it in the environment; return its address."""
    moto = pytest.importorskip("moto.server", reason="moto is among the development tools: make dev")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ACCESS, "AWS_ENDPOINT_URL": address}.items():
            patch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=address)
        client.create_bucket(Bucket="plant", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for key in ("site=north/Pümpe 2.parquet", "site=north/pump 10.parquet", "site=north/_SUCCESS"):
            content = io.BytesIO()
            ROWS.to_parquet(content)
            body = content.getvalue() if key.endswith("parquet") else b""
            client.put_object(Bucket="plant", Key=key, Body=body)
        yield address
    server.stop()


def plant(path: str, folder: Path, options: str = "") -> config.Plant:
    """Make a plant that reads this path."""
    source = f"{{parquet: {{path: '{path}', time_column: time{options}}}}}"
    text = f"asset_type: {{step: 1min, sensors: {{flow: {{unit: 1}}}}}}\nsource: {source}\n"
    return config.parse(text + "features: [latest]\ncandidates: [lof]", name="tiny", folder=folder, where="tiny.yaml")


def read(path: str, folder: Path, options: str = "") -> list[Any]:
    """Return asset and values of each batch."""
    fleet = plant(path, folder, options)
    return [
        (batch.rows["asset_id"][0], batch.rows["flow"].tolist()) for batch in sources.build(fleet.source).read(fleet)
    ]


ALL = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("path", "assets"),
    [
        ("s3://plant/site=north/Pümpe 2.parquet", ["Pümpe 2"]),
        ("s3://plant/site=north", ["Pümpe 2", "pump 10"]),
        ("s3://plant/site=north/", ["Pümpe 2", "pump 10"]),
        ("s3://plant", ["site=north/Pümpe 2", "site=north/pump 10"]),
        ("s3://plant/**/*.parquet", ["site=north/Pümpe 2", "site=north/pump 10"]),
        ("s3://plant/site=*/pump*.parquet", ["site=north/pump 10"]),
    ],
)
def test_file_folder_and_pattern_are_read(bucket: str, path: str, assets: list[str], tmp_path: Path) -> None:
    """Names may hold blanks and umlauts; what tools leave beside the data is passed over."""
    assert sorted(read(path, tmp_path)) == sorted((asset, ALL) for asset in assets)


def test_a_folder_s_name_is_a_column_and_faults_are_read(bucket: str, tmp_path: Path) -> None:
    """As on a disk."""
    fleet = plant("s3://plant/**/*10.parquet", tmp_path, ", asset_column: site, fault_column: bad")
    (batch,) = sources.build(fleet.source).read(fleet)
    assert set(batch.rows["asset_id"]) == {"north"}
    assert len(batch.faults) == 1


def test_check_reads_it_and_writes_nothing(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assets, span and step, as of any other source."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    result = survey(plant("s3://plant/site=north", tmp_path))
    assert (result["rows"], result["step_seconds"], len(result["assets"])) == (6, 60.0, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["s3://plant/none.parquet", "s3://nobody/x.parquet", "s3://plant/none/*.parquet"])
def test_what_is_not_there_is_said(bucket: str, path: str, tmp_path: Path) -> None:
    """With the address, in one line."""
    with pytest.raises(SourceError, match="no file or folder s3://") as caught:
        read(path, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address that was tried; no key is in the message."""
    for name, value in {**ACCESS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SourceError, match=r"s3://plant/x\.parquet cannot be read.*AWS_ENDPOINT_URL") as caught:
        read("s3://plant/x.parquet", tmp_path)
    assert "secret" not in str(caught.value)
