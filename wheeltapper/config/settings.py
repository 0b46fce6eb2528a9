"""Where this machine keeps things, and where data and plants are looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wheeltapper.config.mistakes import describe
from wheeltapper.config.values import Duration
from wheeltapper.errors import ConfigError


class Settings(BaseSettings):
    """Where this machine keeps things; read from the environment (``WHEELTAPPER_…``)."""

    model_config = SettingsConfigDict(env_prefix="WHEELTAPPER_", frozen=True)

    home: Path = Field(Path(".wheeltapper"), description="everything that Wheeltapper writes")
    data: Path | None = Field(None, description="where plants with relative paths find their data")
    workers: int = Field(2, ge=1, description="tasks at the same time: candidates, shares of assets")
    runner: Literal["threads", "dask"] = Field("threads", description="where tasks run side by side")
    dask: str | None = Field(None, description="address of Dask's scheduler, such as tcp://10.0.0.5:8786")
    keep_versions: Duration | None = Field(
        None, description="how long old versions of tables stay, such as 90d; for ever by default"
    )
    prefect_port: int = Field(4200, ge=1, le=65535, description="port of Prefect's API and UI")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="port of MLflow's UI")
    reports_port: int = Field(4280, ge=1, le=65535, description="port of the reports and Data Docs")

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            lines = describe(error, "", type(self)).splitlines()
            names = [(line.partition(":")[0], line) for line in lines]
            renamed = [line.replace(name, f"WHEELTAPPER_{name.upper()}", 1) for name, line in names]
            raise ConfigError("\n".join(renamed)) from error

    @property
    def store(self) -> Path:
        """Folder of the tables."""
        return self.home.resolve() / "store"

    @property
    def tracking_uri(self) -> str:
        """MLflow's database."""
        return f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """MLflow's files."""
        return self.home.resolve() / "mlartifacts"

    @property
    def prefect(self) -> Path:
        """Prefect's own home."""
        return self.home.resolve() / "prefect"

    @property
    def reports(self) -> Path:
        """HTML reports and Data Docs."""
        return self.home.resolve() / "reports"


def data_folders(folder: Path) -> list[Path]:
    """List where data with a relative path is looked for; ``folder`` is the one of the plant's file.

    Beside that file, in WHEELTAPPER_DATA, where `datasets fetch` puts it, and in ``../shared/data``.
    """
    settings = Settings()
    shared = Path("..") / "shared" / "data"
    # A plant lies in conf/ or in a folder below; the data may lie beside the checkout.
    beside = [parent / shared for parent in list(folder.resolve().parents)[:2]]
    return [folder, *([settings.data] if settings.data else []), settings.home / "data", Path.cwd() / shared, *beside]


def conf_folder() -> Path:
    """Return the folder of the plants: ``conf/`` here, else beside the checkout's library."""
    here = Path("conf")
    return here if here.is_dir() else Path(__file__).parents[2] / "conf"
