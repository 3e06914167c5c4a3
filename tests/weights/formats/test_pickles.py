import io
import os
import pickle
import re
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spacy_elmo.util.files import LFS_POINTER
from spacy_elmo.weights.formats.pickles import is_torch_file, read_tensors, read_texts

FORMATS = ["zip", "old"]
HUGE = 10**13


def to_bytes(data: Any, format: str) -> bytes:
    buffer = io.BytesIO()
    torch.save(data, buffer, _use_new_zipfile_serialization=format == "zip")
    return buffer.getvalue()


def save(folder: Path, data: Any, format: str) -> Path:
    path = folder / "weights.th"
    path.write_bytes(to_bytes(data, format))
    return path


def edit(data: bytes, old: bytes, new: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A file of either format with other content in its pickle."""
    if data[:2] != b"PK":
        assert data.count(old) == 1
        return data.replace(old, new)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w", compression) as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):
                assert content.count(old) == 1
                content = content.replace(old, new)
            target.writestr(name, content)
    return buffer.getvalue()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    values = torch.arange(6.0).reshape(2, 3) / 4
    return OrderedDict(
        half=values.half(),
        single=values,
        double=values.double(),
        integers=torch.tensor([1, -(2**62)]),
        flags=torch.tensor([True, False]),
        turned=values.T,
        part=torch.arange(100.0)[7:9],
        tied=values,
        learnt=torch.nn.Parameter(values),
        one=torch.tensor(2.5),
        none=torch.zeros(0, 3),
    )


@pytest.mark.parametrize("format", FORMATS)
def test_arrays(tmp_path: Path, tensors: dict[str, torch.Tensor], format: str) -> None:
    arrays = read_tensors(save(tmp_path, tensors, format))
    assert list(arrays) == list(tensors)
    for name, tensor in tensors.items():
        expected = tensor.detach().numpy()
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)


@pytest.mark.parametrize("format", FORMATS)
def test_bfloat16(tmp_path: Path, format: str) -> None:
    values = torch.tensor([1.5, -3e38, 2.0**-130], dtype=torch.bfloat16)
    array = read_tensors(save(tmp_path, {"a": values}, format))["a"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values.float().numpy())


@pytest.mark.parametrize("format", FORMATS)
def test_saved_on_a_gpu(tmp_path: Path, format: str) -> None:
    data = edit(to_bytes({"a": torch.arange(4.0)}, format), text("cpu"), text("cuda:0"))
    path = tmp_path / "weights.th"
    path.write_bytes(data)
    assert b"cuda:0" in path.read_bytes()
    np.testing.assert_array_equal(read_tensors(path)["a"], [0, 1, 2, 3])


@pytest.mark.parametrize("case", ["char", "word_char"])
@pytest.mark.parametrize("name", ["encoder.pkl", "token_embedder.pkl"])
def test_pytorch_1_1(parity: Path, case: str, name: str) -> None:
    path = parity / "manylangs" / case / name
    assert (b"cuda:0" in path.read_bytes()) == (case == "word_char")
    arrays = read_tensors(path)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    # The content of the file, except names and shapes.
    assert 0 < path.stat().st_size - sum(array.nbytes for array in arrays.values()) < 300 * (len(arrays) + 1)


def test_zip_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped: list[bool] = []
    load = torch.load

    def spy(*arguments: Any, **options: Any) -> Any:
        mapped.append(options["mmap"])
        return load(*arguments, **options)

    monkeypatch.setattr(torch, "load", spy)
    path = save(tmp_path, {"a": torch.arange(4.0)}, "zip")
    before = path.read_bytes()
    read_tensors(path)["a"][:] = 7
    assert mapped == [True]
    assert path.read_bytes() == before


def test_texts(tmp_path: Path) -> None:
    for format in FORMATS:
        assert "some.name" in read_texts(save(tmp_path, {"some.name": torch.zeros(1)}, format))


class Code:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("format", [*FORMATS, *range(pickle.HIGHEST_PROTOCOL + 1)])
def test_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Any) -> None:
    data = {"a": torch.zeros(1), "b": Code(tmp_path / "made")}
    path = tmp_path / "weights.th"
    path.write_bytes(to_bytes(data, format) if format in FORMATS else pickle.dumps(data["b"], format))
    forbid(monkeypatch)
    for read in (read_tensors, read_texts):
        with pytest.raises(ValueError, match=rf"EL160.*asks for {os.name}\.system.*nothing in it was run"):
            read(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("steps", "asked"),
    [
        (b"(ios\nsystem\n" + text("touch made") + b"t", r"os\.system"),
        (b"ctorch.hub\nload\n)R", r"torch\.hub\.load"),
        (b"cbuiltins\nbytearray\n" + number(HUGE) + b"\x85R", r"builtins\.bytearray"),
        (b"ctorch\nevil.FloatStorage\n", r"torch\.evil\.FloatStorage"),
        (b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n", r"torch\._utils\._rebuild_tensor_v2\.__globals__"),
    ],
)
def test_refuses_other_content(tmp_path: Path, steps: bytes, asked: str) -> None:
    path = tmp_path / "weights.th"
    path.write_bytes(b"\x80\x02}" + text("a") + steps + b"s.")
    with pytest.raises(ValueError, match=f"EL160.*asks for {asked}, which"):
        read_tensors(path)


def test_whole_module(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"EL160.*asks for torch\.nn\.modules\.linear\.Linear.*state_dict"):
        read_tensors(save(tmp_path, torch.nn.Linear(2, 2), "zip"))


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if PyTorch is given the file."""

    def load(*arguments: Any, **options: Any) -> NoReturn:
        raise AssertionError("torch.load was called")

    monkeypatch.setattr(torch, "load", load)


@pytest.mark.parametrize("format", FORMATS)
def test_huge_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    path = tmp_path / "weights.th"
    # 11 numbers are stored, and none of the other numbers in the pickle is 11.
    path.write_bytes(edit(to_bytes({"a": torch.zeros(11)[:3]}, format), b"K\x0b", number(HUGE)))
    forbid(monkeypatch)
    with pytest.raises(ValueError, match=r"EL161.*it claims more numbers than it contains"):
        read_tensors(path)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("claimed", [1000, 100_000])
def test_storage_beyond_file(tmp_path: Path, format: str, claimed: int) -> None:
    path = tmp_path / "weights.th"
    data = to_bytes({"a": torch.zeros(11)[:3]}, format)
    data = edit(edit(data, b"K\x0b", number(claimed)), b"K\x03\x85", number(claimed) + b"\x85")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="EL161"):
        read_tensors(path)


@pytest.mark.parametrize("format", FORMATS)
def test_repeated_number(tmp_path: Path, format: str) -> None:
    """Such a tensor needs no space until it is copied."""
    one = torch.zeros(1)
    for shape in [(1000, 1000), (1 << 20, 1 << 20, 1 << 20)]:
        with pytest.raises(ValueError, match=r"EL161.*its tensors have more numbers than it contains"):
            read_tensors(save(tmp_path, {"a": one.expand(shape)}, format))


def test_a_compressed_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.th"
    data = to_bytes({"a": torch.zeros(10**6)}, "zip")
    path.write_bytes(edit(data, text("cpu"), text("cpu"), zipfile.ZIP_DEFLATED))
    forbid(monkeypatch)
    with pytest.raises(ValueError, match=r"EL161.*it is compressed"):
        read_tensors(path)


@pytest.mark.parametrize("format", FORMATS)
def test_truncated(tmp_path: Path, tensors: dict[str, torch.Tensor], format: str) -> None:
    path = tmp_path / "weights.th"
    data = to_bytes(tensors, format)
    for end in [*range(0, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:end])
        with pytest.raises(ValueError, match=rf"EL161.*weights\.th' cannot be read.*Its size is {end:,} bytes"):
            read_tensors(path)


# Damaged, not allowed, a pointer of Git LFS (hypothesis knows the strings in our code), or whole and of other
# things than tensors, which a changed byte may make of them.
REFUSED = "EL16[01]|EL299|EL302"


@pytest.fixture(scope="module", params=FORMATS)
def whole(request: pytest.FixtureRequest) -> bytes:
    """A file, saved once: PyTorch writes addresses into it, so that no two are alike."""
    return to_bytes({"a": torch.arange(5.0), "b": torch.ones(2, 2)}, request.param)


@settings(deadline=None)
@given(data=st.data())
def test_damaged(tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject) -> None:
    """Other numbers may come out of a damaged file, but no other errors."""
    content = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        arrays = read_tensors(path)
    except ValueError as error:
        assert re.search(REFUSED, str(error))  # noqa: PT017
    else:
        assert sum(array.nbytes for array in arrays.values()) <= 4 * len(content)


@settings(deadline=None)
@example(content=LFS_POINTER)
@given(content=st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda tail: b"\x80\x02" + tail)))
def test_garbage(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=REFUSED):
        read_tensors(path)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "data",
    [
        [torch.zeros(1)],
        torch.zeros(1),
        {"model": {"a": torch.zeros(1)}, "epoch": 3},
        {"a": torch.zeros(1), "b": 1.5},
        {1: torch.zeros(1)},
        None,
    ],
)
def test_not_named_tensors(tmp_path: Path, data: Any, format: str) -> None:
    with pytest.raises(ValueError, match=r"EL302.*has other things than named tensors: "):
        read_tensors(save(tmp_path, data, format))


def test_a_program_of_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, {"a": torch.zeros(1)}, "zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(archive.namelist()[0].split("/")[0] + "/constants.pkl", b"\x80\x02).")
    forbid(monkeypatch)
    with pytest.raises(ValueError, match=r"EL161.*made with TorchScript"):
        read_tensors(path)


def test_message_without_unsafe_advice(tmp_path: Path) -> None:
    """PyTorch's messages recommend weights_only=False."""
    path = tmp_path / "weights.th"
    path.write_bytes(edit(to_bytes({"a": torch.zeros(3)}, "old"), b"_rebuild_tensor_v2", b"_rebuild_parameter"))
    with pytest.raises(ValueError, match="EL161") as caught:
        read_tensors(path)
    assert "weights_only" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "weights.th")


def test_tar_like_pickles(tmp_path: Path) -> None:
    """Its first name is five empty pickles, after which PyTorch would unpack it as a tar."""
    path = tmp_path / "token_embedder.pkl"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("....."))
    with pytest.raises(ValueError, match=r"EL161.*not a PyTorch file") as caught:
        read_tensors(path)
    assert "weights_only" not in str(caught.value)


def repack(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    """Rewrite one of PyTorch's zips with changed records."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in records.items():
            archive.writestr(name, change(name, data))


@pytest.mark.parametrize("missing", [4, 1, 48])
def test_a_record_that_is_cut(tmp_path: Path, missing: int) -> None:
    """In a mapped file, its tensor would continue into the next record."""
    path = tmp_path / "weights.pkl"
    torch.save({"a": torch.arange(12.0), "b": torch.ones(3, 4), "c": torch.ones(3).half()}, path)
    assert read_tensors(path)["a"].tolist() == list(range(12))
    repack(path, lambda name, data: data[:-missing] if name.endswith("data/0") else data)
    with pytest.raises(ValueError, match=rf"EL161.*data/0' has {48 - missing} bytes, expected 48"):
        read_tensors(path)


def test_tied_tensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    whole = torch.arange(12.0)
    state = {"a": whole, "tied": whole, "part": whole[3:6], "turned": whole.reshape(3, 4).T, "none": torch.ones(0)}
    state.update(
        byte=torch.ones(2, dtype=torch.bfloat16), number=torch.tensor(3), parameter=torch.nn.Parameter(whole)
    )
    torch.save(state, path)
    read = read_tensors(path)
    assert read["part"].tolist() == [3, 4, 5]
    assert read["turned"].tolist() == whole.reshape(3, 4).T.tolist()
    assert read["none"].shape == (0,)
    assert read["byte"].tolist() == [1, 1]


@pytest.mark.parametrize("format", FORMATS)
def test_files_of_torch(tmp_path: Path, tensors: dict[str, torch.Tensor], format: str) -> None:
    assert is_torch_file(save(tmp_path, tensors, format))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_files_of_others(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "corpus.pkl"
    path.write_bytes(pickle.dumps(["a"] * 100, protocol=protocol))
    assert not is_torch_file(path)
