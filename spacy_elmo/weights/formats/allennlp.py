"""Reader of the ELMo in a model trained by AllenNLP: weights.th beside config.json, as in a model.tar.gz."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...bilm.fields import show
from ...bilm.options import OPTIONS_NAME, Options, mix_prefix
from ...errors import ElmoError, Errors, Warnings
from ...errors.warn import warn
from ..arrays import Weights, all_mix_shapes, check_arrays, encoder_shapes, warn_if_not_finite
from ..catalogue import CATALOGUE
from ..urls import safe_url
from .jsonnet import read_config
from .pickles import DAMAGED, is_torch_file, read_tensors, read_texts
from .sizes import describe_inferred, infer_options, warn_of_inferred
from .torch_names import Tensors, pop_highway_arrays, pop_lstm_arrays, pop_renamed
from .unused import find_unused_tensors, warn_of_unused

EMBEDDER = "elmo_token_embedder"
OPTIONS_FILE = "options_file"
# The folder of an archive with copies of files that the configuration names; their names are their places in it.
# AllenNLP 1.0 and later make no copies (allennlp/models/archival.py).
COPIES = "fta"

FORMAT = "AllenNLP archive"

# Parameters have the names of the modules' attributes (allennlp/modules/elmo.py). An `Elmo` has its mixes beside
# the biLM, which is called `_elmo_lstm`; the LSTMs inside the biLM are called `_elmo_lstm` too.
ENCODER, BILM = "_token_embedder.", "_elmo_lstm."
CHARACTERS = f"{ENCODER}_char_embedding_weights"
# A part of the names in AllenNLP's transformer ELMo (bidirectional_language_model_transformer.py).
_TRANSFORMER = "_forward_transformer."
# The end of the message about a file without an ELMo.
_WITH_ELMO = "Give the archive of a model with an elmo_token_embedder, or with an Elmo module."
_LSTM_ELMO = "Give a model with LSTMs: the published ones are listed by spacy-elmo models."


class Section(NamedTuple):
    """The part of a configuration that describes an ELMo.

    place (tuple[str, ...]): Its keys, from the top.
    fields (Mapping[str, object]): Its content.
    """

    place: tuple[str, ...] = ()
    fields: Mapping[str, object] = {}

    @property
    def options_file(self) -> str:
        """Get the path or address of the options.

        RETURNS (str): The text in the configuration; "" if there is none.
        """
        given = self.fields.get(OPTIONS_FILE)
        return given if isinstance(given, str) else ""

    @property
    def options_name(self) -> str:
        """Get the name of the options' file.

        RETURNS (str): The last part of its path, whatever the system.
        """
        return self.options_file.replace("\\", "/").split("/")[-1]


def find_section(config: object, prefix: str) -> Section:
    """Find the section of an ELMo in a configuration.

    config (object): The configuration, as parsed.
    prefix (str): The start of the names of the ELMo's parameters.
    RETURNS (Section): The section; without fields if there is none.
    """
    sections = list(_iter_sections(config))
    # The names of parameters contain the name that their embedder has in the configuration.
    named = [section for section in sections if f"token_embedder_{section.place[-1]}." in prefix]
    return next(iter(named or sections), Section())


def find_options(section: Section, config_path: Path) -> Path | None:
    """Find the options that a section names, in the archive or beside the configuration.

    The original path is never opened: an archive must not make us read other files of this computer.

    section (Section): The section of the ELMo.
    config_path (Path): The file of the configuration.
    RETURNS (Path | None): The file of the options; None if there is none.
    """
    folder = config_path.parent
    copies = sorted(folder.glob(f"{COPIES}/*{OPTIONS_FILE}"))
    own = ".".join((*section.place, OPTIONS_FILE))
    copies.sort(key=lambda path: path.name != own)
    beside = [folder / name for name in (section.options_name, OPTIONS_NAME) if name]
    found = (path for path in [*copies, *beside] if path != config_path and os.path.isfile(path))
    return next(found, None)


def _iter_sections(config: object) -> Iterator[Section]:
    waiting: list[tuple[tuple[str, ...], object]] = [((), config)]
    while waiting:
        place, part = waiting.pop()
        fields = dict(enumerate(part)) if isinstance(part, list) else part
        if not isinstance(fields, dict):
            continue
        if place and (OPTIONS_FILE in fields or fields.get("type") == EMBEDDER):
            yield Section(place, fields)
        waiting += [((*place, str(key)), value) for key, value in reversed(fields.items())]


def read(config_path: Path | None, weights_path: Path) -> Weights:
    """Read the ELMo of a model with all its mixes, without the rest of the model.

    config_path (Path | None): The file config.json, or the options.json of the ELMo itself; None: the arrays
        determine the sizes, and the rest is as in published models.
    weights_path (Path): The file weights.th.
    RETURNS (Weights): Options and arrays.
    RAISES (ElmoError): If a file is damaged, there is no ELMo or more than one, or it contradicts its options.
    """
    config = None if config_path is None else read_config(config_path)
    path = str(weights_path)
    tensors = read_tensors(weights_path)
    prefix = _find_prefix(tensors, path)
    arrays = {**_bilm_arrays(tensors, prefix), **_mix_arrays(tensors, prefix.removesuffix(BILM))}
    section = find_section(config, prefix)
    if config_path is None:
        options, where = infer_options(arrays, path=path), path
    else:
        options, where = _read_options(config, section, config_path, arrays, path)
    options = options.match_projection(arrays)
    shapes, optional = encoder_shapes(options), all_mix_shapes(options, arrays)
    known = {name for group in (shapes, *optional) for name in group}
    unused = find_unused_tensors(arrays, known, options)
    arrays = {name: array for name, array in arrays.items() if name not in unused}
    check_arrays(arrays, shapes, optional=optional, path=path, options_path=where, format=FORMAT)
    if config_path is None:
        warn_of_inferred(options, path=path)
    warn_of_unused(unused, path=path)
    warn_if_not_finite(arrays, path=path)
    if section.fields.get("do_layer_norm") is True:
        warn(Warnings.WL013.format(path=path))
    return Weights(options=options, arrays=arrays, source=path, format=FORMAT)


def holds_bilm(path: Path) -> bool | None:
    """Check for the parameters of an ELMo by their names.

    path (Path): The file weights.th.
    RETURNS (bool | None): Whether the file has them; None if it is damaged, and may have them.
    """
    try:
        return is_torch_file(path) and any(text.endswith(CHARACTERS) for text in read_texts(path))
    except ElmoError as error:
        return None if error.code == DAMAGED else False


def describes_elmo(config_path: Path) -> bool:
    """Check whether a configuration is that of a model with an ELMo. Other programs have such files, too.

    config_path (Path): The file config.json.
    RETURNS (bool): Whether it has a section of an ELMo.
    RAISES (ElmoError): As `read_config`.
    """
    return bool(find_section(read_config(config_path), "").fields)


def _read_options(
    config: object, section: Section, config_path: Path, arrays: Tensors, path: str
) -> tuple[Options, str]:
    """Read the options, and say which file they are from."""
    if isinstance(config, dict) and "char_cnn" in config:
        return Options.from_dict(config, where=str(config_path)), str(config_path)
    found = find_options(section, config_path)
    if found is not None:
        return Options.from_file(found), str(found)
    options = infer_options(arrays, path=path).match_projection(arrays)
    is_original = section.fields.get("type") == EMBEDDER and not section.options_file
    # A name that says nothing of the model, as in some folders, does not count.
    published = {file.name for entry in CATALOGUE.values() for file in entry.files} - {OPTIONS_NAME}
    if not is_original and section.options_name not in published:
        names = (
            f"names the options '{safe_url(section.options_file)}', which do not exist"
            if section.options_file
            else ""
        )
        what = names or "names no options of the ELMo"
        sizes, assumed = describe_inferred(options)
        warn(Warnings.WL014.format(path=config_path, what=what, sizes=sizes, assumed=assumed), stacklevel=3)
    return options, path


def _find_prefix(tensors: Tensors, path: str) -> str:
    """Find the start of the names of the biLM's parameters: a model can have an ELMo anywhere."""
    names = [name for name in tensors if f".{name}".endswith(f".{CHARACTERS}")]
    if len(names) == 1:
        return names[0].removesuffix(CHARACTERS)
    if names:
        prefixes = ", ".join(f"'{name.removesuffix(CHARACTERS).removesuffix(BILM)}'" for name in names)
        raise ElmoError(Errors.EL162.format(path=path, n=len(names), prefixes=prefixes))
    found = ", ".join(map(show, list(tensors)[:4])) or "nothing"
    layers = next((name for name in tensors if _TRANSFORMER in name), None)
    why, advice = f"none of its names ends with {CHARACTERS}", _WITH_ELMO
    if layers is not None:
        why, advice = f"it is a transformer, not an LSTM ELMo ('{show(layers)}')", _LSTM_ELMO
    raise ElmoError(Errors.EL163.format(path=path, why=why, found=found, advice=advice))


def _bilm_arrays(tensors: Tensors, prefix: str) -> Tensors:
    """Name the biLM's arrays as we do. Cached word vectors (`_word_embedding`) are redundant and left out."""
    encoder, lstms = prefix + ENCODER, prefix + BILM
    own = {name: array for name, array in tensors.items() if name.startswith((encoder, lstms))}
    names = {"char_encoder.embedding.weight": prefix + CHARACTERS}
    for part in ("weight", "bias"):
        names[f"char_encoder.projection.{part}"] = f"{encoder}_projection.{part}"
    for name in own:
        match = re.fullmatch(r"char_conv_(\d+\.(?:weight|bias))", name.removeprefix(encoder))
        if match:
            names[f"char_encoder.convolutions.{match[1]}"] = name
    arrays = pop_renamed(names, own)
    arrays.update(pop_highway_arrays(own, prefix=f"{encoder}_highways."))
    arrays.update(pop_lstm_arrays(own, prefix=lstms))
    # The rest has names that no biLM has; `check_arrays` reports them.
    return {**arrays, **own}


def _mix_arrays(tensors: Tensors, prefix: str) -> Tensors:
    """Collect every scalar mix; each of its weights is a separate parameter (allennlp/modules/scalar_mix.py)."""
    arrays: Tensors = {}
    weights: dict[int, Tensors] = {}
    pattern = re.compile(re.escape(prefix) + r"scalar_mix_(\d+)\.(?:gamma|scalar_parameters\.(\d+))")
    for name, array in tensors.items():
        match = pattern.fullmatch(name)
        if match and match[2]:
            weights.setdefault(int(match[1]), {})[match[2]] = array.reshape(-1)
        elif match:
            arrays[f"{mix_prefix(int(match[1]))}gamma"] = array.reshape(()) if array.size == 1 else array
    for number, parts in weights.items():
        layers = sorted(parts, key=int)
        arrays[f"{mix_prefix(number)}weights"] = np.concatenate([parts[layer] for layer in layers])
    return arrays
