"""What `perplexity` and `substitutes` share: loading a language model, and writing lines of JSON."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from typer import echo

from ..errors import ElmoError, Errors
from ..util.atomic import atomic_write
from ..weights.source import Source, find_files
from .outputs import check_output, is_stdout

if TYPE_CHECKING:
    from ..bilm.lstm import LSTMState
    from ..language_model.model import LanguageModel
    from ..language_model.vocabulary import Vocabulary

MODEL_HELP = (
    "A language model, with a softmax and a vocab.txt: a folder, a weights file, a checkpoint of bilm-tf, or the "
    "folder of a pre-training run."
)


class Opened(NamedTuple):
    """A loaded language model.

    model (LanguageModel): The model.
    vocabulary (Vocabulary): Its words.
    state (LSTMState | None): The initial state of every sentence, if it is "warm".
    source (str): The name of the model in messages.
    """

    model: "LanguageModel"
    vocabulary: "Vocabulary"
    state: "LSTMState | None"
    source: str


def open_model(source: Source, *, initial_state: str, device: str, n_threads: int | None = None) -> Opened:
    """Load a language model.

    source (Source): The model, or the folder of a pre-training run.
    initial_state (str): The initial state; only "warm" is computed or read here.
    device (str): The torch device.
    n_threads (int | None): As for `spacy_elmo.load`.
    RETURNS (Opened): The model on its device.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable source or device.
    """
    from ..elmo import check_device
    from ..language_model.storage import build_language_model, read_model, warm_state

    exportable = read_model(source)
    model, vocabulary = build_language_model(exportable)
    state = warm_state(exportable.weights, n_threads=n_threads) if initial_state == "warm" else None
    return Opened(model.to(check_device(device)), vocabulary, state, exportable.weights.source)


def check_initial_state(got: str, allowed: Sequence[str]) -> None:
    """Check a value of --initial-state.

    got (str): The value.
    allowed (Sequence[str]): The values that the command supports.
    RAISES (ElmoError): If it is not one of them.
    """
    if got not in allowed:
        raise ElmoError(Errors.EL030.format(what="initial_state", got=got, allowed=", ".join(allowed)))


def check_lm_output(output: Path | None, texts: Sequence[Path], source: Source, *, force: bool) -> None:
    """Check the output of a command that reads texts and a language model.

    output (Path | None): The file to write; None or "-": no file.
    texts (Sequence[Path]): The texts.
    source (Source): The model.
    force (bool): Whether an existing file may be replaced.
    RAISES (ElmoError, FileNotFoundError, FileExistsError): As `check_output`.
    """
    from ..language_model.storage import is_run

    if output is not None and not is_stdout(output):
        is_folder = isinstance(source, (str, os.PathLike)) and is_run(Path(source))
        check_output(output, texts if is_folder else [*texts, *find_files(source).paths], force=force)


@contextmanager
def write_json_lines(path: Path | None) -> Iterator[Callable[[object], None]]:
    """Write objects as lines of JSON.

    path (Path | None): The file, which appears when it is complete; "-": standard output; None: write nothing.
    YIELDS (Callable[[object], None]): A function that writes one object.
    """
    if path is None:
        yield lambda record: None
        return
    if is_stdout(path):
        yield lambda record: echo(_format_line(record))
        return
    # UTF-8 has no lone surrogates; with a backslash they become the escapes of JSON.
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        yield lambda record: print(_format_line(record), file=file)


def _format_line(record: object) -> str:
    # srsly fails on NaN, and writes fewer digits than a float has.
    return json.dumps(record, ensure_ascii=False)
