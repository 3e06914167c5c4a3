"""`spacy-elmo warm`: a model and a text -> our folder, with the state that sentences then can start from."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from rich.console import Console
from typer import Argument, Option

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from ..inputs.paths import Given
from ..inputs.reader import Inputs
from ..util.atomic import atomic_write
from ..weights.sniff import Files
from ..weights.source import find_files, open_source
from .info import SOURCE_HELP
from .inputs import INPUT_HELP, LANG_HELP, PIPELINE_HELP, Format, choose_pipeline
from .outputs import Force, check_new_files, check_no_stdout
from .threads import NThreads

# The mean is steady long before that.
MOST_SENTENCES = 2000

OUTPUT_HELP = "The folder to write: a new or empty one, or the source's own."


class Summary(NamedTuple):
    """What the state was made from."""

    n_sentences: int
    n_tokens: int


def warm_cli(
    source: Annotated[list[str], Argument(metavar="SOURCE", help=SOURCE_HELP)],
    text: Annotated[Path, Argument(metavar="TEXT", help=INPUT_HELP)],
    output: Annotated[Path, Option("--output", "-o", metavar="FOLDER", help=OUTPUT_HELP)],
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    sentences: Annotated[
        int, Option(min=1, metavar="N", help="Read at most this many sentences.")
    ] = MOST_SENTENCES,
    n_threads: NThreads = None,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No summary.")] = False,
) -> None:
    """Store a warm state with a model.

    It is the mean of what the LSTMs hold after the sentences of the text, read on and on. With the initial state
    "warm", every sentence starts from it.
    """
    model = source[0] if len(source) == 1 else source
    summary = warm(
        model,
        text,
        output,
        format=format,
        lang=lang,
        pipeline=pipeline,
        most_sentences=sentences,
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
    source: Any,
    text: Given | Sequence[Given],
    output: Path,
    *,
    format: str | None = None,
    lang: str | None = None,
    pipeline: str | None = None,
    most_sentences: int = MOST_SENTENCES,
    n_threads: int | None = None,
    force: bool = True,
) -> Summary:
    """Write our folder: options.json, weights.safetensors with all arrays of the source and a warm state, and
    vocab.txt where the source has one.

    text, format: see `Inputs`; lang, pipeline: see `choose_pipeline`. Sentences without tokens do not count.
    n_threads: see `Settings`. force: replace files that are there.
    RAISES (FileNotFoundError, ElmoError): For a source, a text or an output that will not do.
    RAISES (FileExistsError): Without `force`.
    """
    from ..inference.settings import check_threads
    from ..inference.warm_state import LEAST_SENTENCES, make_state
    from ..language_model.vocabulary import VOCAB_NAME
    from ..weights.formats.folder import WEIGHTS_NAME, write_folder

    check_threads(n_threads)
    check_no_stdout(output, "a folder")
    if most_sentences < LEAST_SENTENCES:
        advice = "Give a higher --sentences."
        raise ElmoError(Errors.EL095.format(got=most_sentences, least=LEAST_SENTENCES, advice=advice))
    _check_output(output, find_files(source))
    check_new_files(output, (OPTIONS_NAME, WEIGHTS_NAME), force=force)
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    inputs = Inputs(text, format=format, pipeline=chosen)
    inputs.check()
    sizes: list[int] = []

    def tokens() -> Iterator[list[str]]:
        visible = (sentence.visible for sentence in inputs.read())
        for sentence in islice(filter(None, visible), most_sentences):
            sizes.append(len(sentence))
            yield sentence

    with open_source(source) as found:
        weights = found.read()
        vocabulary = found.files.weights.with_name(VOCAB_NAME)
        words = vocabulary.read_bytes() if vocabulary.is_file() else None
    arrays = {**weights.arrays, **make_state(weights, tokens(), n_threads=n_threads)}
    write_folder(output, weights.options, arrays)
    if words is not None:
        with atomic_write(output / VOCAB_NAME) as temporary:
            temporary.write_bytes(words)
    return Summary(len(sizes), sum(sizes))


def _check_output(output: Path, files: Files) -> None:
    from ..weights.formats.folder import WEIGHTS_NAME

    if not output.exists():
        return
    what = None
    if not output.is_dir():
        what = "is not a folder"
    elif not output.samefile(files.weights.parent):
        what = "is a folder with other files" if any(output.iterdir()) else None
    elif [path.name for path in files if path] != [OPTIONS_NAME, WEIGHTS_NAME]:
        names = ", ".join(path.name for path in files if path)
        what = f"contains the source under other file names ({names})"
    if what is not None:
        raise ElmoError(Errors.EL096.format(path=output, what=what))
