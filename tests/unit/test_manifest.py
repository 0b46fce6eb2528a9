"""A bundle is loaded exactly as it was written, or not at all."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from wheeltapper import manifest
from wheeltapper.errors import BundleError

FILES = {"bundle.json": b"{}", "arrays.npz": b"1234", "detector/trees.npz": b"abc"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    manifest.write(tmp_path / "bundle", FILES)
    return tmp_path / "bundle"


def test_reading_returns_what_was_written(bundle: Path) -> None:
    """Every file comes back byte by byte, the manifest itself does not."""
    assert manifest.read(bundle) == FILES


def test_the_hash_is_that_of_the_manifest_file(bundle: Path) -> None:
    """Anyone can recompute the bundle's hash with sha256sum, and it is known before anything is written."""
    by_hand = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    assert manifest.verify(bundle) == by_hand == manifest.fingerprint(FILES)


def test_the_order_of_files_does_not_matter() -> None:
    """The same files in another order are the same bundle; one other byte is another."""
    assert manifest.fingerprint(dict(reversed(FILES.items()))) == manifest.fingerprint(FILES)
    assert manifest.fingerprint({**FILES, "arrays.npz": b"1235"}) != manifest.fingerprint(FILES)


def test_writing_again_changes_nothing_and_leaves_nothing_behind(bundle: Path) -> None:
    """The same bundle may be written twice; no unfinished folder stays beside it."""
    before = (bundle / "arrays.npz").stat().st_mtime_ns
    assert manifest.write(bundle, FILES) == manifest.fingerprint(FILES)
    assert (bundle / "arrays.npz").stat().st_mtime_ns == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_another_bundle_is_not_written_over_the_first(bundle: Path) -> None:
    """A folder that holds a bundle is never changed."""
    with pytest.raises(BundleError, match="holds another bundle"):
        manifest.write(bundle, {"bundle.json": b"other"})
    assert manifest.read(bundle) == FILES


def test_a_failed_write_leaves_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails in the middle there is no folder at all, not half of one."""

    def full(handle: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        manifest.write(tmp_path / "bundle", FILES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", [b"", b"x", b"longer than before"])
def test_a_changed_file_is_refused_by_name(bundle: Path, name: str, damage: bytes) -> None:
    """Emptied, replaced or longer: the file is named and nothing is returned."""
    (bundle / name).write_bytes(damage)
    with pytest.raises(BundleError, match=f"^{name} was changed: expected"):
        manifest.read(bundle)


def test_one_flipped_bit_is_noticed(bundle: Path) -> None:
    """Same size, one bit: still refused."""
    (bundle / "arrays.npz").write_bytes(b"1235")
    with pytest.raises(BundleError, match=r"arrays\.npz was changed"):
        manifest.verify(bundle)


def test_a_missing_file_is_refused_by_name(bundle: Path) -> None:
    """What the manifest lists must be there."""
    (bundle / "arrays.npz").unlink()
    with pytest.raises(BundleError, match=r"^arrays\.npz is missing"):
        manifest.verify(bundle)


@pytest.mark.parametrize("name", ["extra.json", "detector/extra.pkl", ".hidden"])
def test_an_extra_file_is_refused_by_name(bundle: Path, name: str) -> None:
    """What the manifest does not list must not be there, wherever it hides."""
    (bundle / name).write_bytes(b"")
    with pytest.raises(BundleError, match=f"^{name} does not belong"):
        manifest.verify(bundle)


def test_a_link_is_refused_even_to_the_right_content(bundle: Path, tmp_path: Path) -> None:
    """A link could be pointed elsewhere after the check."""
    elsewhere = tmp_path / "elsewhere.npz"
    (bundle / "arrays.npz").rename(elsewhere)
    (bundle / "arrays.npz").symlink_to(elsewhere)
    with pytest.raises(BundleError, match=r"^arrays\.npz is a link"):
        manifest.read(bundle)


def test_a_linked_folder_is_refused(bundle: Path, tmp_path: Path) -> None:
    """Neither the bundle nor a folder in it may be a link."""
    (tmp_path / "link").symlink_to(bundle)
    with pytest.raises(BundleError, match="expected a folder"):
        manifest.read(tmp_path / "link")
    (bundle / "detector").rename(tmp_path / "detector")
    (bundle / "detector").symlink_to(tmp_path / "detector")
    with pytest.raises(BundleError, match=r"^detector is a link"):
        manifest.read(bundle)


def test_a_pipe_is_refused_and_not_waited_for(bundle: Path) -> None:
    """A named pipe in place of a file would hang whoever opens it."""
    (bundle / "arrays.npz").unlink()
    os.mkfifo(bundle / "arrays.npz")
    with pytest.raises(BundleError, match=r"^arrays\.npz is a device or pipe"):
        manifest.verify(bundle)


def test_a_swapped_bundle_needs_the_registered_hash(bundle: Path, tmp_path: Path) -> None:
    """A whole other bundle is sound in itself; only the expected hash tells that it is the wrong one."""
    another = manifest.write(tmp_path / "other", {"bundle.json": b"other"})
    assert manifest.verify(tmp_path / "other") == another
    with pytest.raises(BundleError, match=f"expected hash {manifest.fingerprint(FILES)[:16]}, found {another[:16]}"):
        manifest.read(tmp_path / "other", manifest.fingerprint(FILES))


@pytest.mark.parametrize(
    "listed",
    [
        "[]",
        "{",
        '{"bundle.json": 3}',
        '{"bundle.json": {"sha256": "", "size": 2}, "bundle.json": {"sha256": "", "size": 2}}',
    ],
)
def test_a_rewritten_manifest_is_refused(bundle: Path, listed: str) -> None:
    """Nonsense, doubled keys and other ways of writing the same are not accepted."""
    (bundle / "manifest.json").write_text(listed)
    for name in FILES:
        (bundle / name).unlink()
    with pytest.raises(BundleError, match=r"manifest.json of .* (cannot be read|was changed)"):
        manifest.verify(bundle)


def test_a_manifest_cannot_point_outside(tmp_path: Path) -> None:
    """A manifest that lists ../secret.json is refused before anything is opened."""
    (tmp_path / "secret.json").write_bytes(b"secret")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    sha = hashlib.sha256(b"secret").hexdigest()
    (bundle / "manifest.json").write_bytes(manifest._canonical({"../secret.json": {"sha256": sha, "size": 6}}))
    with pytest.raises(BundleError, match=r"cannot hold a file named '\.\./secret\.json'"):
        manifest.read(bundle)


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    """An empty or missing folder is refused, not read as a bundle without files."""
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        manifest.read(tmp_path)
    with pytest.raises(BundleError, match="expected a folder"):
        manifest.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name", ["../a.json", "/a.json", "a/../b.json", ".a.json", "a.pkl", "a.py", "manifest.json", ""]
)
def test_unsafe_names_are_not_written(tmp_path: Path, name: str) -> None:
    """No way out of the folder, nothing hidden, no pickle and no code."""
    with pytest.raises(BundleError, match="cannot hold a file named"):
        manifest.write(tmp_path / "bundle", {name: b""})


def test_an_empty_bundle_is_not_written(tmp_path: Path) -> None:
    """A bundle without files is a mistake."""
    with pytest.raises(BundleError, match="at least one file"):
        manifest.write(tmp_path / "bundle", {})


ARRAYS = {
    "weights": np.array([[1.5, -0.0], [np.nan, np.inf]]),
    "counts": np.array([1, 2], dtype=np.int64),
    "flag": np.array(True),
    "names": np.array(["pressure", "Δp"]),
    "detector/*/when": np.array(["2026-01-05"], dtype="datetime64[us]"),
    "none": np.empty((0, 3)),
}


def test_arrays_come_back_as_they_were() -> None:
    """Values, shapes and types survive, for no dimension and no rows too."""
    back = manifest.unpack(manifest.pack(ARRAYS))
    assert list(back) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array, strict=True)


def test_packed_bytes_never_change() -> None:
    """Written down once: another platform, NumPy or day must give these very bytes."""
    packed = manifest.pack({"b": np.array([1.0, 2.0]), "a": np.array([[1, 2]], dtype=np.int64)})
    assert hashlib.sha256(packed).hexdigest() == "f847fabcfe5d22ae1d23dc3c71bf37a53f40b1e95b19a9b3c84224196688121d"


def test_layout_and_byte_order_do_not_show() -> None:
    """The same numbers in another order of memory or bytes are the same bytes."""
    plain = np.arange(6.0).reshape(2, 3)
    assert manifest.pack({"x": np.asfortranarray(plain)}) == manifest.pack({"x": plain})
    assert manifest.pack({"x": plain.astype(">f8")}) == manifest.pack({"x": plain})


def test_numpy_reads_packed_arrays() -> None:
    """It is an ordinary npz file."""
    with np.load(BytesIO(manifest.pack({"x": np.arange(3)})), allow_pickle=False) as archive:
        assert archive["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "array",
    [np.array([{}], dtype=object), np.zeros(1, dtype=[("a", "i1"), ("b", "f8")]), np.zeros(1, dtype=np.longdouble)],
    ids=["objects", "records", "long double"],
)
def test_what_is_not_plain_is_not_packed(array: np.ndarray) -> None:
    """Objects would need pickle, records carry random padding, long doubles differ between platforms."""
    with pytest.raises(BundleError, match="array 'trees' has the type"):
        manifest.pack({"trees": array})


class _Marker:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_in_an_archive_is_not_run(tmp_path: Path) -> None:
    """A poisoned archive is refused, and the code in it does not run."""
    marker = tmp_path / "marker"
    raw = BytesIO()
    np.save(raw, np.array([_Marker(marker)], dtype=object), allow_pickle=True)
    poisoned = BytesIO()
    with zipfile.ZipFile(poisoned, "w") as archive:
        archive.writestr("x.npy", raw.getvalue())
    for content in (poisoned.getvalue(), pickle.dumps(_Marker(marker)), b"", b"PK\x03\x04 torn"):
        with pytest.raises(BundleError, match="arrays cannot be read"):
            manifest.unpack(content)
    assert not marker.exists()


def test_a_compressed_archive_is_refused() -> None:
    """What is stored plainly cannot unfold into more memory than the file has bytes."""
    bomb = BytesIO()
    np.savez_compressed(bomb, x=np.zeros(1_000_000))
    with pytest.raises(BundleError, match="not an uncompressed array"):
        manifest.unpack(bomb.getvalue())
