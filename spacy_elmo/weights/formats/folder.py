"""The package's own format: a folder with options.json and weights.safetensors, or both as bytes."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ...bilm.characters import N_IDS
from ...bilm.options import OPTIONS_NAME, Options
from ...errors import ElmoError, ElmoOSError, Errors
from ...errors.advice import explain_writing
from ...util.atomic import WriteError, atomic_write
from ...util.files import check_readable, check_regular, reading_error
from ..arrays import (
    Arrays,
    Weights,
    all_mix_shapes,
    check_arrays,
    encoder_shapes,
    softmax_shapes,
    warm_state_shapes,
    warn_if_not_finite,
)
from ..sniff import WEIGHTS_NAMES
from .sizes import infer_options, warn_of_inferred

FORMAT = "safetensors"
WEIGHTS_NAME = WEIGHTS_NAMES["safetensors"]
CHECKSUM = "checksum"
_MODEL = "model"
# The array that tells a biLM from other safetensors files.
_CHARACTERS = "char_encoder.embedding.weight"

# numpy has no bfloat16, and weights are not integers: a file with either is refused.
DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


class _Entry(TypedDict):
    """An array in the header of a safetensors file."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class _Header(NamedTuple):
    """The header of a safetensors file.

    arrays (dict[str, _Entry]): What it says of each array.
    metadata (dict[str, str]): What the program that wrote it has added.
    size (int): Bytes from the start of the file to the first array.
    """

    arrays: dict[str, _Entry]
    metadata: dict[str, str]
    size: int


def read(options_path: Path | None, weights_path: Path) -> Weights:
    """Read the weights of a folder, memory-mapped: processes share the pages of the file.

    Writing to an array changes this process's copy of the page, never the file.

    options_path (Path | None): The file of the options; None: the arrays determine the sizes, and the rest is as
        in published models.
    weights_path (Path): The file of the arrays.
    RETURNS (Weights): Options and arrays.
    RAISES (ElmoError): If a file is damaged, is not a biLM, or the two contradict each other.
    """
    options, path = None if options_path is None else Options.from_file(options_path), str(weights_path)
    arrays, stored = _map_arrays(weights_path)
    if stored is not None:
        _check_checksum(arrays, stored, path=path)
    if options is None:
        if _CHARACTERS not in arrays:
            raise ElmoError(Errors.EL135.format(path=path, name=_CHARACTERS, got="is missing"))
        if _has_vocabulary(arrays):
            raise ElmoError(Errors.EL297.format(path=path))
        options = infer_options(arrays, path=path)
    weights = _make_weights(options, arrays, path=path, options_path=str(options_path or path))
    if options_path is None:
        warn_of_inferred(weights.options, path=path)
    return weights


def _has_vocabulary(arrays: Arrays) -> bool:
    return "char_encoder.word_embedding.weight" in arrays or arrays[_CHARACTERS].shape[:1] != (N_IDS,)


def holds_bilm(path: Path) -> bool | None:
    """Check for a biLM's weights by the name of an array; safetensors files may hold anything.

    path (Path): A safetensors file.
    RETURNS (bool | None): Whether the file looks like a biLM's weights; None if it is damaged, and may be one.
    """
    try:
        check_readable(path)
        with safetensors.safe_open(path, framework="numpy") as file:
            return _CHARACTERS in file.keys()  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        return None if reading_error(path, error) is None else False


def write_folder(folder: Path, options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write options.json and weights.safetensors.

    Each file appears complete or not at all, and replaces a file of the same name.

    folder (Path): The folder; it is created if it does not exist. Its other files stay.
    options (Options): The options of the model.
    arrays (Mapping[str, NDArray]): The arrays of the model.
    RAISES (OSError): If a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error.errno, error.strerror or str(error)) from error
    path = folder / WEIGHTS_NAME
    try:
        with atomic_write(path, in_folder=True) as temporary:
            safetensors.numpy.save_file(dict(arrays), temporary, metadata={CHECKSUM: checksum(arrays)})
    except (OSError, safetensors.SafetensorError) as error:
        raise ElmoOSError(Errors.EL092.format(path=path, **explain_writing(error))) from error
    with atomic_write(folder / OPTIONS_NAME) as temporary:
        temporary.write_text(options.to_json(), "utf-8")


def remove_folder(folder: Path) -> None:
    """Remove the files of `write_folder`, and the folder if nothing else is in it.

    folder (Path): The folder; it need not exist.
    """
    for name in (OPTIONS_NAME, WEIGHTS_NAME):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def to_bytes(options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> bytes:
    """Write options and arrays as bytes: a safetensors file with the options inside.

    options (Options): The options of the model.
    arrays (Mapping[str, NDArray]): The arrays of the model.
    RETURNS (bytes): The input of `from_bytes`.
    """
    # One entry, because the library writes several in any order, and a model must always give the same bytes.
    model = {"options": options.to_json(), CHECKSUM: checksum(arrays)}
    return safetensors.numpy.save(dict(arrays), metadata={_MODEL: json.dumps(model)})


def from_bytes(data: bytes, *, where: str) -> Weights:
    """Read what `to_bytes` has written.

    data (bytes): The bytes.
    where (str): Where they are from, for messages.
    RETURNS (Weights): Options and arrays.
    RAISES (ElmoError): If the bytes are damaged.
    """
    try:
        arrays = safetensors.numpy.load(data)
        metadata = _parse_header(data).metadata
        # Earlier versions wrote the options alone.
        metadata = json.loads(metadata[_MODEL]) if _MODEL in metadata else metadata
        options = metadata["options"]
    except (KeyError, ValueError, safetensors.SafetensorError) as error:
        raise ElmoError(Errors.EL023.format(path=where, reason=error)) from error
    if CHECKSUM in metadata:
        _check_checksum(arrays, metadata[CHECKSUM], path=where)
    return _make_weights(Options.from_json(options, where=where), arrays, path=where, options_path=where)


def checksum(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Compute a CRC-32 of names, dtypes, shapes and numbers.

    arrays (Mapping[str, NDArray]): The arrays, in any order.
    RETURNS (str): The checksum as it is stored.
    """
    found = 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), found)
        found = zlib.crc32(array.reshape(-1).view(np.uint8).data, found)
    return f"crc32:{found:08x}"


def read_checksum(path: Path) -> str | None:
    """Read the checksum that was stored with the weights.

    path (Path): A safetensors file that has been read before.
    RETURNS (str | None): The checksum; None if there is none, as from earlier versions and other programs.
    """
    return _read_header(path).metadata.get(CHECKSUM)


def read_dtypes(path: Path) -> list[str]:
    """Read the dtypes of the weights.

    path (Path): A safetensors file that has been read before.
    RETURNS (list[str]): The names of the dtypes, the smallest first.
    """
    found = {entry["dtype"] for entry in _read_header(path).arrays.values()}
    return [np.dtype(dtype).name for name, dtype in DTYPES.items() if name in found]


def _check_checksum(arrays: Arrays, expected: str, *, path: str) -> None:
    if checksum(arrays) != expected:
        raise ElmoError(Errors.EL181.format(path=path))


def _make_weights(options: Options, arrays: Arrays, *, path: str, options_path: str) -> Weights:
    options = options.match_projection(arrays)
    optional = [
        *all_mix_shapes(options, arrays),
        warm_state_shapes(options),
        softmax_shapes(options, arrays),
    ]
    check_arrays(
        arrays, encoder_shapes(options), optional=optional, path=path, options_path=options_path, format=FORMAT
    )
    warn_if_not_finite(arrays, path=path)
    return Weights(options=options, arrays=arrays, source=path, format=FORMAT)


def _map_arrays(path: Path) -> tuple[Arrays, str | None]:
    """RETURNS (tuple[Arrays, str | None]): Views into the mapped file, and the stored checksum."""
    check_regular(path)
    try:
        # The library checks the header: sizes, offsets, no gaps and no overlaps. It copies what it reads for
        # numpy, though, so the arrays themselves are views into a memory map of the same file.
        with safetensors.safe_open(path, framework="numpy"):
            pass
        data = np.memmap(path, dtype=np.uint8, mode="c")
    except (safetensors.SafetensorError, OSError) as error:
        # The library calls a file damaged that the system refuses to open, or that Git LFS has left out.
        check_readable(path)
        refused = reading_error(path, error)
        raise refused or ElmoError(Errors.EL023.format(path=path, reason=error)) from error
    header = _parse_header(data)
    body = data[header.size :]
    arrays: Arrays = {}
    for name, entry in header.arrays.items():
        dtype = DTYPES.get(entry["dtype"])
        if dtype is None:
            raise ElmoError(Errors.EL021.format(path=path, name=name, got=entry["dtype"]))
        start, end = entry["data_offsets"]
        array = np.asarray(body[start:end]).view(dtype).reshape(entry["shape"])
        arrays[name] = array if array.flags.aligned else array.copy()
    return arrays, header.metadata.get(CHECKSUM)


def _read_header(path: Path) -> _Header:
    return _parse_header(np.memmap(path, dtype=np.uint8, mode="r"))


def _parse_header(data: bytes | NDArray[np.uint8]) -> _Header:
    """RETURNS (_Header): The header of a safetensors file that the library has checked."""
    end = 8 + int.from_bytes(bytes(data[:8]), "little")
    entries = json.loads(bytes(data[8:end]))
    metadata = entries.pop("__metadata__", {})
    return _Header(entries, metadata, end)
