"""Public data sets: downloaded whole, compared with the published checksum, and never trusted silently."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wheeltapper import config, datasets, plants
from wheeltapper.errors import ConfigError, DataError, WheeltapperError

PUMP = b"time,flow\n2026-01-05T00:00Z,1\n"
OTHER = b"time,flow\n2026-01-05T00:00Z,2\n"


@dataclass
class Publisher:
    """A web server on this machine that publishes a few files."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """Serve files on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            content = found.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Publisher(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def dataset(**options: Any) -> datasets.DataSet:
    """Describe a data set."""
    known = {"title": "Pumps", "plant": "datasets/pumps", "folder": "Pumps", "licence": "MIT", "page": "https://x.test"}
    return datasets.DataSet.model_validate(known | options)


def fetch(one: datasets.DataSet, folder: Path) -> dict[str, str]:
    """Fetch and return file → state."""
    return {found.name: found.state for found in datasets.fetch(one, folder, lambda _: None)}


def zipped(**files: bytes) -> bytes:
    """Pack files; ``__`` in a name is a slash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def test_a_file_with_the_published_checksum_arrives(publisher: Publisher, tmp_path: Path) -> None:
    """It lies where the plant looks for it, under the plant's name for it."""
    publisher.files["/raw/p1.csv"] = PUMP
    one = dataset(base=publisher.address, files={"a/1.csv": {"from": "raw/p1.csv", "sha256": sha256(PUMP)}})
    assert fetch(one, tmp_path) == {"a/1.csv": "as published"}
    assert (tmp_path / "Pumps" / "a" / "1.csv").read_bytes() == PUMP
    assert not (tmp_path / "Pumps" / "checksums.json").exists()


def test_a_file_with_another_checksum_is_refused_and_not_kept(publisher: Publisher, tmp_path: Path) -> None:
    """Neither under its name nor as a leftover."""
    publisher.files["/1.csv"] = OTHER
    one = dataset(base=publisher.address, files={"1.csv": sha256(PUMP)})
    with pytest.raises(DataError, match=f"1.csv should have SHA-256 {sha256(PUMP)}.*It was not kept") as caught:
        fetch(one, tmp_path)
    assert caught.value.exit_code == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_unknown_checksum_is_shown_and_recorded(publisher: Publisher, tmp_path: Path) -> None:
    """The first time says so; the second compares with it."""
    publisher.files["/1.csv"] = PUMP
    one = dataset(base=publisher.address, files={"1.csv": ""})
    (first,) = datasets.fetch(one, tmp_path, lambda _: None)
    assert (first.state, first.sha256) == ("seen for the first time", sha256(PUMP))
    assert json.loads((tmp_path / "Pumps" / "checksums.json").read_text()) == {"1.csv": sha256(PUMP)}
    first.path.unlink()
    assert fetch(one, tmp_path) == {"1.csv": "as the first time"}


def test_a_file_that_was_replaced_since_the_first_time_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    """A checksum that was recorded once is as good as a published one."""
    publisher.files["/1.csv"] = PUMP
    one = dataset(base=publisher.address, files={"1.csv": ""})
    fetch(one, tmp_path)
    (tmp_path / "Pumps" / "1.csv").unlink()
    publisher.files["/1.csv"] = OTHER
    with pytest.raises(DataError, match="the publisher has replaced it"):
        fetch(one, tmp_path)


def test_what_is_here_is_not_downloaded_again(publisher: Publisher, tmp_path: Path) -> None:
    """One request for two fetches."""
    publisher.files["/1.csv"] = PUMP
    one = dataset(base=publisher.address, files={"1.csv": sha256(PUMP)})
    assert [fetch(one, tmp_path) for _ in range(2)] == [{"1.csv": "as published"}] * 2
    assert publisher.asked == ["/1.csv"]


def test_a_file_that_somebody_changed_is_not_overwritten(publisher: Publisher, tmp_path: Path) -> None:
    """It may be somebody's work; the message says how to get the published one."""
    publisher.files["/1.csv"] = PUMP
    one = dataset(base=publisher.address, files={"1.csv": sha256(PUMP)})
    fetch(one, tmp_path)
    (tmp_path / "Pumps" / "1.csv").write_bytes(OTHER)
    with pytest.raises(DataError, match=r"was changed since. Delete it to download it again"):
        fetch(one, tmp_path)
    assert (tmp_path / "Pumps" / "1.csv").read_bytes() == OTHER


def test_files_come_out_of_a_zip_inside_a_zip(publisher: Publisher, tmp_path: Path) -> None:
    """The archive is asked for once and not kept."""
    publisher.files["/all.zip"] = zipped(**{"set__readme.txt": b"hello", "set__in.zip": INNER})
    files = {"1.csv": sha256(PUMP), "2.csv": ""}
    one = dataset(archive=[publisher.address + "all.zip", "in.zip"], files=files)
    assert fetch(one, tmp_path) == {"1.csv": "as published", "2.csv": "seen for the first time"}
    assert publisher.asked == ["/all.zip"]
    assert sorted(path.name for path in (tmp_path / "Pumps").iterdir()) == ["1.csv", "2.csv", "checksums.json"]


INNER = zipped(**{"data__1.csv": PUMP, "data__2.csv": OTHER})


def test_a_wrong_file_in_an_archive_is_refused_and_not_kept(publisher: Publisher, tmp_path: Path) -> None:
    """The checksum is that of the file, however it was wrapped."""
    publisher.files["/all.zip"] = INNER
    one = dataset(archive=[publisher.address + "all.zip"], files={"1.csv": sha256(OTHER)})
    with pytest.raises(DataError, match=f"1.csv should have SHA-256 {sha256(OTHER)}, got {sha256(PUMP)}"):
        fetch(one, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_archive_without_the_file_says_what_it_has(publisher: Publisher, tmp_path: Path) -> None:
    """Its publisher may have packed it anew."""
    publisher.files["/all.zip"] = INNER
    one = dataset(archive=[publisher.address + "all.zip"], files={"3.csv": ""})
    with pytest.raises(DataError, match=r"holds 0 files named 3.csv \(it has: data/1.csv, data/2.csv\)"):
        fetch(one, tmp_path)


def test_a_page_instead_of_an_archive_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    """Many servers answer a lost file with a friendly page."""
    publisher.files["/all.zip"] = b"<html>we have moved</html>"
    one = dataset(archive=[publisher.address + "all.zip"], files={"1.csv": ""})
    with pytest.raises(DataError, match="is no zip file"):
        fetch(one, tmp_path)


def test_a_lost_file_is_a_failure_that_says_what_to_do(publisher: Publisher, tmp_path: Path) -> None:
    """Files that came before it stay."""
    publisher.files["/1.csv"] = PUMP
    one = dataset(base=publisher.address, files={"1.csv": "", "2.csv": ""})
    with pytest.raises(WheeltapperError, match=r"404.*Files that arrived whole are kept.*https://x.test") as caught:
        fetch(one, tmp_path)
    assert caught.value.exit_code == 3
    assert (tmp_path / "Pumps" / "1.csv").read_bytes() == PUMP
    assert not (tmp_path / "Pumps" / "2.csv").exists()


def test_what_cannot_be_downloaded_says_how_to_bring_it(tmp_path: Path) -> None:
    """Some publishers ask for an account."""
    with pytest.raises(ConfigError, match=r"Pumps cannot be downloaded. Ask nicely. See https://x.test"):
        fetch(dataset(by_hand="Ask nicely."), tmp_path)


def test_records_that_cannot_be_read_are_not_replaced(publisher: Publisher, tmp_path: Path) -> None:
    """A lost record would make any file a first one."""
    (tmp_path / "Pumps").mkdir()
    (tmp_path / "Pumps" / "checksums.json").write_text("[")
    with pytest.raises(DataError, match="holds no checksums"):
        fetch(dataset(base=publisher.address, files={"1.csv": ""}), tmp_path)


@pytest.mark.parametrize("name", ["../1.csv", "/etc/1.csv", "a/../../1.csv", ""])
def test_a_file_outside_the_data_folder_is_refused(name: str) -> None:
    """A list of data sets cannot write elsewhere."""
    with pytest.raises(ValueError, match="expected a path below the data folder"):
        dataset(base="http://127.0.0.1/", files={name: ""})


@pytest.mark.parametrize("ways", [{}, {"base": "http://x.test/", "by_hand": "Ask."}])
def test_a_data_set_comes_in_exactly_one_way(ways: dict[str, str]) -> None:
    """From an address, out of an archive, or by hand."""
    with pytest.raises(ValueError, match="needs one of base, archive and by_hand"):
        dataset(files={"1.csv": ""}, **ways)


def test_a_mistake_in_the_list_names_the_data_set_and_the_key(tmp_path: Path) -> None:
    """One line, with the near miss."""
    path = tmp_path / "registry.toml"
    path.write_text('[pumps]\ntitle = "Pumps"\nplant = "p"\nfolder = "P"\nlicense = "MIT"\npage = "x"\nby_hand = "y"\n')
    with pytest.raises(ConfigError, match=r"pumps: license: unknown key 'license'. Did you mean 'licence'"):
        datasets.registry(path)


def test_every_data_set_of_the_list_has_a_plant_that_looks_where_it_is_put() -> None:
    """`fetch` and `run` agree about the folder."""
    known = datasets.registry()
    assert len(known) >= 8
    for one in known.values():
        assert plants.load(one.plant).source.options["path"] == one.folder.as_posix()


def test_every_plant_of_a_public_data_set_is_in_the_list() -> None:
    """Nobody has to guess where its data comes from."""
    plants = {name for name in config.plant_files() if name.startswith("datasets/")}
    assert plants <= {one.plant for one in datasets.registry().values()}


def test_a_data_set_is_found_by_its_name_or_its_plants(tmp_path: Path) -> None:
    """A typo gets the near miss."""
    known = {"pumps": dataset(by_hand="Ask.")}
    assert datasets.named("pumps", known) is datasets.named("datasets/pumps", known)
    with pytest.raises(ConfigError, match="Did you mean 'pumps'"):
        datasets.named("pump", known)


def test_the_commands_list_and_fetch(publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `fetch` has brought is `here` in `list`, and its checksum was on the screen."""
    from typer.testing import CliRunner

    from wheeltapper.cli import app

    publisher.files["/1.csv"] = PUMP
    folder = tmp_path / "conf" / "datasets"
    folder.mkdir(parents=True)
    (folder / "registry.toml").write_text(
        '[pumps]\ntitle = "Pumps"\nplant = "datasets/pumps"\nfolder = "Pumps"\nlicence = "MIT"\npage = "x"\n'
        f'base = "{publisher.address}"\n[pumps.files]\n"1.csv" = ""\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WHEELTAPPER_DATA", raising=False)

    def run(*arguments: str) -> str:
        ended = CliRunner().invoke(app, ["datasets", *arguments])
        assert ended.exit_code == 0, ended.output
        return ended.output

    assert "not here" in run("list")
    came = run("fetch", "pumps")
    assert sha256(PUMP) in came
    assert "No checksum was published for 1 of these 1 files" in came
    (listed,) = json.loads(run("list", "--json"))
    assert Path(listed["here"]) == tmp_path / "home" / "data" / "Pumps"
