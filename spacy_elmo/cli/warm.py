"""`spacy-elmo warm`: stores an initial state with a model, computed from a text."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

from rich.console import Console
from typer import Argument, Option

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from ..inputs.paths import Given
from ..inputs.reader import Inputs
from ..util.atomic import atomic_write
from ..util.files import read_small
from ..weights.arrays import Weights
from ..weights.sniff import VOCAB_NAME
from ..weights.source import Source, find_files, open_source
from .options import (
    INPUT_HELP,
    LANG_HELP,
    PIPELINE_HELP,
    SOURCE_HELP,
    Force,
    Format,
    NThreads,
    choose_pipeline,
    unpack_source,
)
from .outputs import check_new_files, check_no_stdout

# The mean converges long before that.
MAX_SENTENCES = 2000

WARM_SOURCE_HELP = f"{SOURCE_HELP} Also the folder of a pre-training run."
OUTPUT_HELP = "The folder to write: a new or empty one, or the folder of the source."


class Summary(NamedTuple):
    """The size of the text that the state was computed from.

    n_sentences (int): Sentences with tokens.
    n_tokens (int): Tokens.
    """

    n_sentences: int
    n_tokens: int


def warm_cli(
    source: Annotated[list[str], Argument(metavar="SOURCE", help=WARM_SOURCE_HELP)],
    text: Annotated[Path, Argument(metavar="TEXT", help=INPUT_HELP)],
    output: Annotated[Path, Option("--output", "-o", metavar="FOLDER", help=OUTPUT_HELP)],
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    sentences: Annotated[
        int, Option(min=1, metavar="N", help="Read at most this many sentences.")
    ] = MAX_SENTENCES,
    n_threads: NThreads = None,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No summary.")] = False,
) -> None:
    """Store a warm state with a model.

    It is the mean of the LSTM states after each sentence of the text, where each sentence starts from the state
    after the previous one. With the initial state "warm", every sentence starts from it. The text must be like
    what the model was trained on: of its language, or protein sequences for a protein model.
    """
    summary = warm(
        unpack_source(source),
        text,
        output,
        format=format,
        lang=lang,
        pipeline=pipeline,
        max_sentences=sentences,
        n_threads=n_threads,
        force=force,
    )
    Console(stderr=True, quiet=quiet).print(
        f"Wrote {output}, with a warm state from {summary.n_sentences:,} sentences, {summary.n_tokens:,} tokens",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def warm(
    source: Source,
    text: Given | Sequence[Given],
    output: Path,
    *,
    format: str | None = None,
    lang: str | None = None,
    pipeline: str | None = None,
    max_sentences: int = MAX_SENTENCES,
    n_threads: int | None = None,
    force: bool = True,
) -> Summary:
    """Write a model with a warm state: options.json, weights.safetensors, and vocab.txt if the source has one.

    source (Source): The model, as for `spacy_elmo.load`, or the folder of a pre-training run.
    text (Given | Sequence[Given]): The text, as for `Inputs`; sentences without tokens do not count.
    output (Path): The folder to write.
    format (str | None): The format of the text; None: by the names of the files.
    lang (str | None): As for `choose_pipeline`.
    pipeline (str | None): As for `choose_pipeline`.
    max_sentences (int): The largest number of sentences to read.
    n_threads (int | None): As for `spacy_elmo.load`.
    force (bool): Whether to replace existing files.
    RETURNS (Summary): The size of the text that was read.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable source, text or output.
    RAISES (FileExistsError): If files would be replaced, without `force`.
    """
    from ..inference.settings import check_count
    from ..inference.warm_state import LEAST_SENTENCES, make_state
    from ..weights.formats.folder import WEIGHTS_NAME, write_folder

    check_count("n_threads", n_threads)
    check_no_stdout(output, "a folder")
    if max_sentences < LEAST_SENTENCES:
        advice = "Give a higher --sentences."
        raise ElmoError(Errors.EL095.format(got=max_sentences, least=LEAST_SENTENCES, advice=advice))
    _check_output(output, source)
    check_new_files(output, (OPTIONS_NAME, WEIGHTS_NAME), force=force)
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    inputs = Inputs(text, format=format, pipeline=chosen)
    inputs.check()
    sizes: list[int] = []

    def read_tokens() -> Iterator[list[str]]:
        visible = (sentence.visible for sentence in inputs.read())
        for sentence in islice(filter(None, visible), max_sentences):
            sizes.append(len(sentence))
            yield sentence

    weights, vocabulary = _read(source)
    arrays = {**weights.arrays, **make_state(weights, read_tokens(), n_threads=n_threads)}
    is_own_folder = (output / WEIGHTS_NAME).exists()
    write_folder(output, weights.options, arrays)
    # In the source's own folder it is there already, perhaps under another name.
    if vocabulary is not None and not is_own_folder:
        with atomic_write(output / VOCAB_NAME) as temporary:
            temporary.write_bytes(vocabulary)
    return Summary(len(sizes), sum(sizes))


def _read(source: Source) -> tuple[Weights, bytes | None]:
    """Read a model and the file of its vocabulary, which is kept as it is, also if no softmax needs it."""
    from ..language_model.storage import read_model
    from ..language_model.vocabulary import MOST_VOCABULARY
    from ..language_model.vocabulary_files import find_vocabulary

    run = _find_run(source)
    if run is not None:
        return read_model(run).weights, read_small(run / VOCAB_NAME, most=MOST_VOCABULARY)
    with open_source(source) as found:
        weights = found.read()
        path = find_vocabulary(found.files, weights)
        return weights, None if path is None else read_small(path, most=MOST_VOCABULARY)


def _find_run(source: Source) -> Path | None:
    from ..language_model.storage import is_run

    return Path(source) if isinstance(source, (str, os.PathLike)) and is_run(Path(source)) else None


def _check_output(output: Path, source: Source) -> None:
    from ..pipeline.saving import CFG, has_checksums
    from ..weights.formats.folder import WEIGHTS_NAME

    files = None if _find_run(source) else find_files(source)
    if not output.exists():
        return
    what = None
    if not output.is_dir():
        what = "is not a folder"
    elif files is None or not output.samefile(files.weights.parent):
        what = "is a folder with other files" if any(output.iterdir()) else None
    elif [path.name for path in files if path] != [OPTIONS_NAME, WEIGHTS_NAME]:
        names = ", ".join(path.name for path in files if path)
        what = f"contains the source under other file names ({names})"
    if what is not None:
        raise ElmoError(Errors.EL096.format(path=output, what=what))
    cfg = output.absolute().parent / CFG
    if cfg.is_file() and has_checksums(cfg):
        raise ElmoError(Errors.EL304.format(path=output, cfg=cfg))
