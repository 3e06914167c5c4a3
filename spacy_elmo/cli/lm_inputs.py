"""The language models that `perplexity` and `substitutes` ask, and how they write JSON."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typer import echo

from ..errors import ElmoError, Errors
from ..util.atomic import atomic_write
from ..weights.source import find_files
from .outputs import check_output, is_stdout

if TYPE_CHECKING:
    from ..bilm.lstm import LSTMState
    from ..language_model.model import LanguageModel
    from ..language_model.vocabulary import Vocabulary

MODEL_HELP = (
    "A model with a softmax and its vocab.txt: a folder, a weights file, a checkpoint of bilm-tf, or the folder "
    "of a pre-training run."
)


class Opened(NamedTuple):
    """state: that every sentence starts from, with the initial state "warm"; else None. source: for messages."""

    model: "LanguageModel"
    vocabulary: "Vocabulary"
    state: "LSTMState | None"
    source: str


def open_model(source: Any, *, initial_state: str, device: str, n_threads: int | None = None) -> Opened:
    """A language model, ready to predict.

    n_threads: see `Settings`.
    RAISES (FileNotFoundError, ElmoError): For a source or device that will not do.
    """
    from ..elmo import check_device
    from ..language_model.storage import build_language_model, read_model, warm_state

    exportable = read_model(source)
    model, vocabulary = build_language_model(exportable)
    state = warm_state(exportable.weights, n_threads=n_threads) if initial_state == "warm" else None
    return Opened(model.to(check_device(device)), vocabulary, state, exportable.weights.source)


def check_initial_state(got: str, allowed: Sequence[str]) -> None:
    """RAISES (ElmoError): If it is none of them."""
    if got not in allowed:
        raise ElmoError(Errors.EL030.format(what="initial_state", got=got, allowed=", ".join(allowed)))


def check_lm_output(output: Path | None, texts: Sequence[Path], source: Any, *, force: bool) -> None:
    """RAISES: as `check_output`, where a file is to be written."""
    from ..language_model.storage import is_run

    if output is not None and not is_stdout(output):
        check_output(output, texts if is_run(Path(source)) else [*texts, *find_files(source).paths], force=force)


@contextmanager
def json_lines(path: Path | None) -> Iterator[Callable[[Any], None]]:
    """Gives what writes an object as a line of JSON, into a file that appears when it is complete. "-": standard
    output; None: nothing is written."""
    if path is None:
        yield lambda record: None
        return
    if is_stdout(path):
        yield lambda record: echo(_as_line(record))
        return
    # A lone surrogate is no UTF-8; written with a backslash, it is what JSON calls it.
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        yield lambda record: print(_as_line(record), file=file)


def _as_line(record: Any) -> str:
    # Not by srsly, which fails on NaN and writes fewer digits than a float has.
    return json.dumps(record, ensure_ascii=False)
