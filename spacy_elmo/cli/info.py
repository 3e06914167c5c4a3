"""`spacy-elmo info`: what a model is and what is inside its files."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import printable
from ..weights.arrays import Weights, mix_shapes, mix_shares, softmax_facts
from ..weights.formats.folder import FORMAT, read_checksum
from ..weights.source import read_weights

SOURCE_HELP = (
    "A model in any readable format: a name of the catalogue, a folder, a file or an archive; or two: the options "
    "file, the weights file."
)


def info_cli(
    source: Annotated[list[str], typer.Argument(metavar="SOURCE", help=SOURCE_HELP)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the weights with the checksum that was saved with them.")
    ] = False,
) -> None:
    """Print a model's options, sizes, number of parameters and arrays."""
    facts = info(source[0] if len(source) == 1 else source, check=check)
    typer.echo(json.dumps(facts, indent=2) if as_json else printable(as_text(facts)))


def info(source: Any, *, check: bool = False) -> dict[str, Any]:
    """Facts of a source, as JSON data.

    check: say whether there is a checksum that the weights agree with.
    RAISES (FileNotFoundError, ElmoError): As `spacy_elmo.load`.
    RAISES (ElmoError): If they do not agree.
    """
    weights = read_weights(source)
    # Reading has compared the two.
    stored = read_checksum(Path(weights.source)) if check and weights.format == FORMAT else None
    softmax = softmax_facts(weights)
    mixes = [_mix(weights, number) for number in range(weights.n_mixes)]
    return {
        "source": weights.source,
        "format": weights.format,
        "options": _without_vocabularies(weights.options.to_dict()),
        "n_parameters": weights.n_parameters,
        "bytes": sum(array.nbytes for array in weights.arrays.values()),
        "scalar_mix": mixes[0] if mixes else None,
        "more_scalar_mixes": mixes[1:],
        "warm_state": weights.has_warm_state,
        "softmax": softmax and softmax._asdict(),
        **({"checksum": stored} if check else {}),
        "arrays": {name: [str(a.dtype), list(a.shape)] for name, a in weights.arrays.items()},
    }


def _mix(weights: Weights, number: int) -> dict[str, Any]:
    raw, gamma = (weights.arrays[name] for name in mix_shapes(weights.options, number))
    return {"shares": [round(share, 6) for share in mix_shares(raw)], "gamma": float(gamma)}


def _without_vocabularies(options: dict[str, Any]) -> dict[str, Any]:
    """Options to be looked at: a vocabulary may have a hundred thousand words."""
    if "characters" in options["char_cnn"]:
        options["char_cnn"]["characters"] = len(options["char_cnn"]["characters"])
    if "words" in options:
        options["words"]["vocabulary"] = len(options["words"]["vocabulary"])
    return options


def as_text(facts: dict[str, Any]) -> str:
    """The same facts to be read."""
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
            f"{cnn['max_characters_per_token']} a token, {cnn['embedding']['dim']} numbers each, {kind}",
        ),
        ("words", f"{words['vocabulary']:,} known, {words['embedding']['dim']} numbers each" if words else "none"),
        ("filters", ", ".join(f"{number} of width {width}" for width, number in cnn["filters"])),
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
    lines.append(f"{len(facts['arrays'])} arrays")
    lines += [f"  {dtype:<9}{shape!s:<18}{name}" for name, (dtype, shape) in facts["arrays"].items()]
    return "\n".join(lines)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
