import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.weights import archives
from spacy_elmo.weights import archives as module
from spacy_elmo.weights.archives import unpack

# Nested folders, a name that is not ASCII, an empty file, and one that hardly compresses.
FILES = {
    "model/options.json": b'{"lstm": {}}',
    "model/variables/weights.hdf5": bytes(range(256)) * 40 + os.urandom(3000),
    "größe.txt": b"",
}


def make_zip(
    files: dict[str, bytes], *, streamed: bool = False, infos: list[zipfile.ZipInfo] | None = None
) -> bytes:
    """streamed: sizes come after the data, as Java writes them. infos: members besides the files."""
    target = io.BytesIO()

    class Stream(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return target.write(data)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        with zipfile.ZipFile(Stream() if streamed else target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
            for info in infos or []:
                archive.writestr(info, b"")
    return target.getvalue()


def make_tar(files: dict[str, bytes], *, mode: str = "w", infos: list[tarfile.TarInfo] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0
            archive.addfile(info, io.BytesIO(data))
        for info in infos or []:
            archive.addfile(info)
    return target.getvalue()


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": make_zip,
    "zip of a stream": lambda files: make_zip(files, streamed=True),
    "tar": make_tar,
    "tar.gz": lambda files: make_tar(files, mode="w:gz"),
    "tar.bz2": lambda files: make_tar(files, mode="w:bz2"),
    "tar.xz": lambda files: make_tar(files, mode="w:xz"),
    "pax": lambda files: make_tar({**files, "long/" * 40 + "name": b"x"}, mode="w:gz"),
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Its name does not show its format."""
    return tmp_path / "archive"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(archive: Path, folder: Path, data: bytes, words: str) -> None:
    """Check that nothing is left, inside or outside the folder."""
    archive.write_bytes(data)
    before = set(archive.parent.iterdir())
    with pytest.raises(ValueError, match=words) as caught:
        unpack(archive, folder)
    assert str(archive) in str(caught.value)
    assert set(archive.parent.iterdir()) == before


@pytest.mark.parametrize("packer", PACKERS)
def test_round_trip(packer: str, archive: Path, folder: Path) -> None:
    archive.write_bytes(PACKERS[packer](FILES))
    unpack(archive, folder)
    got = contents(folder)
    assert {name: got[name] for name in FILES} == FILES
    assert len(got) == len(FILES) + (packer == "pax")
    # Not the permissions in the archive, which let nobody read them.
    assert all(path.stat().st_mode & stat.S_IRUSR for path in folder.rglob("*"))


def test_empty_folder(archive: Path, folder: Path) -> None:
    folder.mkdir()
    archive.write_bytes(make_zip(FILES))
    unpack(archive, folder)
    assert contents(folder) == FILES
    with pytest.raises(ValueError, match=r"EL154.*folder' is not empty"):
        unpack(archive, folder)
    assert contents(folder) == FILES
    with pytest.raises(ValueError, match="EL154"):
        unpack(archive, archive)


def test_macos_files(archive: Path, folder: Path) -> None:
    added = {"__MACOSX/model/._options.json": b"x", "model/.DS_Store": b"x"}
    for pack in (make_zip, make_tar):
        archive.write_bytes(pack({**FILES, **added}))
        target = folder / pack.__name__
        unpack(archive, target)
        assert contents(target) == FILES


def test_names_differ_in_case(archive: Path, folder: Path) -> None:
    archive.write_bytes(make_zip({"Readme": b"1", "README": b"2"}))
    unpack(archive, folder)
    assert contents(folder) == {"Readme": b"1", "README": b"2"}


def test_backslashes(archive: Path, folder: Path) -> None:
    archive.write_bytes(make_zip({"model\\options.json": b"{}"}))
    unpack(archive, folder)
    assert contents(folder) == {"model/options.json": b"{}"}


@pytest.mark.parametrize("pack", [make_zip, make_tar])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil", "points outside the folder"),
        ("model/../../evil", "points outside the folder"),
        ("model\\..\\..\\evil", "points outside the folder"),
        ("/tmp/evil", "has an absolute path"),
        ("\\\\host\\evil", "has an absolute path"),
        ("C:\\evil", "has an absolute path"),
        ("c:evil", "has an absolute path"),
        ("line\nbreak", "has a name with control characters"),
        ("x" * 256, "has a name that is too long"),
        ("/".join(["x" * 200] * 6), "has a name that is too long"),
        ("model/options.json", "occurs twice"),
        ("model", "'model' is both a file and a folder"),
        ("größe.txt/x", "'größe.txt' is both a file and a folder"),
    ],
)
def test_refused_names(name: str, reason: str, pack: Any, archive: Path, folder: Path) -> None:
    if pack is make_tar:
        infos: list[Any] = [tarfile.TarInfo(name)]
    else:
        infos = [zipfile.ZipInfo("placeholder")]
        # As other programs write it, because zipfile corrects some names.
        infos[0].filename = infos[0].orig_filename = name
    assert_refused(archive, folder, pack(FILES, infos=infos), f"EL15[23].*{reason}")


def test_a_file_without_a_name(archive: Path, folder: Path) -> None:
    assert_refused(
        archive, folder, make_tar(FILES, infos=[tarfile.TarInfo("./")]), "EL152.*is a file without a name"
    )


def test_zero_byte_in_name(archive: Path, folder: Path) -> None:
    data = make_zip({"good_name.exe": b"x"})
    assert_refused(archive, folder, data.replace(b"good_name.exe", b"good_nam\0.exe"), "EL152.*good_nam.x00.exe")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "is not a regular file"),
        (tarfile.BLKTYPE, "is not a regular file"),
        (tarfile.FIFOTYPE, "is not a regular file"),
        (tarfile.GNUTYPE_SPARSE, "is not a regular file|damaged"),
    ],
)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_tar_of_other_things(kind: bytes, reason: str, mode: str, archive: Path, folder: Path) -> None:
    info = member("model/odd", kind, "/etc/passwd")
    assert_refused(archive, folder, make_tar(FILES, mode=mode, infos=[info]), f"EL15[12].*({reason})")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (stat.S_IFLNK, "is a link"),
        (stat.S_IFIFO, "is not a regular file"),
        (stat.S_IFCHR, "is not a regular file"),
    ],
)
def test_zip_of_other_things(mode: int, reason: str, archive: Path, folder: Path) -> None:
    info = zipfile.ZipInfo("model/odd")
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    assert_refused(archive, folder, make_zip(FILES, infos=[info]), f"EL152.*'model/odd' {reason}")


def test_an_encrypted_zip(archive: Path, folder: Path) -> None:
    data = bytearray(make_zip({"secret": b"x"}))
    # The flag in the member's header and in the directory.
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + place] |= 1
    assert_refused(archive, folder, bytes(data), "EL152.*'secret' is encrypted")


@pytest.mark.parametrize("packer", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_bomb(packer: str, archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_COUNTS_FROM", 1 << 20)
    assert_refused(archive, folder, PACKERS[packer]({"zeros": bytes(3 << 20)}), "EL153.*grows more than 100 times")
    # A small archive may compress to any ratio.
    archive.write_bytes(PACKERS[packer]({"zeros": bytes(1_000_000)}))
    unpack(archive, folder)
    assert contents(folder) == {"zeros": bytes(1_000_000)}


def test_a_bomb_that_lies(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_COUNTS_FROM", 1 << 20)
    size = 3 << 20
    data = make_zip({"zeros": bytes(size)})
    lying = data.replace(struct.pack("<I", size), struct.pack("<I", 10))
    assert lying != data
    assert_refused(archive, folder, lying, "EL15[123]")
    # After the end of a tar, outside all members; and in a header, which is read into memory.
    assert_refused(
        archive, folder, gzip.compress(make_tar(FILES) + bytes(size)), "EL153.*grows more than 100 times"
    )
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, size
    header = name.tobuf(tarfile.GNU_FORMAT)
    # From Python 3.14 on, tarfile reads it piece by piece.
    words = "EL153.*(header is too long|grows more than 100 times)"
    assert_refused(archive, folder, gzip.compress(header + bytes(size) + make_tar(FILES)), words)


def test_measures(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    for pack in PACKERS.values():
        assert_refused(archive, folder, pack({**FILES, "one more": b""}), "EL153.*more than 3 members")
    monkeypatch.setattr(archives, "MOST_BYTES", 10_000)
    for pack in PACKERS.values():
        assert_refused(archive, folder, pack({"large": os.urandom(10_001)}), "EL153.*more than 10,000 bytes")


@pytest.mark.parametrize("packer", PACKERS)
def test_cut_short(packer: str, archive: Path, folder: Path) -> None:
    data = PACKERS[packer](FILES)
    # Behind the end of a plain tar there is padding to 10,240 bytes, of which the first 1024 are the end.
    end = len(data.rstrip(b"\0")) if packer == "tar" else len(data)
    for kept in [*range(1, end, 97), end - 1]:
        assert_refused(archive, folder, data[:kept], "EL15[01]")


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_several_streams(compress: Callable[[bytes], bytes], archive: Path, folder: Path) -> None:
    """Programs that compress in parallel write several streams."""
    data = make_tar(FILES)
    archive.write_bytes(compress(data[:700]) + compress(data[700:]))
    unpack(archive, folder)
    assert contents(folder) == FILES


def test_bounded_memory(archive: Path, folder: Path) -> None:
    packed = lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}])
    good = packed.compress(make_tar(FILES)) + packed.flush()
    archive.write_bytes(good)
    unpack(archive, folder)
    # The header of the block says how large the dictionary is: 4 KiB, then 1.5 GiB; a checksum follows.
    block = bytearray(good[12 : 12 + (good[12] + 1) * 4])
    place = block.index(b"\x21\x01") + 2
    block[place] = 37
    block[-4:] = zlib.crc32(bytes(block[:-4])).to_bytes(4, "little")
    lying = good[:12] + bytes(block) + good[12 + len(block) :]
    assert_refused(archive, archive.parent / "other", lying, "EL153.*more than 268,435,456 bytes of memory")


@pytest.mark.parametrize(
    ("compress", "kind", "command"),
    [
        (lambda data: gzip.compress(data, mtime=0), "gzip", "gunzip"),
        (bz2.compress, "bzip2", "bunzip2"),
        (lzma.compress, "xz", "unxz"),
    ],
)
def test_single_compressed_file(
    compress: Callable[[bytes], bytes], kind: str, command: str, archive: Path, folder: Path, tiny: Path
) -> None:
    data = compress((tiny / "weights.hdf5").read_bytes())
    assert_refused(
        archive,
        folder,
        data,
        rf"EL258.*is compressed \({kind}\).*first: {command} < {archive} > {archive}.unpacked",
    )


def test_tar_cut_between_members(archive: Path, folder: Path) -> None:
    data = make_tar({"a": b"x", "b": b"x"})
    assert_refused(archive, folder, data[:1024], "EL151.*the end is missing")
    damaged = data[:1024] + b"x" * 512 + data[1536:]
    assert_refused(archive, folder, damaged, "EL151.*a header is damaged")


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"text", b"\x1f\x8b", gzip.compress(b"no tar", mtime=0), bytes(1024)]
)
def test_no_archives(data: bytes, archive: Path, folder: Path) -> None:
    assert_refused(archive, folder, data, "EL15[01]")


@pytest.mark.parametrize("packer", PACKERS)
def test_nothing_in_it(packer: str, archive: Path, folder: Path) -> None:
    if packer != "pax":
        assert_refused(archive, folder, PACKERS[packer]({}), "EL15[03]")


def test_unwritable_folder(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(make_zip(FILES))
    with pytest.raises(OSError, match=r"EL142.*SPACY_ELMO_CACHE"):
        unpack(archive, archive / "below a file")


def test_a_disk_that_fills_up(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    archive.write_bytes(make_tar(FILES))
    open_as_ever = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode="r": Full() if "weights" in path.name else open_as_ever(path, mode)
    )
    with pytest.raises(OSError, match=r"EL142.*No space left.*SPACY_ELMO_CACHE"):
        unpack(archive, folder)
    assert not folder.exists()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_random_archives(data: st.DataObject) -> None:
    """Changed bytes give a ValueError or a valid archive. Nothing is written outside, or left after an error."""
    packed = bytearray(PACKERS[data.draw(st.sampled_from(sorted(PACKERS)))](FILES))
    for _ in range(data.draw(st.integers(0, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(len(packed) * 3 // 4, len(packed)))]
    with tempfile.TemporaryDirectory() as top:
        archive, folder = Path(top, "archive"), Path(top, "folder")
        archive.write_bytes(packed)
        error = None
        try:
            unpack(archive, folder)
        except ValueError as caught:
            error = str(caught)
        if error is None:
            assert sorted(os.listdir(top)) == ["archive", "folder"]
            assert all(path.is_dir() or path.is_file() for path in folder.rglob("*"))
            assert not any(path.is_symlink() for path in folder.rglob("*"))
        else:
            # EL258: bzip2 gives the bytes of a block before its checksum, and these may begin as a single file's.
            assert error.startswith(("[EL15", "[EL258"))
            assert os.listdir(top) == ["archive"]
