"""`spacy-elmo info`: shows the options, sizes, arrays, licence and papers of a model."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..bilm.fields import Json
from ..errors import ElmoError, Errors, printable
from ..weights.arrays import Weights, mix_shapes, mix_shares, softmax_facts
from ..weights.catalogue import BUNDLED_FOLDER, Entry
from ..weights.formats.folder import FORMAT, read_checksum
from ..weights.source import Source, find_release, is_local, read_weights
from ..weights.training_text import find_entry
from .model_facts import bundled_entry, describe_with_bibtex, format_model
from .options import SOURCE_HELP, unpack_source


def info_cli(
    source: Annotated[list[str], typer.Argument(metavar="SOURCE", help=SOURCE_HELP)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the weights with their stored checksum.")
    ] = False,
) -> None:
    """Show the options, sizes, number of parameters and arrays of a model, and the licence and papers to cite.

    A published model that is not downloaded is not downloaded for this: what is known of it is shown.
    """
    facts = info(unpack_source(source), check=check)
    typer.echo(json.dumps(facts, indent=2) if as_json else printable(format_facts(facts)))


def info(source: Source, *, check: bool = False) -> Json:
    """Collect facts about a model.

    source (Source): The model, as for `spacy_elmo.load`.
    check (bool): Whether to include the checksum that is stored with the weights.
    RETURNS (Json): The facts, as JSON data. `published` is what the catalogue says, None for other models. Of a
        published model that is not in the cache, there is nothing else but the `source`.
    RAISES (FileNotFoundError, ElmoError): As `spacy_elmo.load`; also if the weights do not match their checksum.
    """
    if not is_local(source):
        release = find_release(source)
        if isinstance(release, Entry):
            if check:
                raise ElmoError(Errors.EL325.format(name=release.name))
            return {"source": None, "published": describe_with_bibtex(release)}
    weights = read_weights(source)
    entry = bundled_entry() if Path(weights.source).parent == BUNDLED_FOLDER else find_entry(weights.source)
    # `read_weights` has compared it with the weights.
    stored = read_checksum(Path(weights.source)) if check and weights.format == FORMAT else None
    softmax = softmax_facts(weights)
    mixes = [_describe_mix(weights, number) for number in range(weights.n_mixes)]
    return {
        "source": weights.source,
        "published": entry and describe_with_bibtex(entry),
        "format": weights.format,
        "options": _count_vocabularies(weights.options.to_dict()),
        "n_parameters": weights.n_parameters,
        "bytes": sum(array.nbytes for array in weights.arrays.values()),
        "scalar_mix": mixes[0] if mixes else None,
        "more_scalar_mixes": mixes[1:],
        "warm_state": weights.has_warm_state,
        "softmax": softmax and softmax._asdict(),
        **({"checksum": stored} if check else {}),
        "arrays": {name: [str(a.dtype), list(a.shape)] for name, a in weights.arrays.items()},
    }


def _describe_mix(weights: Weights, number: int) -> Json:
    raw, gamma = (weights.arrays[name] for name in mix_shapes(weights.options, number))
    return {"shares": [round(share, 6) for share in mix_shares(raw)], "gamma": float(gamma)}


def _count_vocabularies(options: Json) -> Json:
    """Replace vocabularies, which may have a hundred thousand words, by their sizes."""
    if "characters" in options["char_cnn"]:
        options["char_cnn"]["characters"] = len(options["char_cnn"]["characters"])
    if "words" in options:
        options["words"]["vocabulary"] = len(options["words"]["vocabulary"])
    return options


def format_facts(facts: Json) -> str:
    """Format facts as a readable text.

    facts (Json): The result of `info`.
    RETURNS (str): Its lines.
    """
    published = (
        format_model(facts["published"]) if facts["published"] else "not in the catalogue of published models"
    )
    if facts["source"] is None:
        name, page = (facts["published"][key] for key in ("name", "page"))
        how = f"see its page, {page}" if facts["published"]["is_by_hand"] else f"spacy-elmo download {name}"
        return f"{published}\n\nNot downloaded: {how}"
    options = facts["options"]
    lstm, cnn = options["lstm"], options["char_cnn"]
    training = {name: value for name, value in options.items() if name not in ("lstm", "char_cnn", "words")}
    softmax, words = facts["softmax"], options.get("words")
    kind = f"code points, {cnn['characters']:,} known" if "characters" in cnn else "bytes of UTF-8"
    mixes = [mix for mix in [facts["scalar_mix"], *facts["more_scalar_mixes"]] if mix]
    rows = [
        ("source", facts["source"]),
        ("format", facts["format"]),
        ("parameters", f"{facts['n_parameters']:,}"),
        ("bytes of arrays", f"{facts['bytes']:,}"),
        (
            "LSTM layers",
            f"{lstm['n_layers']} in each direction, skip connections: {_yes(lstm['use_skip_connections'])}",
        ),
        ("cell, projection", f"{lstm['dim']}, {lstm['projection_dim']}"),
        ("clips (cell, projection)", f"{lstm['cell_clip']}, {lstm['proj_clip']}"),
        ("layer widths", f"word_emb {lstm['projection_dim']}, all others {2 * lstm['projection_dim']}"),
        (
            "characters",
            f"{cnn['max_characters_per_token']} per token, {cnn['embedding']['dim']} numbers each, {kind}"
            if cnn["filters"]
            else "none: it reads words alone",
        ),
        ("words", f"{words['vocabulary']:,} known, {words['embedding']['dim']} numbers each" if words else "none"),
        ("filters", ", ".join(f"{number} of width {width}" for width, number in cnn["filters"]) or "none"),
        ("activation, highways", f"{cnn['activation']}, {cnn['n_highway']}"),
        *(
            (f"scalar mix {number or ''}", f"shares {mix['shares']}, gamma {mix['gamma']}")
            for number, mix in enumerate(mixes)
        ),
        *([] if mixes else [("scalar mix", "none stored: all layers alike")]),
        ("warm state", _yes(facts["warm_state"])),
        ("softmax", f"{softmax['kind']}, {softmax['n_words']:,} words" if softmax else "none: predicts no words"),
        ("training options", json.dumps(training) if training else "none"),
    ]
    if "checksum" in facts:
        checksum = facts["checksum"]
        rows.append(("checksum", f"{checksum}, as it was written" if checksum else "none was written"))
    lines = [f"{name:<26}{value}" for name, value in rows]
    arrays = [f"  {dtype:<9}{shape!s:<18}{name}" for name, (dtype, shape) in facts["arrays"].items()]
    return "\n".join([*lines, "", published, "", f"{len(arrays)} arrays", *arrays])


def _yes(value: bool) -> str:
    return "yes" if value else "no"
