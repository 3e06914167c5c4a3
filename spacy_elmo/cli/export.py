"""`spacy-elmo export` and `convert`: any readable model, or a run -> our folder, or the published HDF5 pair."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from typer import Argument, Option

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from ..language_model.vocabulary import VOCAB_NAME
from ..weights.arrays import SOFTMAX_PREFIX, Arrays, Weights, cast_array, encoder_shapes, mix_shapes
from ..weights.sniff import sniff
from ..weights.source import find_files
from .command import choices
from .info import SOURCE_HELP
from .outputs import Force, check_new_files, check_no_stdout

# The weights file of each format.
FORMATS = {"safetensors": "weights.safetensors", "hdf5": "weights.hdf5"}
DTYPES = ("float32", "float16")

RUN_HELP = "As for info, or the folder of a pre-training run; or two: the options file, the weights file."
Folder = Annotated[Path, Argument(metavar="FOLDER", help="Where to write; made if need be.")]
DType = Annotated[
    str | None,
    Option(
        help="float16 takes half the room and rounds. Default: as the source; hdf5 is always float32.",
        **choices(DTYPES),
    ),
]


class Exported(NamedTuple):
    """n_parameters: of the biLM. left_out: what the source has, and the export has not."""

    n_parameters: int
    left_out: list[str]


def export_cli(
    source: Annotated[list[str], Argument(metavar="SOURCE", help=RUN_HELP)],
    folder: Folder,
    format: Annotated[
        str, Option(help="safetensors; or hdf5, which AllenNLP and bilm-tf read.", **choices([*FORMATS]))
    ] = "safetensors",
    dtype: DType = None,
    no_softmax: Annotated[
        bool, Option("--no-softmax", help="The biLM alone, for embedding: no softmax, no vocab.txt.")
    ] = False,
    force: Force = False,
) -> None:
    """Write a model in another format, or the newest checkpoint of a pre-training run as a model.

    safetensors keeps all that the source has. hdf5 is the published layout, and holds the biLM alone.
    """
    _run(source, folder, format=format, dtype=dtype, softmax=not no_softmax, force=force)


def convert_cli(
    source: Annotated[list[str], Argument(metavar="SOURCE", help=SOURCE_HELP)],
    folder: Folder,
    dtype: DType = None,
    mix: Annotated[
        int, Option(min=0, metavar="N", help="Of several trained scalar mixes, the one that becomes `elmo`.")
    ] = 0,
    force: Force = False,
) -> None:
    """Write a model as options.json and weights.safetensors, which need no other package and open at once.

    All that the source has is kept: trained scalar mixes, vocabularies, the softmax of a language model.
    """
    _run(source, folder, dtype=dtype, mix=mix, force=force)


def _run(
    source: list[str],
    folder: Path,
    *,
    format: str = "safetensors",
    dtype: str | None,
    softmax: bool = True,
    mix: int = 0,
    force: bool,
) -> None:
    from ..weights.formats.folder import read_dtypes

    given = source[0] if len(source) == 1 else source
    exported = export(given, folder, format=format, dtype=dtype, softmax=softmax, mix=mix, force=force)
    path = folder / FORMATS[format]
    dtypes = read_dtypes(path) if format == "safetensors" else ["float32"]
    left_out = f" Left out: {', '.join(exported.left_out)}." if exported.left_out else ""
    text = f"Wrote {exported.n_parameters:,} parameters in {' and '.join(dtypes)} to {path}.{left_out}"
    typer.echo(text, err=True)


def export(
    source: Any,
    folder: Path,
    *,
    format: str = "safetensors",
    dtype: str | None = "float32",
    softmax: bool = True,
    mix: int = 0,
    force: bool = True,
) -> Exported:
    """Write a model into a folder: options.json, the weights, and vocab.txt where there is one.

    source: as for `spacy_elmo.load`, or the folder of a pre-training run. dtype: None leaves float16 as it is, and
        makes all else float32. softmax: keep it, and vocab.txt.
    mix: of several trained scalar mixes, the one that becomes `elmo`; it changes places with the first.
    force: replace an earlier export.
    RAISES (FileExistsError): Without `force`.
    RAISES (ElmoError): For a format or dtype that is not to be had, if the folder holds a model that no export of
        this format has written, or if a number is beyond the dtype; else as `spacy_elmo.load`.
    """
    _check_choices(format, dtype)
    check_no_stdout(folder, "a folder")
    _check_folder(folder, format, source)
    check_new_files(folder, (OPTIONS_NAME, *FORMATS.values()), force=force)
    from ..language_model.storage import read_model

    weights, vocabulary = read_model(source)
    named = _with_mix(weights, mix)
    arrays = {name: array for name, array in named.items() if softmax or not _is_softmax(name)}
    if format == "hdf5":
        from ..weights.formats.hdf5 import write_pair

        arrays = {name: arrays[name] for name in encoder_shapes(weights.options)}
        write_pair(folder, weights.options, arrays)
    else:
        from ..weights.formats.folder import write_folder

        arrays = {
            name: cast_array(array, np.dtype(dtype or _own_dtype(array)), name=name)
            for name, array in arrays.items()
        }
        write_folder(folder, weights.options, arrays)
    if softmax and vocabulary is not None:
        vocabulary.write(folder / VOCAB_NAME)
    else:
        # Of an earlier export.
        (folder / VOCAB_NAME).unlink(missing_ok=True)
    return Exported(weights.n_parameters, _left_out(weights, arrays))


def _own_dtype(array: Any) -> str:
    return "float16" if array.dtype == np.float16 else "float32"


def _check_choices(format: str, dtype: str | None) -> None:
    for what, got, allowed in (("format", format, tuple(FORMATS)), ("dtype", dtype, DTYPES)):
        if got is not None and got not in allowed:
            raise ElmoError(Errors.EL030.format(what=what, got=got, allowed=", ".join(allowed)))
    if format == "hdf5" and dtype not in (None, "float32"):
        raise ElmoError(Errors.EL085.format(got=dtype))


def _check_folder(folder: Path, format: str, source: Any) -> None:
    """An export may replace an earlier one of its format, and nothing else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ElmoError(Errors.EL087.format(what=f"'{folder}', which is a file"))
    found = _model_files(folder)
    own = {OPTIONS_NAME, FORMATS[format]}
    if found and not own <= found <= own | {VOCAB_NAME}:
        what = f"the model in '{folder}' ({', '.join(sorted(found))})"
        raise ElmoError(Errors.EL087.format(what=what))
    if found and _reads(source, folder / FORMATS[format]):
        raise ElmoError(Errors.EL087.format(what=f"its own source, '{folder}'"))


def _model_files(folder: Path) -> set[str]:
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return {
        path.name
        for path in files
        if path.name == VOCAB_NAME or path.name.endswith(OPTIONS_NAME) or sniff(path) in FORMATS
    }


def _reads(source: Any, path: Path) -> bool:
    try:
        return any(file.samefile(path) for file in find_files(source).paths)
    except (ValueError, OSError):
        # No such source, or a run: reading it will tell.
        return False


def _with_mix(weights: Weights, number: int) -> Arrays:
    if number == 0:
        return weights.arrays
    if number >= weights.n_mixes:
        raise ElmoError(Errors.EL138.format(path=weights.source, n=weights.n_mixes, got=number))
    first, other = (list(mix_shapes(weights.options, k)) for k in (0, number))
    places = dict(zip(first + other, other + first))
    return {places.get(name, name): array for name, array in weights.arrays.items()}


def _is_softmax(name: str) -> bool:
    return name.startswith(SOFTMAX_PREFIX)


def _left_out(weights: Weights, kept: dict[str, Any]) -> list[str]:
    parts = {"softmax": SOFTMAX_PREFIX, "scalar mix": "scalar_mix", "warm state": "initial_state."}
    return [
        part
        for part, prefix in parts.items()
        if any(name.startswith(prefix) and name not in kept for name in weights.arrays)
    ]
