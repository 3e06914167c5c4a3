"""PyTorch's pickles of named tensors. Nothing else is read from them, and code in them is never run."""

import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bilm.fields import show
from ...errors import Errors
from ...util.files import check_readable, reading_error

if TYPE_CHECKING:
    import torch

# All that a dict of tensors asks Python for (torch/_utils.py, torch/serialization.py).
_HARMLESS = re.compile(
    r"collections OrderedDict|torch \w+Storage|torch\._utils _rebuild_(tensor|tensor_v2|parameter)", re.ASCII
)
# The old format is five pickles, then the numbers: a mark, a version, the sizes of C's types, the tensors, and
# the names of what they are stored in. The mark is one very large number.
_OLD_PICKLES, _MARK = 5, 0
_MAGIC = 0x1950A86A20F9469CFC6C
# Numbers in a pickle of tensors are sizes, or positions in the file. Others, such as versions, are small.
_SMALL = 1 << 20
# A model that ties weights shows a tensor under several names, but not under many.
_MOST_NAMES = 4
# Bytes of a number in each of PyTorch's storages.
_ITEM_SIZES = {
    **dict.fromkeys(("UntypedStorage", "BoolStorage", "ByteStorage", "CharStorage"), 1),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    "ComplexDoubleStorage": 16,
}


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a state_dict by their names; where PyTorch wrote a zip, they are mapped into memory.

    RAISES: ValueError if the pickle asks for more than tensors, claims more numbers than the file holds, is
        damaged or holds something else.
    """
    check_readable(path)
    size = path.stat().st_size
    read_texts(path)
    try:
        if _is_zip(path):
            _check_records(path)
        tensors = _load(path)
        # A tensor may repeat one number without end, in no space. A copy of it takes space.
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > _MOST_NAMES * size:
            raise ValueError("it shows more numbers than it holds")
        return {name: _to_numpy(tensor) for name, tensor in tensors.items()}
    except Exception as error:  # damaged files fail in every way there is
        raise _explain(path, error) from error


def read_texts(path: Path) -> list[str]:
    """Every text in the pickle, names of tensors among them. The pickle is looked through, not unpickled.

    RAISES: ValueError if it asks for more than tensors, claims too large numbers, or is damaged.
    """
    most = max(path.stat().st_size, _SMALL)
    found: list[str] = []
    try:
        for number, opcode, argument in _iter_opcodes(path):
            if opcode == "STACK_GLOBAL":
                argument = " ".join(found[-2:])
            if opcode in ("GLOBAL", "STACK_GLOBAL", "INST"):
                if not _HARMLESS.fullmatch(argument):
                    raise _RefusedError(argument)
            elif isinstance(argument, str):
                found.append(argument)
            elif isinstance(argument, int) and argument > most and number != _MARK:
                raise ValueError("it claims more numbers than it holds")
    except _RefusedError as error:
        raise ValueError(Errors.EL160.format(path=path, asked=show(str(error).replace(" ", ".")))) from None
    except MemoryError as error:
        # Nothing large has been asked for but by the file itself.
        raise _explain(path, ValueError("it claims more than it holds")) from error
    except Exception as error:  # as above
        raise _explain(path, error) from error
    return found


class _RefusedError(Exception):
    """What a pickle asks for."""


class _Storages(pickle.Unpickler):
    """Reads which stored records a pickle of tensors asks for. Nothing that it names is looked up or called."""

    def __init__(self, file: IO[bytes]):
        super().__init__(file)
        # Bytes that it takes each record to have, by the record's name.
        self.claimed: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if name == "OrderedDict" else type(name, (_Inert,), {})

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, number = pid
        self.claimed[str(key)] = number * _ITEM_SIZES[kind.__name__]


class _Inert:
    def __new__(cls, *args: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def _check_records(path: Path) -> None:
    """RAISES: ValueError unless each record of a zip has the size that the pickle says: in a mapped file, tensors
    of one that is cut short would go on with what follows."""
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        name = next(name for name in sizes if name.split("/")[-1] == "data.pkl")
        with archive.open(name) as file:
            storages = _Storages(file)
            storages.load()
    for key, claimed in storages.claimed.items():
        record = f"{name.removesuffix('data.pkl')}data/{key}"
        if sizes.get(record) != claimed:
            raise ValueError(f"its record '{record}' has {sizes.get(record, 0):,} bytes, expected {claimed:,}")


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _iter_opcodes(path: Path) -> Iterator[tuple[int, str, Any]]:
    """The opcodes of a file's pickles: the pickle's number in the old format, the opcode's name, its argument."""
    with path.open("rb") as file:
        if not _is_zip(path):
            for number in range(_OLD_PICKLES):
                has_mark = number != _MARK
                for opcode, argument, _ in pickletools.genops(file):
                    has_mark = has_mark or argument == _MAGIC
                    yield number, opcode.name, argument
                # Without it, PyTorch would try whether the file is a tar, and unpack that.
                if not has_mark:
                    raise ValueError("it is no file of PyTorch's")
            return
        with zipfile.ZipFile(file) as archive:
            # PyTorch stores without compression; what is compressed may have no end.
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("it is compressed")
            names = {name: name.split("/")[-1] for name in archive.namelist()}
            # Old versions of PyTorch would load a program, whatever they are told.
            if "constants.pkl" in names.values():
                raise ValueError("it is a program, made with TorchScript")
            for name, last in names.items():
                if last == "data.pkl":
                    for opcode, argument, _ in pickletools.genops(archive.read(name)):
                        yield _OLD_PICKLES, opcode.name, argument


def _load(path: Path) -> dict[str, "torch.Tensor"]:
    import torch

    # In a mapped file, no tensor reaches beyond the end, whatever it claims. Old versions of PyTorch, where
    # they read the file, let tensors reach into other memory.
    tensors = torch.load(str(path), map_location="cpu", weights_only=True, mmap=_is_zip(path))
    named = isinstance(tensors, dict) and all(isinstance(name, str) for name in tensors)
    if not named or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise ValueError("it holds something else than named tensors")
    return dict(tensors)


def _to_numpy(tensor: "torch.Tensor") -> NDArray[Any]:
    import torch

    # NumPy lacks this type; every such number is one of float32, too.
    exact = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array: NDArray[Any] = exact.numpy(force=True)
    return np.require(array, requirements="A")


def _explain(path: Path, error: Exception) -> Exception:
    refused = reading_error(path, error)
    if refused is not None:
        return refused
    # PyTorch's own words recommend reading such a file without safeguards.
    plain = str(error).strip().split("\n")[0] or type(error).__name__
    is_advice = isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error)
    reason = "it is no pickle of tensors" if is_advice else plain
    return ValueError(Errors.EL161.format(path=path, reason=reason, size=path.stat().st_size))
