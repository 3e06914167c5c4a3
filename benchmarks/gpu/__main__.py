"""`python -m benchmarks.gpu`: embedding on a GPU, beside AllenNLP's module; `.pipe` and `.pretraining` are by
themselves."""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

import spacy_elmo
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.util.atomic import atomic_write

from ..__main__ import EWT, HERE
from ..model import make_model
from . import embedding
from .ceiling import ceilings

console = Console(width=120)


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    folder: Annotated[Path, typer.Option(help="The model; kept for the next run.")] = HERE / "build",
    allennlp: Annotated[Path | None, typer.Option(help="AllenNLP 2.10.1's wheel, unpacked.")] = None,
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
) -> None:
    """Measure embedding on this machine's GPU."""
    sentences = [sentence.tokens for sentence in Inputs(text).read() if sentence.tokens]
    model = make_model(folder / "model")
    found: dict[str, Any] = {
        "machine": {"gpu": torch.cuda.get_device_name(), "processors": torch.get_num_threads()},
        "versions": {"spacy_elmo": spacy_elmo.__version__, "torch": torch.__version__},
        "text": {"file": text.name, "n_sentences": len(sentences), "n_tokens": sum(map(len, sentences))},
        "ceilings": ceilings(),
    }
    for part in embedding.measure(model, sentences, found["ceilings"], package=allennlp):
        found.update(part)
        console.print(found)
        # What there is so far: the next part may take long, or fail.
        if output is not None:
            with atomic_write(output) as temporary:
                temporary.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
