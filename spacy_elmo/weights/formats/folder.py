"""Our own format: a folder with options.json and weights.safetensors, or both as bytes."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ...bilm.options import OPTIONS_NAME, Options
from ...errors import ElmoError, ElmoOSError, Errors
from ...util.atomic import WriteError, atomic_write
from ...util.files import check_readable, reading_error
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

FORMAT = "safetensors"
WEIGHTS_NAME = "weights.safetensors"
CHECKSUM = "checksum"
_MODEL = "model"

# bfloat16 has no numpy dtype, and integers are no weights: both are left out, and named where they occur.
DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


def read(options_path: Path, weights_path: Path) -> Weights:
    """Weights of our folder, memory-mapped: the pages are the file's own, shared between processes.

    Writing to an array changes this process's copy of the page, never the file.
    RAISES (ElmoError): If the file is damaged, no biLM, or contradicts the options.
    """
    options = Options.from_file(options_path)
    arrays = _map_arrays(weights_path)
    _check_sum(arrays, stored_checksum(weights_path), path=str(weights_path))
    return _checked(options, arrays, path=str(weights_path), options_path=str(options_path))


def holds_bilm(path: Path) -> bool:
    """Whether the file looks like a biLM's weights, and not like something else that safetensors is used for."""
    try:
        check_readable(path)
        with safetensors.safe_open(path, framework="numpy") as file:
            return "char_encoder.embedding.weight" in file.keys()  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError):
        return False


def write_folder(folder: Path, options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write options.json and weights.safetensors into the folder, which is made if need be.

    Each file appears complete or not at all, and replaces one of its name; others in the folder stay.
    RAISES (OSError): If they cannot be written.
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
        reason = getattr(error, "reason", error)
        raise ElmoOSError(Errors.EL092.format(path=path, reason=reason)) from error
    with atomic_write(folder / OPTIONS_NAME) as temporary:
        temporary.write_text(options.to_json(), "utf-8")


def remove_folder(folder: Path) -> None:
    """Take away what `write_folder` has written. If anything else is in the folder, it stays."""
    for name in (OPTIONS_NAME, WEIGHTS_NAME):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def to_bytes(options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> bytes:
    """Options and arrays as one string of bytes, for `from_bytes`: a safetensors file with the options inside."""
    # One entry: the library writes several in any order, and the same model is to give the same bytes.
    model = {"options": options.to_json(), CHECKSUM: checksum(arrays)}
    return safetensors.numpy.save(dict(arrays), metadata={_MODEL: json.dumps(model)})


def from_bytes(data: bytes, *, where: str) -> Weights:
    """The inverse of `to_bytes`. where: for messages.

    RAISES (ElmoError): If the bytes are damaged.
    """
    try:
        arrays = safetensors.numpy.load(data)
        metadata = _header(data)["__metadata__"]
        # Earlier versions wrote the options alone.
        metadata = json.loads(metadata[_MODEL]) if _MODEL in metadata else metadata
        options = metadata["options"]
    except (KeyError, ValueError, safetensors.SafetensorError) as error:
        raise ElmoError(Errors.EL023.format(path=where, reason=error)) from error
    _check_sum(arrays, metadata.get(CHECKSUM), path=where)
    return _checked(Options.from_json(options, where=where), arrays, path=where, options_path=where)


def checksum(arrays: Mapping[str, NDArray[Any]]) -> str:
    """CRC-32 over names, types, shapes and numbers, whatever the order."""
    found = 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), found)
        found = zlib.crc32(array.reshape(-1).view(np.uint8).data, found)
    return f"crc32:{found:08x}"


def stored_checksum(path: Path) -> str | None:
    """What was written with the weights; None: nothing, as by earlier versions and other programs."""
    found: str | None = _stored_header(path).get("__metadata__", {}).get(CHECKSUM)
    return found


def stored_dtypes(path: Path) -> list[str]:
    """The types of the numbers in a file that `write_folder` has written, the smallest first."""
    found = {entry["dtype"] for name, entry in _stored_header(path).items() if name != "__metadata__"}
    return [np.dtype(dtype).name for name, dtype in DTYPES.items() if name in found]


def _stored_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        size = file.read(8)
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(size, "little")))
    return header


def _check_sum(arrays: Arrays, expected: str | None, *, path: str) -> None:
    if expected is not None and checksum(arrays) != expected:
        raise ElmoError(Errors.EL181.format(path=path))


def _checked(options: Options, arrays: Arrays, *, path: str, options_path: str) -> Weights:
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


def _map_arrays(path: Path) -> Arrays:
    check_readable(path)
    try:
        # The library checks the header: sizes, offsets, no gaps and no overlaps. It copies what it reads for
        # numpy, though, so the arrays themselves are views into a memory map of the same file.
        with safetensors.safe_open(path, framework="numpy"):
            pass
        data = np.memmap(path, dtype=np.uint8, mode="c")
    except (safetensors.SafetensorError, OSError) as error:
        refused = reading_error(path, error)
        raise refused or ElmoError(Errors.EL023.format(path=path, reason=error)) from error
    body = data[8 + _header_size(data) :]
    arrays: Arrays = {}
    for name, entry in _header(data).items():
        if name == "__metadata__":
            continue
        dtype = DTYPES.get(entry["dtype"])
        if dtype is None:
            raise ElmoError(Errors.EL021.format(path=path, name=name, got=entry["dtype"]))
        start, end = entry["data_offsets"]
        array = np.asarray(body[start:end]).view(dtype).reshape(entry["shape"])
        arrays[name] = array if array.flags.aligned else array.copy()
    return arrays


def _header_size(data: Any) -> int:
    return int.from_bytes(bytes(data[:8]), "little")


def _header(data: Any) -> dict[str, Any]:
    """The JSON at the start of a safetensors file, which the library has checked."""
    header: dict[str, Any] = json.loads(bytes(data[8 : 8 + _header_size(data)]))
    return header
