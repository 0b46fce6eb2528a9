"""A bundle's files and the list that proves them unchanged: a folder of plain files plus ``manifest.json``.

The manifest names every file with its size and SHA-256; the bundle's hash is the SHA-256 of ``manifest.json``
itself, so ``sha256sum manifest.json`` shows it on any machine. Nothing here can run code: there is no pickle.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wheeltapper.errors import BundleError
from wheeltapper.syncing import sync_folder

MANIFEST = "manifest.json"
"""The file that lists all others."""
SUFFIXES = (".json", ".npz", ".txt", ".skops", ".keras", ".tflite")
"""Endings of files that a bundle may hold: data, and model formats that run no code when loaded with care."""

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_NAME = re.compile(rf"{_PART}(/{_PART})*")
_LARGEST_MANIFEST = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Return the hash that these files would have as a bundle, without writing anything."""
    return _sha256(_describe(files))


def write(folder: Path, files: Mapping[str, bytes]) -> str:
    """Put files and their manifest into a new folder, all of them or none.

    Parameters
    ----------
    folder : Path
        Is created; a folder that already holds exactly this bundle stays as it is.
    files : mapping of name to content
        Names are relative with ``/``, such as ``plan.json`` or ``detector/arrays.npz``.

    Returns
    -------
    str
        The bundle's hash, 64 hexadecimal digits.

    Raises
    ------
    BundleError
        If a name is not allowed, there are no files, or the folder holds something else.
    """
    manifest = _describe(files)
    bundle = _sha256(manifest)
    if os.path.lexists(folder):
        return verify(folder, bundle)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        for name, content in {**files, MANIFEST: manifest}.items():
            _write_durably(unfinished / name, content)
        for inner in [unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())]:
            sync_folder(inner)
        _move(unfinished, folder, bundle)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    sync_folder(folder.parent)
    return bundle


def verify(folder: Path, expected: str | None = None) -> str:
    """Check that a folder holds exactly the files of its manifest, unchanged; return the bundle's hash.

    Parameters
    ----------
    folder : Path
        A bundle.
    expected : str, optional
        The hash that the bundle must have, for example the registered one. Without it, a bundle that was
        replaced by another whole bundle is not detected.

    Raises
    ------
    BundleError
        If a file was changed, is missing, is not listed or is a link; the message names it.
    """
    return _read(folder, expected)[0]


def read(folder: Path, expected: str | None = None) -> dict[str, bytes]:
    """Return the files of a bundle: the bytes that were verified, read from the disk once.

    Raises
    ------
    BundleError
        As `verify` does.
    """
    return _read(folder, expected)[1]


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Turn named arrays into the bytes of an npz file: the same bytes on every run and platform.

    Arrays are stored uncompressed (compressors differ between platforms), little-endian, sorted by name.
    ``numpy.load`` reads the result, too.

    Raises
    ------
    BundleError
        If an array holds Python objects or records, or is of a type that other platforms do not have.

    >>> unpack(pack({"threshold": np.array([1.5, 2.0])}))
    {'threshold': array([1.5, 2. ])}
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            archive.writestr(_entry(name), _npy(name, np.asarray(arrays[name])))
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Turn the bytes of `pack` back into named arrays, sorted by name; never runs code.

    Raises
    ------
    BundleError
        If the bytes are not an npz file written by `pack`, or an array holds Python objects.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(f"the arrays cannot be read: {error}. Use the bundle as it was written.") from error


def _describe(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest of some files: sorted, one line a value, ASCII, so that equal files give equal bytes."""
    if not files:
        raise BundleError("a bundle needs at least one file, got none.")
    for name in files:
        _require_name(name)
    content = {name: {"sha256": _sha256(data), "size": len(data)} for name, data in files.items()}
    return _canonical(content)


def _canonical(content: object) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode("ascii")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _require_name(name: str) -> None:
    if name == MANIFEST or not _NAME.fullmatch(name) or not name.endswith(SUFFIXES):
        raise BundleError(
            f"a bundle cannot hold a file named {name!r}: expected letters, digits, '_', '-', '.' and '/', "
            f"not starting with '.', ending in one of {', '.join(SUFFIXES)}, and not {MANIFEST}."
        )


def _write_durably(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _move(unfinished: Path, folder: Path, bundle: str) -> None:
    """Give the finished folder its name; if another process was faster, its folder must hold the same bundle."""
    try:
        unfinished.rename(folder)
    except OSError:
        if not os.path.lexists(folder):
            raise
        verify(folder, bundle)


def _read(folder: Path, expected: str | None) -> tuple[str, dict[str, bytes]]:
    present = _list(folder)
    if MANIFEST not in present:
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}. {_ADVICE}")
    manifest = _read_plain(folder / MANIFEST, MANIFEST, _LARGEST_MANIFEST)
    bundle = _sha256(manifest)
    if expected is not None and bundle != expected:
        raise BundleError(
            f"{folder} holds another bundle: expected hash {expected[:16]}, found {bundle[:16]}. {_ADVICE}"
        )
    listed = _parse(manifest, folder)
    for name in sorted(present - {MANIFEST} - set(listed)):
        raise BundleError(f"{name} does not belong to the bundle {folder}: its manifest does not list it. {_ADVICE}")
    return bundle, {name: _read_listed(folder, name, *entry) for name, entry in listed.items()}


_ADVICE = "The bundle is not loaded; fetch it again from the registry, or roll back to another version."


def _list(folder: Path) -> set[str]:
    """List the files under a folder; refuse anything that is neither a plain file nor a folder."""
    if folder.is_symlink() or not folder.is_dir():
        raise BundleError(f"{folder} is not a bundle: expected a folder. {_ADVICE}")
    names = set()
    for inner, folders, files in os.walk(folder):
        for entry in (Path(inner) / name for name in [*folders, *files]):
            name = entry.relative_to(folder).as_posix()
            mode = entry.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise BundleError(f"{name} is a link in the bundle {folder}: expected a plain file. {_ADVICE}")
            if stat.S_ISREG(mode):
                names.add(name)
            elif not stat.S_ISDIR(mode):
                raise BundleError(f"{name} is a device or pipe in the bundle {folder}. {_ADVICE}")
    return names


def _parse(manifest: bytes, folder: Path) -> dict[str, tuple[str, int]]:
    """Read a manifest: name → (SHA-256, size in bytes)."""
    try:
        content = json.loads(manifest)
        listed = {str(name): (str(entry["sha256"]), int(entry["size"])) for name, entry in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"{MANIFEST} of {folder} cannot be read: {error!r}. {_ADVICE}") from error
    # There is exactly one way to write a manifest: a doubled key or a further field cannot hide in it.
    if manifest != _canonical({name: {"sha256": sha, "size": size} for name, (sha, size) in listed.items()}):
        raise BundleError(f"{MANIFEST} of {folder} was changed: it is not written as Wheeltapper writes it. {_ADVICE}")
    for name in listed:
        _require_name(name)
    return listed


def _read_listed(folder: Path, name: str, sha256: str, size: int) -> bytes:
    content = _read_plain(folder / name, name, size)
    if len(content) != size or _sha256(content) != sha256:
        raise BundleError(
            f"{name} was changed: expected {size} bytes with SHA-256 {sha256[:16]}, "
            f"found {_sha256(content)[:16]} in {folder}. {_ADVICE}"
        )
    return content


def _read_plain(path: Path, name: str, size: int) -> bytes:
    """Read at most ``size`` bytes, and one more to detect a longer file; links are not followed."""
    # Neither flag exists on Windows; without O_NONBLOCK a pipe that replaces the file meanwhile would block forever.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except FileNotFoundError as error:
        raise BundleError(f"{name} is missing in the bundle {path.parent}. {_ADVICE}") from error
    except OSError as error:
        raise BundleError(f"{name} cannot be read as a plain file: {error}. {_ADVICE}") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleError(f"{name} is not a plain file in the bundle {path.parent}. {_ADVICE}")
        return file.read(size + 1)


def _entry(name: str) -> zipfile.ZipInfo:
    """Describe one array in the archive, without time, platform and user."""
    # The name is never a path on a disk, so it may hold an asset's name; zip files cannot hold what is refused here.
    if not name.isprintable() or not name or "\\" in name:
        raise BundleError(f"an array cannot be named {name!r}: expected printable characters and no backslash.")
    entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o600 << 16
    return entry


def _npy(name: str, array: NDArray[Any]) -> bytes:
    # Records carry padding bytes with arbitrary content; long doubles differ between platforms.
    if array.dtype.kind not in "biufcUSMm" or (array.dtype.itemsize > 8 and array.dtype.kind == "f"):
        raise BundleError(
            f"array '{name}' has the type {array.dtype}: expected plain numbers, texts or times. "
            "Turn records into one array a field, and Python objects into numbers or JSON."
        )
    buffer = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    np.lib.format.write_array(buffer, little, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    # Stored entries cannot be larger than the archive: no decompression bomb.
    if entry.compress_type != zipfile.ZIP_STORED or not entry.filename.endswith(".npy"):
        raise ValueError(f"{entry.filename} is not an uncompressed array")
    with archive.open(entry) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
