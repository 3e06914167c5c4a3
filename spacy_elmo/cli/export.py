"""`spacy-elmo export` and `convert`: write a model as safetensors, or as the published HDF5 pair."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from typer import Argument, Option

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from ..weights.arrays import SOFTMAX_PREFIX, Arrays, Weights, cast_array, encoder_shapes, mix_shapes
from ..weights.sniff import VOCAB_NAME, sniff
from ..weights.source import Source, find_files
from .options import SOURCE_HELP, Force, choices, unpack_source
from .outputs import check_new_files, check_no_stdout

# The weights file of each format.
FORMATS = {"safetensors": "weights.safetensors", "hdf5": "weights.hdf5"}
DTYPES = ("float32", "float16")

RUN_HELP = "A model, as for `spacy-elmo convert`; or the folder of a pre-training run."
Folder = Annotated[Path, Argument(metavar="FOLDER", help="The folder to write; created if it does not exist.")]
DType = Annotated[
    str | None,
    Option(
        help="float16 rounds, and takes half the space. Default: as in the source; hdf5 is always float32.",
        **choices(DTYPES),
    ),
]


class Exported(NamedTuple):
    """What was written.

    n_parameters (int): Number of parameters of the biLM.
    left_out (list[str]): Parts of the source that were not written.
    """

    n_parameters: int
    left_out: list[str]


def export_cli(
    source: Annotated[list[str], Argument(metavar="SOURCE", help=RUN_HELP)],
    folder: Folder,
    format: Annotated[
        str, Option(help="safetensors; or hdf5, the format of AllenNLP and bilm-tf.", **choices([*FORMATS]))
    ] = "safetensors",
    dtype: DType = None,
    no_softmax: Annotated[
        bool, Option("--no-softmax", help="Write only the biLM, for embedding: no softmax and no vocab.txt.")
    ] = False,
    force: Force = False,
) -> None:
    """Write a model in another format, or the newest checkpoint of a pre-training run as a model.

    safetensors keeps everything in the source. hdf5 is the published layout, and contains only the biLM.
    """
    _export_and_report(source, folder, format=format, dtype=dtype, softmax=not no_softmax, force=force)


def convert_cli(
    source: Annotated[list[str], Argument(metavar="SOURCE", help=SOURCE_HELP)],
    folder: Folder,
    dtype: DType = None,
    mix: Annotated[
        int, Option(min=0, metavar="N", help="The number of the trained scalar mix that becomes `elmo`.")
    ] = 0,
    force: Force = False,
) -> None:
    """Write a model as options.json and weights.safetensors, which load fast and require no other package.

    Everything in the source is kept: trained scalar mixes, vocabularies, the softmax of a language model.
    """
    _export_and_report(source, folder, dtype=dtype, mix=mix, force=force)


def _export_and_report(
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

    exported = export(
        unpack_source(source), folder, format=format, dtype=dtype, softmax=softmax, mix=mix, force=force
    )
    path = folder / FORMATS[format]
    dtypes = read_dtypes(path) if format == "safetensors" else ["float32"]
    left_out = f" Left out: {', '.join(exported.left_out)}." if exported.left_out else ""
    text = f"Wrote {exported.n_parameters:,} parameters in {' and '.join(dtypes)} to {path}.{left_out}"
    typer.echo(text, err=True)


def export(
    source: Source,
    folder: Path,
    *,
    format: str = "safetensors",
    dtype: str | None = "float32",
    softmax: bool = True,
    mix: int = 0,
    force: bool = True,
) -> Exported:
    """Write a model into a folder: options.json, the weights, and vocab.txt if the source has one.

    source (Source): A model, as for `spacy_elmo.load`, or the folder of a pre-training run.
    folder (Path): The folder to write.
    format (str): "safetensors" or "hdf5".
    dtype (str | None): "float32" or "float16"; None keeps float16, and converts the rest to float32.
    softmax (bool): Whether to write the softmax and vocab.txt.
    mix (int): The number of the trained scalar mix that becomes `elmo`; it changes places with the first.
    force (bool): Whether to replace an earlier export.
    RETURNS (Exported): What was written.
    RAISES (FileExistsError): If files would be replaced, without `force`.
    RAISES (ElmoError): For an unknown format or dtype, if the folder contains a model that was not exported in
        this format, or if a number is out of the dtype's range; and as `spacy_elmo.load`.
    """
    _check_choices(format, dtype)
    check_no_stdout(folder, "a folder")
    _check_folder(folder, format, source)
    check_new_files(folder, (OPTIONS_NAME, *FORMATS.values()), force=force)
    from ..language_model.storage import read_model

    weights, vocabulary = read_model(source)
    named = _swap_mixes(weights, mix)
    arrays = {name: array for name, array in named.items() if softmax or not _is_softmax(name)}
    if format == "hdf5":
        from ..weights.formats.hdf5 import write_pair

        arrays = {name: arrays[name] for name in encoder_shapes(weights.options)}
        write_pair(folder, weights.options, arrays)
    else:
        from ..weights.formats.folder import write_folder

        arrays = {
            name: cast_array(array, np.dtype(dtype or _source_dtype(array)), name=name)
            for name, array in arrays.items()
        }
        write_folder(folder, weights.options, arrays)
    if softmax and vocabulary is not None:
        vocabulary.write(folder / VOCAB_NAME)
    else:
        # An earlier export may have written one.
        (folder / VOCAB_NAME).unlink(missing_ok=True)
    return Exported(weights.n_parameters, _list_left_out(weights, arrays))


def _source_dtype(array: NDArray[np.floating]) -> str:
    return "float16" if array.dtype == np.float16 else "float32"


def _check_choices(format: str, dtype: str | None) -> None:
    for what, got, allowed in (("format", format, tuple(FORMATS)), ("dtype", dtype, DTYPES)):
        if got is not None and got not in allowed:
            raise ElmoError(Errors.EL030.format(what=what, got=got, allowed=", ".join(allowed)))
    if format == "hdf5" and dtype not in (None, "float32"):
        raise ElmoError(Errors.EL085.format(got=dtype))


def _check_folder(folder: Path, format: str, source: Source) -> None:
    """Check that an export would replace nothing but an earlier export in its format."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ElmoError(Errors.EL087.format(what=f"'{folder}', which is a file"))
    found = _find_model_files(folder)
    own = {OPTIONS_NAME, FORMATS[format]}
    if found and not own <= found <= own | {VOCAB_NAME}:
        what = f"the model in '{folder}' ({', '.join(sorted(found))})"
        raise ElmoError(Errors.EL087.format(what=what))
    if found and _is_source(source, folder / FORMATS[format]):
        raise ElmoError(Errors.EL087.format(what=f"its own source, '{folder}'"))


def _find_model_files(folder: Path) -> set[str]:
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return {
        path.name
        for path in files
        if path.name == VOCAB_NAME or path.name.endswith(OPTIONS_NAME) or sniff(path) in FORMATS
    }


def _is_source(source: Source, path: Path) -> bool:
    try:
        return any(file.samefile(path) for file in find_files(source).paths)
    except (ValueError, OSError):
        # A run, or a source that does not exist: `read_model` reports that.
        return False


def _swap_mixes(weights: Weights, number: int) -> Arrays:
    if number == 0:
        return weights.arrays
    if number >= weights.n_mixes:
        raise ElmoError(Errors.EL138.format(path=weights.source, n=weights.n_mixes, got=number))
    first, other = (list(mix_shapes(weights.options, k)) for k in (0, number))
    new_names = dict(zip(first + other, other + first))
    return {new_names.get(name, name): array for name, array in weights.arrays.items()}


def _is_softmax(name: str) -> bool:
    return name.startswith(SOFTMAX_PREFIX)


def _list_left_out(weights: Weights, kept: Mapping[str, object]) -> list[str]:
    parts = {"softmax": SOFTMAX_PREFIX, "scalar mix": "scalar_mix", "warm state": "initial_state."}
    return [
        part
        for part, prefix in parts.items()
        if any(name.startswith(prefix) and name not in kept for name in weights.arrays)
    ]
