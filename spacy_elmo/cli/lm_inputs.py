"""What `perplexity` and `substitutes` read, and how they write JSON."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, NamedTuple, Optional, Sequence

from ..errors import Errors
from ..weights.atomic import atomic_write
from ..weights.locate import find_files
from .embed import check_output
from .inputs import read_sentences

if TYPE_CHECKING:
    from ..bilm.lstm import LSTMState
    from ..pretraining.language_model import LanguageModel
    from ..pretraining.vocabulary import Vocabulary

MODEL_HELP = (
    "A model with a softmax and its vocab.txt: a folder, a weights file, a checkpoint of bilm-tf, or the folder "
    "of a pre-training run."
)
TEXT_HELP = (
    "A .txt, a sentence a line, tokens split at blanks; or a .jsonl, .conllu or .spacy file. With --lang or "
    "--pipeline: raw text, as for pretrain."
)
LANG_HELP = "Split raw text into sentences and tokens by spaCy's rules for this language, as `pretrain` does."
PIPELINE_HELP = "Split raw text by this spaCy pipeline, as `pretrain` does."


def read_tokens_of(
    path: Path, *, lang: Optional[str] = None, pipeline: Optional[str] = None
) -> Iterator[List[str]]:
    """Tokenised sentences of a text: as `embed` reads it, or, with a language or pipeline, as `pretrain` does.

    RAISES: FileNotFoundError or ValueError for a file, a language or a pipeline that will not do; ValueError, once
        it is reached, for a bad line.
    """
    if lang is not None and pipeline is not None:
        raise ValueError(Errors.EL065.format(one="lang", other="pipeline"))
    if lang is None and pipeline is None:
        if path.is_file() and path.suffix.lower() in (".gz", ".xz"):
            raise ValueError(Errors.EL097.format(path=path))
        return (sentence.visible for sentence in read_sentences(path))
    from ..pretraining.text import check_text_file
    from ..pretraining.tokens import load_pipeline, read_tokens

    check_text_file(path)
    return read_tokens([path], load_pipeline(pipeline or f"blank:{lang}"))


class Opened(NamedTuple):
    """state: that every sentence starts from, with the initial state "warm"; else None. source: for messages."""

    model: "LanguageModel"
    vocabulary: "Vocabulary"
    state: "Optional[LSTMState]"
    source: str


def open_model(source: Any, *, initial_state: str, device: str) -> Opened:
    """A language model, ready to predict. RAISES: FileNotFoundError or ValueError for a source or device that
    will not do."""
    from ..elmo import check_device
    from ..pretraining.export import read_model
    from ..pretraining.source import build_language_model, warm_state

    exportable = read_model(source)
    model, vocabulary = build_language_model(exportable)
    state = warm_state(exportable.weights) if initial_state == "warm" else None
    return Opened(model.to(check_device(device)), vocabulary, state, exportable.weights.source)


def check_initial_state(got: str, allowed: Sequence[str]) -> None:
    """RAISES: ValueError if it is none of them."""
    if got not in allowed:
        raise ValueError(Errors.EL030.format(what="initial_state", got=got, allowed=", ".join(allowed)))


def check_lm_output(output: Path, text: Path, source: Any) -> None:
    """RAISES: ValueError or FileNotFoundError if no file can be written there, or it is read by the command."""
    from ..pretraining.export import is_run

    check_output(output, [text] if is_run(Path(source)) else [text, *find_files(source).paths])


@contextmanager
def json_lines(path: Optional[Path]) -> Iterator[Callable[[Any], None]]:
    """Gives what writes an object as a line of JSON, into a file that appears when it is complete. None: nothing
    is written."""
    if path is None:
        yield lambda record: None
        return
    # A lone surrogate is no UTF-8; written with a backslash, it is what JSON calls it.
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        yield lambda record: print(json.dumps(record, ensure_ascii=False), file=file)
