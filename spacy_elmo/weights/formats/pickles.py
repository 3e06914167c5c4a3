"""Safe reading of PyTorch's pickles: nothing but named tensors is read, and no code in them is run."""

import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...bilm.fields import show
from ...errors import ElmoError, Errors, ReasonError
from ...util.files import check_readable, read_bytes, reading_error
from .torch_names import Tensors

if TYPE_CHECKING:
    import torch

# The only globals in a pickle of tensors (torch/_utils.py, torch/serialization.py).
_HARMLESS = re.compile(
    r"collections OrderedDict|torch \w+Storage|torch\._utils _rebuild_(tensor|tensor_v2|parameter)", re.ASCII
)
# The old format is five pickles, then the numbers: a magic number, a version, the sizes of C's types, the tensors,
# and the names of their storages.
_OLD_PICKLES, _MAGIC_PICKLE = 5, 0
_MAGIC = 0x1950A86A20F9469CFC6C
# Integers in a pickle of tensors are sizes, or positions in the file. Others, such as versions, are small.
_SMALL = 1 << 20
# A model that ties weights has a tensor under several names, but not under many.
_MOST_NAMES = 4
# The code of the error for a file that cannot be read.
DAMAGED = "EL161"
# Of what a message names.
_MOST_SHOWN = 6
# The bytes of a number in each of PyTorch's storages.
_ITEM_SIZES = {
    **dict.fromkeys(("UntypedStorage", "BoolStorage", "ByteStorage", "CharStorage"), 1),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    "ComplexDoubleStorage": 16,
}


def read_tensors(path: Path) -> Tensors:
    """Read a state_dict. If PyTorch wrote a zip, its arrays are memory-mapped.

    path (Path): The file.
    RETURNS (Tensors): The arrays by their names.
    RAISES (ElmoError): If the pickle needs more than tensors, claims more numbers than the file holds, is damaged
        or holds something else.
    """
    check_readable(path)
    size = path.stat().st_size
    read_texts(path)
    try:
        if _is_zip(path):
            _check_records(path)
        tensors = _load(path)
        # A tensor can repeat one stored number any number of times; a copy of it would fill the memory.
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > _MOST_NAMES * size:
            raise ReasonError("its tensors have more numbers than it contains")
        return {name: _to_numpy(tensor) for name, tensor in tensors.items()}
    except ElmoError:
        raise
    except Exception as error:  # damaged files fail in many ways
        raise _explain(path, error) from error


def is_torch_file(path: Path) -> bool:
    """Check whether PyTorch wrote a pickle, by its first bytes: others may be large, and are not looked through.

    path (Path): A pickle.
    RETURNS (bool): Whether it is one of PyTorch's zips, or begins with its magic number.
    RAISES (OSError): If the system refuses access.
    """
    return _is_zip(path) or _MAGIC.to_bytes(10, "little") in read_bytes(path, n_bytes=32)


def read_texts(path: Path) -> list[str]:
    """List the strings in a pickle, among them the names of tensors, without unpickling it.

    path (Path): The file.
    RETURNS (list[str]): The strings.
    RAISES (ElmoError): If the pickle needs more than tensors, claims too large numbers, or is damaged.
    """
    most = max(path.stat().st_size, _SMALL)
    found: list[str] = []
    try:
        for number, opcode, argument in _iter_opcodes(path):
            if opcode == "STACK_GLOBAL":
                argument = " ".join(found[-2:])
            if opcode in ("GLOBAL", "STACK_GLOBAL", "INST"):
                if not _HARMLESS.fullmatch(str(argument)):
                    raise _RefusedError(argument)
            elif isinstance(argument, str):
                found.append(argument)
            elif isinstance(argument, int) and argument > most and number != _MAGIC_PICKLE:
                raise ReasonError("it claims more numbers than it contains")
    except _RefusedError as error:
        raise ElmoError(Errors.EL160.format(path=path, asked=show(str(error).replace(" ", ".")))) from None
    except MemoryError as error:
        # Only the file itself can have caused so large a request.
        raise _explain(path, ReasonError("it claims more than it contains")) from error
    except Exception as error:  # as above
        raise _explain(path, error) from error
    return found


class _RefusedError(Exception):
    """A pickle needs something that is not a tensor."""


class _Storages(pickle.Unpickler):
    """Finds the stored records that a pickle of tensors uses. Nothing that it names is imported or called."""

    def __init__(self, file: IO[bytes]):
        super().__init__(file)
        # The bytes that it expects in each record.
        self.claimed: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> type:
        return OrderedDict if name == "OrderedDict" else type(name, (_Inert,), {})

    def persistent_load(self, pid: tuple[str, type, object, object, int]) -> None:
        _, kind, key, _, number = pid
        self.claimed[str(key)] = number * _ITEM_SIZES[kind.__name__]


class _Inert:
    """Replaces every class, and ignores what it is given."""

    def __new__(cls, *args: object) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


def _check_records(path: Path) -> None:
    """Compare the size of each record of a zip with the pickle's.

    In a mapped file, tensors of a record that is too short would continue into the bytes after it.
    """
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        name = next(name for name in sizes if name.split("/")[-1] == "data.pkl")
        with archive.open(name) as file:
            storages = _Storages(file)
            storages.load()
    for key, claimed in storages.claimed.items():
        record = f"{name.removesuffix('data.pkl')}data/{key}"
        if sizes.get(record) != claimed:
            raise ReasonError(f"its record '{record}' has {sizes.get(record, 0):,} bytes, expected {claimed:,}")


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _iter_opcodes(path: Path) -> Iterator[tuple[int, str, object]]:
    """YIELDS (tuple): The number of the pickle in the old format, the name of the opcode, and its argument."""
    with path.open("rb") as file:
        if not _is_zip(path):
            for number in range(_OLD_PICKLES):
                is_torch = number != _MAGIC_PICKLE
                for opcode, argument, _ in pickletools.genops(file):
                    is_torch = is_torch or argument == _MAGIC
                    yield number, opcode.name, argument
                # Without the magic number, PyTorch would try to unpack the file as a tar.
                if not is_torch:
                    raise ReasonError("it is not a PyTorch file")
            return
        with zipfile.ZipFile(file) as archive:
            # PyTorch does not compress; a compressed file could expand without limit.
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ReasonError("it is compressed")
            names = {name: name.split("/")[-1] for name in archive.namelist()}
            # Old versions of PyTorch would load a program even with weights_only.
            if "constants.pkl" in names.values():
                raise ReasonError("it is a program, made with TorchScript")
            for name, last in names.items():
                if last == "data.pkl":
                    for opcode, argument, _ in pickletools.genops(archive.read(name)):
                        yield _OLD_PICKLES, opcode.name, argument


def _load(path: Path) -> dict[str, "torch.Tensor"]:
    import torch

    # In a mapped file, no tensor can reach beyond the end. Old versions of PyTorch let tensors of files that they
    # read into memory reach beyond theirs.
    tensors = torch.load(str(path), map_location="cpu", weights_only=True, mmap=_is_zip(path))
    named = isinstance(tensors, dict) and all(isinstance(name, str) for name in tensors)
    others = {name for name, item in tensors.items() if not isinstance(item, torch.Tensor)} if named else set()
    if not named or others:
        items = [f"'{show(name)}' ({type(tensors[name]).__name__})" for name in sorted(others)[:_MOST_SHOWN]]
        found = ", ".join(items) or type(tensors).__name__
        raise ElmoError(Errors.EL302.format(path=path, name=path.name, found=found))
    return dict(tensors)


def _to_numpy(tensor: "torch.Tensor") -> NDArray[np.generic]:
    import torch

    # NumPy has no bfloat16; float32 holds all of its numbers.
    exact = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array: NDArray[np.generic] = exact.numpy(force=True)
    return np.require(array, requirements="A")


def _explain(path: Path, error: Exception) -> Exception:
    refused = reading_error(path, error)
    if refused is not None:
        return refused
    # PyTorch's message recommends reading such a file without safeguards.
    plain = str(error).strip().split("\n")[0] or type(error).__name__
    is_advice = isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error)
    reason = "it is not a pickle of tensors" if is_advice else plain
    return ElmoError(Errors.EL161.format(path=path, reason=reason, size=path.stat().st_size))
