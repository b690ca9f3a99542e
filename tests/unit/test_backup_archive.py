"""The file of a backup: whole or refused, and nothing foreign ever gets out of it."""

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.backup.archive import ArchiveError, read_manifest, read_member, unpack, verify, write
from rfid_gateway.backup.manifest import Manifest, ManifestError, Member, decode

CONTENT = {
    "gateway.toml": b"[gateway]\n",
    "files/0": b"secret\n",
    "gateway.db": random.Random(1).randbytes(3_000_000),
}


def member(content: bytes, path: str | None = None) -> Member:
    return Member(len(content), hashlib.sha256(content).hexdigest(), path)


MANIFEST = Manifest(
    version="0.1.0",
    kind="copy",
    site="hamburg",
    gateway="gate-1",
    made_at="2026-11-25T19:23:16.328+00:00",
    next_sequence=42,
    waiting=7,
    schema=("initial",),
    members={
        name: member(content, "/etc/pw" if name.startswith("files/") else None) for name, content in CONTENT.items()
    },
)


def ignore(_count: int) -> None:
    pass


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    sources = {}
    for name, content in CONTENT.items():
        sources[name] = tmp_path / f"source-{name.replace('/', '-')}"
        sources[name].write_bytes(content)
    path = tmp_path / "backup.tar.gz"
    write(path, MANIFEST, sources, ignore)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "unpacked"
    path.mkdir()
    return path


def test_what_goes_in_comes_out(archive: Path, folder: Path) -> None:
    assert unpack(archive, folder, ignore) == verify(archive, ignore) == read_manifest(archive) == MANIFEST
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name.replace("/", "-"): content for name, content in CONTENT.items()
    }
    assert read_member(archive, "gateway.toml") == CONTENT["gateway.toml"]
    assert [path.stat().st_mode & 0o777 for path in (archive, *folder.iterdir())] == [0o600] * 4


def test_tar_reads_it_too(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["manifest.json", *CONTENT]


def test_one_that_is_cut_off_anywhere_is_refused(archive: Path, folder: Path) -> None:
    whole = archive.read_bytes()
    chance = random.Random(2)
    for cut in (0, 1, 20, len(whole) // 2, len(whole) - 1, len(whole) - 8, *(chance.randrange(len(whole)),) * 10):
        archive.write_bytes(whole[:cut])
        for path in folder.iterdir():
            path.unlink()
        with pytest.raises(ArchiveError, match=r"backup\.tar\.gz: "):
            unpack(archive, folder, ignore)
        with pytest.raises(ArchiveError):
            verify(archive, ignore)


def test_a_damaged_byte_is_noticed_or_harmless(archive: Path) -> None:
    whole = archive.read_bytes()
    chance = random.Random(3)
    refused = 0
    for _ in range(60):
        at = chance.randrange(10, len(whole))  # behind gzip's header, which says nothing of the content
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
        try:
            assert verify(archive, ignore) == MANIFEST
        except ArchiveError:
            refused += 1
    assert refused > 50


def build(path: Path, *members: tuple[tarfile.TarInfo, bytes], manifest: bytes | None = None) -> None:
    with tarfile.open(path, "w:gz") as tar:
        content = MANIFEST.encode() if manifest is None else manifest
        for info, data in ((tarfile.TarInfo("manifest.json"), content), *members):
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def regular(name: str, content: bytes | None = None) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), CONTENT[name] if content is None else content


def special(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


ALL = [regular(name) for name in CONTENT]
FOREIGN: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "path upwards": [regular("../evil", b"x"), *ALL],
    "absolute path": [regular("/tmp/evil", b"x"), *ALL],
    "another file": [*ALL, regular("authorized_keys", b"x")],
    "the same twice": [*ALL, regular("gateway.toml")],
    "symbolic link": [special("gateway.toml", tarfile.SYMTYPE, "/etc/passwd"), *ALL[1:]],
    "hard link": [special("gateway.toml", tarfile.LNKTYPE, "/etc/passwd"), *ALL[1:]],
    "device": [special("gateway.toml", tarfile.CHRTYPE), *ALL[1:]],
    "pipe": [special("gateway.toml", tarfile.FIFOTYPE), *ALL[1:]],
    "folder": [special("gateway.toml", tarfile.DIRTYPE), *ALL[1:]],
    "other content": [regular("gateway.toml", b"[gateway]x"), *ALL[1:]],
    "longer content": [regular("gateway.toml", b"[gateway]\nmore"), *ALL[1:]],
    "one missing": ALL[:-1],
}


@pytest.mark.parametrize("members", FOREIGN.values(), ids=FOREIGN)
def test_what_does_not_belong_into_it_is_refused(
    members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "foreign.tar.gz"
    build(path, *members)
    with pytest.raises(ArchiveError, match=r"foreign\.tar\.gz: "):
        unpack(path, folder, ignore)
    # Nothing but names of the manifest, and nothing outside.
    assert {each.name for each in folder.iterdir()} <= {name.replace("/", "-") for name in CONTENT}
    assert all(each.is_file() and not each.is_symlink() for each in folder.iterdir())
    assert {each.name for each in tmp_path.iterdir()} == {"foreign.tar.gz", "unpacked"}


def test_other_archives_and_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    for content in (b"", b"hello", b"\x1f\x8b", random.Random(4).randbytes(5000)):
        path.write_bytes(content)
        with pytest.raises(ArchiveError):
            read_manifest(path)
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("etc/passwd"))
    with pytest.raises(ArchiveError, match=r"does not begin with manifest\.json"):
        read_manifest(path)


def changed(**values: Any) -> bytes:
    return json.dumps({**json.loads(MANIFEST.encode()), **values}).encode()


GOOD = json.loads(MANIFEST.encode())["members"]
BAD: dict[str, tuple[bytes, str]] = {
    "a later format": (changed(format=2), "newer rfid-gateway"),
    "no JSON": (b"{", "not the manifest"),
    "a list": (b"[]", "not the manifest"),
    "no schema": (changed(schema=None), "not the manifest"),
    "another key": (changed(colour="red"), "not the manifest"),
    "a name upwards": (changed(members={**GOOD, "../x": GOOD["gateway.toml"]}), "does not belong"),
    "an absolute name": (changed(members={**GOOD, "/etc/x": GOOD["gateway.toml"]}), "does not belong"),
    "a path of the database": (changed(members={**GOOD, "gateway.db": {**GOOD["gateway.db"], "path": "/x"}}), "path"),
    "no checksum": (changed(members={**GOOD, "gateway.db": {"size": 1, "sha256": "no"}}), "checksum"),
    "a size below nothing": (changed(members={**GOOD, "gateway.db": {**GOOD["gateway.db"], "size": -1}}), "size"),
    "no database": (changed(members={"gateway.toml": GOOD["gateway.toml"]}), "names no gateway.db"),
    "a kind": (changed(kind="perhaps"), "unknown kind"),
    "a time without offset": (changed(made_at="2026-11-25T19:23:16"), "made_at"),
    "no time": (changed(made_at=3), "made_at"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_a_manifest_that_cannot_be_used_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        decode(content)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert decode(MANIFEST.encode()) == MANIFEST
    assert (MANIFEST.size, MANIFEST.made_at_us) == (3_000_017, 1_795_634_596_328_000)


@pytest.mark.parametrize("fail", [lambda: OSError(28, "No space left on device"), KeyboardInterrupt])
def test_a_backup_that_cannot_be_written_leaves_the_old_one(
    archive: Path, tmp_path: Path, fail: Callable[[], BaseException]
) -> None:
    before = archive.read_bytes()
    names = sorted(path.name for path in tmp_path.iterdir())

    def broken(_count: int) -> None:
        raise fail()

    sources = {name: tmp_path / f"source-{name.replace('/', '-')}" for name in CONTENT}
    with pytest.raises((OSError, KeyboardInterrupt)):
        write(archive, MANIFEST, sources, broken)
    assert archive.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == names
