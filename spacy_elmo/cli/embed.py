"""`spacy-elmo embed`: embeds files of sentences into a file, or into a folder with a file for each."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from rich.console import Console
from typer import Argument, Option

from ..bilm.layers import ALL
from ..errors import ElmoError, Errors
from ..inference.settings import INITIAL_STATES, PRECISION_NAMES
from ..inputs.fasta import WHOLE_HEADER, HeaderIds
from ..inputs.paths import Given
from ..weights.catalogue import BUNDLED
from ..weights.source import find_files
from .embedding.content import AVERAGE, POOLINGS, SUM, TOP
from .embedding.embed_settings import CARRY_BATCH, EmbedSettings
from .embedding.embedder import FileEmbedder, Report, Summary
from .embedding.folder import embed_files
from .embedding.formats import ENDINGS, FILE_ENDINGS, choose_format
from .options import (
    INPUT_HELP,
    PIPELINE_HELP,
    Device,
    Force,
    Format,
    NThreads,
    SourceOption,
    choices,
    unpack_source,
)
from .outputs import STDOUT, check_no_stdout, check_output
from .progress import ProgressBar

OUTPUT_HELP = (
    "The file to write: .h5, .parquet or .arrow; or a folder, which exists or ends with a slash, to write one "
    "file for each input."
)
LAYERS_HELP = (
    "Layers to write, such as word_emb,lstm_outputs2 or elmo; or '*' for word_emb and all LSTM layers, which is "
    "the default, except that of FASTA files the sum of them is written."
)
BATCH_HELP = (
    "Maximum tokens per batch. Default: 8192 on the CPU, or 32768 if all inputs are FASTA files and there is one "
    "process; on a GPU, by its memory."
)
SUM_HELP = "Write the sum of the layers, of shape (n, 2P). The default for FASTA files, as in SeqVec's program."
POOL_HELP = "Write one vector for each sentence or sequence: the mean over its tokens."
ID_HELP = (
    "The id of a sequence in FASTA: the field of its header with this number, from 0, where --split-char "
    "separates fields; or -1 for all of the header. Default: the first word."
)
SPLIT_HELP = "What separates the fields of a header, for --id. Default: |"
LANG_HELP = (
    "Split each raw text into tokens with spaCy's tokenizer for this language, as one sentence. Without this "
    "option, lines of a .txt are split at blanks, and texts of a .jsonl with the tokenizer for 'en'."
)
_FORMATS = "HDF5, Parquet or Arrow"
RESUME_HELP = (
    "Write only the files that a folder does not contain yet. Those that it contains are kept as they are, and "
    "not compared: give the same inputs and options."
)
STATE_HELP = (
    "The LSTM state at the start of each sentence: zeros; the one that `spacy-elmo warm` stores with a model; or "
    "the one after the previous batch."
)
PROCESS_HELP = "Number of processes, with a folder as output. They share the processors, and each loads the model."


def embed_cli(
    inputs: Annotated[list[Path], Argument(metavar="INPUT", help=INPUT_HELP)],
    # Not a Path, which would lose the slash.
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help=OUTPUT_HELP)],
    source: SourceOption = None,
    layers: Annotated[list[str] | None, Option(metavar="NAMES", help=LAYERS_HELP)] = None,
    sum_layers: Annotated[bool, Option("--sum", help=SUM_HELP)] = False,
    average: Annotated[bool, Option("--average", help="Write the mean of the layers, of shape (n, 2P).")] = False,
    top: Annotated[bool, Option("--top", help="Write only the top LSTM layer, of shape (n, 2P).")] = False,
    pool: Annotated[str | None, Option(help=POOL_HELP, **choices(POOLINGS))] = None,
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    id_field: Annotated[
        int | None, Option("--id", min=WHOLE_HEADER, metavar="N", help=ID_HELP, show_default=False)
    ] = None,
    split_char: Annotated[str | None, Option("--split-char", metavar="TEXT", help=SPLIT_HELP)] = None,
    precision: Annotated[
        str,
        Option(
            help="fp32; tf32, bf16 or int8, which are faster and less exact; or fp64.", **choices(PRECISION_NAMES)
        ),
    ] = "fp32",
    initial_state: Annotated[str, Option(help=STATE_HELP, **choices(INITIAL_STATES))] = "zero",
    batch_size: Annotated[
        int, Option(min=1, metavar="N", help="Sentences per batch, with --initial-state carry.")
    ] = CARRY_BATCH,
    max_batch_tokens: Annotated[int | None, Option(min=1, metavar="N", help=BATCH_HELP)] = None,
    device: Device = "cpu",
    n_threads: NThreads = None,
    output_format: Annotated[
        str | None, Option(help="The format of files in a folder. Default: h5.", **choices(tuple(ENDINGS)))
    ] = None,
    n_process: Annotated[int, Option("--n-process", min=1, metavar="N", help=PROCESS_HELP)] = 1,
    resume: Annotated[bool, Option("--resume", help=RESUME_HELP)] = False,
    forget_sentences: Annotated[
        bool, Option("--forget-sentences", help="Leave out sentence_to_index of HDF5 files.")
    ] = False,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Embed the sentences of files with ELMo, or the sequences of FASTA files.

    An HDF5 file has one dataset per sentence, "0", "1" and so on, of shape (L+1, n, 2P): word_emb twice side by
    side, then the LSTM layers. The dataset sentence_to_index is a JSON object from each sentence to its number.

    A Parquet or Arrow file has a row for each token: the numbers of the sentence and of the token in it, the text,
    and a vector for each layer.

    In a FASTA file (.fasta, .fa, .faa, .fas), each residue is a token. An HDF5 file has one dataset per sequence,
    whose name is the id, with '_' in place of '/', and whose attribute original_id is the id itself; a Parquet or
    Arrow file has a column for the id.
    """
    reductions = [name for name, is_given in ((SUM, sum_layers), (AVERAGE, average), (TOP, top)) if is_given]
    if len(reductions) > 1:
        raise ElmoError(Errors.EL065.format(one=reductions[0], other=reductions[1]))
    if resume and force:
        raise ElmoError(Errors.EL065.format(one="resume", other="force"))
    settings = EmbedSettings(
        source=unpack_source(source or [BUNDLED]),
        layers=_split_names(layers) if layers else None,
        reduce=reductions[0] if reductions else None,
        pool=pool,
        format=format,
        ids=_choose_ids(id_field, split_char),
        lang=lang,
        pipeline=pipeline,
        precision=precision,
        initial_state=initial_state,
        batch_size=batch_size,
        max_batch_tokens=max_batch_tokens,
        device=device,
        n_threads=n_threads,
        forget_sentences=forget_sentences,
    )
    options = [
        name
        for name, is_given in (
            ("output-format", output_format is not None), ("n-process", n_process > 1), ("resume", resume),
        )
        if is_given
    ]  # fmt: skip
    console = Console(stderr=True, quiet=quiet)
    path = Path(output)
    if output == STDOUT:
        check_no_stdout(path, _FORMATS)
    # Under this name, it is a file and not standard output.
    path = path if str(path) != STDOUT else path.absolute()
    if not _is_folder(output, output_format):
        if options:
            raise ElmoError(Errors.EL230.format(option=options[0], path=path))
        with ProgressBar(console) as progress:
            total = embed(inputs, path, settings, force=force, report=progress)
        _print_summary(console, "", total, path)
        return
    with ProgressBar(console) as progress:
        found = embed_files(
            inputs,
            path,
            settings,
            output_format=output_format or "h5",
            n_process=n_process,
            resume=resume,
            force=force,
            report=progress,
        )
    if found.n_existing:
        _print(console, f"Kept {_count(found.n_existing, 'file')} that existed")
    if found.n_files or not found.n_existing:
        _print_summary(console, f"{_count(found.n_files, 'file')} with ", found.total, path)
    found.check()


def embed(
    given: Given | Sequence[Given],
    output: Path,
    settings: EmbedSettings,
    *,
    force: bool = True,
    report: Report = lambda done, n_tokens: None,
) -> Summary:
    """Embed the sentences of files into one file, which appears when it is complete.

    given (Given | Sequence[Given]): The input, as for `Inputs`.
    output (Path): The file to write, whose ending is that of a format.
    settings (EmbedSettings): How they are embedded.
    force (bool): Whether to replace an existing file.
    report (Report): Called with the share of the input that is done and the tokens so far.
    RETURNS (Summary): What was embedded.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable input, source or setting; and as `check_output`.
    RAISES (ImportError): If the format requires a package that is not installed.
    """
    output_format = choose_format(output)
    settings.check(output_format)
    inputs = settings.find_inputs(given)
    read = [*inputs.paths, *find_files(settings.source).paths]
    check_output(output, read, force=force, what=_FORMATS, endings=FILE_ENDINGS)
    settings = settings.choose_batch_tokens(has_ids=inputs.has_ids)
    return FileEmbedder(settings, output_format).embed(inputs, output, report)


def _is_folder(output: str, output_format: str | None) -> bool:
    """Check whether an output is a folder: it exists, ends with a slash, or a format of its files was given."""
    path = Path(output)
    if output.endswith(("/", os.sep)) or path.is_dir():
        return True
    # The ending of a file, where a format was given as well, is more likely a mistake than the name of a folder.
    return output_format is not None and path.suffix.lower() not in FILE_ENDINGS[1:] and not path.is_file()


def _choose_ids(field: int | None, split_char: str | None) -> HeaderIds | None:
    """Choose where FASTA files have ids; None if no option was given."""
    if split_char is None:
        return None if field is None else HeaderIds(field)
    if not split_char or field in (None, WHOLE_HEADER):
        # It would have no effect, or split nothing.
        raise ElmoError(Errors.EL312.format(got=split_char))
    return HeaderIds(field, split_char)


def _split_names(layers: list[str]) -> str | list[str]:
    """Split the values of --layers, which may be repeated, at commas."""
    names = [name.strip() for part in layers for name in part.split(",")]
    return ALL if names == [ALL] else names


def _count(n: int, noun: str) -> str:
    return f"1 {noun}" if n == 1 else f"{n:,} {noun}s"


def _print_summary(console: Console, files: str, total: Summary, output: Path) -> None:
    speed = total.n_tokens / max(total.seconds, 1e-9)
    sizes = f"{_count(total.n_sentences, 'sentence')}, {_count(total.n_tokens, 'token')}"
    _print(console, f"Wrote {files}{sizes} to {output} ({speed:,.0f} tokens/s)")


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
