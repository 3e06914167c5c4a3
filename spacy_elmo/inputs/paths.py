"""Find the files that a command reads: paths, folders, patterns and standard input, each with its format."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from ..errors import ElmoError, ElmoFileNotFoundError, ElmoOSError, Errors, Warnings
from ..errors.advice import advise_reading
from .packed import COMPRESSIONS, InputFile

# The formats, which are also the endings of files. txt: text, or tokens between blanks, as the command decides.
FORMATS = ("txt", "jsonl", "conllu", "spacy", "tokens", "fasta")
# Other endings of a format.
_ALIASES = {"fa": "fasta", "faa": "fasta", "fas": "fasta"}
STDIN = Path("-")
# A shell may redirect regular files to these, which have no ending to recognise the format by.
_DESCRIPTORS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")

Given = str | Path
_SHOWN = 5


def find_inputs(
    given: Given | Sequence[Given],
    format: str | None = None,
    *,
    skip: Callable[[Path], bool] = lambda path: False,
) -> list[InputFile]:
    """Find the files of a command's arguments.

    given (Given | Sequence[Given]): Files, folders with everything below them, patterns with *, ? or [], or "-"
        for standard input.
    format (str | None): One of `FORMATS`; None: the ending of each file decides, and standard input and pipes are
        "txt".
    skip (Callable[[Path], bool]): Returns whether to leave out a file of a folder or pattern.
    RETURNS (list[InputFile]): The files in the order given; those of a folder or a pattern sorted by name.
    RAISES (FileNotFoundError): If a file does not exist, or nothing matches.
    RAISES (ElmoError): If the format is not known.
    """
    if format is not None and format not in FORMATS:
        raise ElmoError(Errors.EL030.format(what="format", got=format, allowed=", ".join(FORMATS)))
    files: list[InputFile] = []
    seen: set[Path] = set()
    for one in [given] if isinstance(given, (str, Path)) else given:
        path = Path(one)
        if os.path.isdir(path):
            found = _drop_repeated(_read_folder(path, format, skip), seen, path)
        elif path != STDIN and not os.path.lexists(path) and has_magic(str(path)):
            found = _drop_repeated(_match(path, format, skip), seen, path)
        else:
            # A file that is named twice is read twice.
            found = [_describe(path, format)]
            seen.add(_identify(found[0]))
        files.extend(found)
    streams = [file.path for file in files if file.path == STDIN]
    if len(streams) > 1:
        raise ElmoError(Errors.EL204.format(n=len(streams)))
    return files


def parse_name(path: Path) -> tuple[str | None, str | None]:
    """Recognise format and compression by the endings of a name.

    path (Path): The file.
    RETURNS (tuple[str | None, str | None]): The format and the compression; None for an unknown one.
    """
    name = path.name.lower()
    compression = next((ending for ending in COMPRESSIONS if name.endswith(ending)), None)
    ending = Path(name.removesuffix(compression or "")).suffix.removeprefix(".")
    ending = _ALIASES.get(ending, ending)
    return (ending if ending in FORMATS else None), compression


def _describe(path: Path, format: str | None) -> InputFile:
    by_name, compression = parse_name(path)
    if path == STDIN:
        return InputFile(path, format or "txt", is_stream=True)
    if not os.path.exists(path):
        hint = "Give a file, a folder, a pattern in quotes, or - for standard input."
        raise ElmoFileNotFoundError(Errors.EL026.format(path=path, closest=hint))
    if not os.path.isfile(path) or str(path).startswith(_DESCRIPTORS):
        return InputFile(path, format or by_name or "txt", compression, is_stream=True)
    if format is None and by_name is None:
        raise ElmoError(Errors.EL060.format(path=path, suffix=path.suffix, allowed=_allowed()))
    return InputFile(path, format or by_name or "", compression)


def _match(pattern: Path, format: str | None, skip: Callable[[Path], bool]) -> list[InputFile]:
    paths = [Path(name) for name in sorted(glob(str(pattern), recursive=True))]
    files = [_describe(path, format) for path in paths if path.is_file() and not skip(path)]
    if not files:
        raise ElmoFileNotFoundError(Errors.EL200.format(pattern=pattern))
    return files


def _read_folder(folder: Path, format: str | None, skip: Callable[[Path], bool]) -> list[InputFile]:
    """List files of one format. A given format selects its ending, or files without a known ending."""
    paths = [path for path in _walk(folder) if not skip(path)]
    formats = [parse_name(path)[0] for path in paths]
    if format is None:
        wanted: set[str | None] = {*FORMATS}
    else:
        wanted = {format, "txt"} if format == "tokens" else {format}
        wanted = wanted if wanted & set(formats) else {None}
    chosen = [path for path, found in zip(paths, formats) if found in wanted]
    others = shorten([path.name for path, found in zip(paths, formats) if found not in wanted])
    if not chosen:
        raise _nothing_to_read(folder, others or "nothing", format)
    counts = Counter(found for found in formats if found is not None)
    if format is None and len(counts) > 1:
        kinds = ", ".join(f"{n:,} .{found}" for found, n in sorted(counts.items()))
        raise ElmoError(Errors.EL202.format(path=folder, kinds=kinds, example=min(counts)))
    if others:
        warnings.warn(Warnings.WL035.format(path=folder, found=others), stacklevel=2)
    return [_describe(path, format) for path in chosen]


def _nothing_to_read(folder: Path, found: str, format: str | None) -> ElmoFileNotFoundError:
    if format is None:
        what, advice = "file that can be read", f"Allowed endings: {_allowed()}."
    else:
        what = ".tokens or .txt file" if format == "tokens" else f".{format} file"
        advice = "Give the files or a pattern together with --format (corpus.format in a config)."
    return ElmoFileNotFoundError(Errors.EL201.format(path=folder, what=what, found=found, advice=advice))


def _walk(folder: Path) -> Iterator[Path]:
    """List the files below a folder, sorted, without hidden ones or links to folders, which may be circular."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            names = sorted(os.listdir(current))
        except OSError as error:
            text = Errors.EL203.format(path=current, reason=error.strerror, advice=advise_reading(error))
            raise ElmoOSError(text) from error
        paths = [current / name for name in names if not name.startswith(".")]
        yield from (path for path in paths if os.path.isfile(path))
        waiting.extend(path for path in reversed(paths) if os.path.isdir(path) and not os.path.islink(path))


def _drop_repeated(files: list[InputFile], seen: set[Path], given: Path) -> list[InputFile]:
    """Remove files that occur twice, or beside their compressed copy, where patterns and folders overlap."""
    kept: list[InputFile] = []
    repeated: list[InputFile] = []
    for file in files:
        identity = _identify(file)
        (repeated if identity in seen else kept).append(file)
        seen.add(identity)
    if repeated:
        names = shorten([str(file.path) for file in repeated])
        warnings.warn(Warnings.WL036.format(given=given, names=names), stacklevel=2)
    return kept


def _identify(file: InputFile) -> Path:
    path = file.path.resolve()
    return path.with_name(path.name[: -len(file.compression)]) if file.compression else path


def shorten(names: list[str]) -> str:
    """Join names for a message.

    names (list[str]): The names.
    RETURNS (str): The first ones, and the number of the others.
    """
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _allowed() -> str:
    endings = ", ".join(f".{name}" for name in (*FORMATS, *_ALIASES))
    packed = ", ".join(COMPRESSIONS)
    return (
        f"{endings}, each also compressed ({packed}); or set the format with --format (corpus.format in a config)"
    )
