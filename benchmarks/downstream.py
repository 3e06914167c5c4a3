"""`python -m benchmarks.downstream`: what frozen layers are worth to a tagger, a parser and an entity recognizer.

The same data, steps and seeds for spaCy's default tok2vec and for a small layer over the embedder's outputs, from
each initial state. Trained by `spacy train`'s own loop.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import typer
from rich.console import Console
from rich.table import Table
from spacy import registry, util
from spacy.cli.init_config import init_config
from spacy.tokens import Doc, DocBin
from spacy.training import biluo_tags_to_spans, iob_to_biluo
from spacy.training.converters import conllu_to_docs
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Maxout, Model, with_array
from thinc.types import Floats2d

import spacy_elmo
from spacy_elmo.util.atomic import atomic_write

CORPORA = Path(__file__).parent.parent.parent / "shared" / "corpora"
WIDTH = 128
VARIANTS = ("tok2vec", "zero", "warm", "carry")
# Of each task, the score that is shown.
SCORES = {"tagger": "tag_acc", "parser": "dep_las", "ner": "ents_f"}
# Tasks of one treebank share their text.
TEXTS = {"tagger": "ewt", "parser": "ewt", "ner": "wnut17"}
console = Console(width=120)


@registry.architectures("benchmarks.Layers.v1")
def layers_to_vectors(n_inputs: int, width: int) -> Model[list[Doc], list[Floats2d]]:
    """All layers of each token side by side, (n_tokens, n_inputs), through one small trained layer."""
    mixed: Model[list[Floats2d], list[Floats2d]] = with_array(Maxout(nO=width, nI=n_inputs, nP=3, normalize=True))
    attrs = {"n_inputs": n_inputs, "trained": False}
    return Model("elmo_layers", _forward, init=_init, layers=[mixed], dims={"nO": width}, attrs=attrs)


def _init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:  # noqa: N803
    # Sizes are known; the documents of the initialisation have no layers yet.
    model.layers[0].initialize()


def _forward(model: Model[Any, Any], docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Any]:
    found = []
    for doc in docs:
        layers = doc._.elmo
        if layers is None and not is_train and not model.attrs["trained"]:
            # spaCy initialises components with documents that no other component has seen.
            found.append(np.zeros((len(doc), model.attrs["n_inputs"]), dtype=np.float32))
            continue
        names = ["word_emb", *(f"lstm_outputs{k + 1}" for k in range(layers.n_layers))]
        found.append(np.concatenate([getattr(layers, name) for name in names], axis=1))
    model.attrs["trained"] = model.attrs["trained"] or is_train
    vectors, backprop = model.layers[0](found, is_train)

    def finish(d_vectors: list[Floats2d]) -> list[Doc]:
        backprop(d_vectors)
        return []

    return vectors, finish


def main(
    source: Annotated[str, typer.Option(help="The model.")] = "en_sm",
    folder: Annotated[Path, typer.Option(help="Converted text.")] = Path(__file__).parent / "build" / "downstream",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 4000,
    seeds: Annotated[int, typer.Option(help="Seeds, from 0 up.")] = 1,
    tasks: Annotated[str, typer.Option(help="Some of tagger,parser,ner.")] = ",".join(SCORES),
    variants: Annotated[str, typer.Option(help="Some of tok2vec,zero,warm,carry.")] = ",".join(VARIANTS),
) -> None:
    """Train and measure each task with each variant. What the output has already is not done again."""
    convert(folder)
    found: dict[str, Any] = {"source": source, "steps": steps, "scores": {}}
    if output is not None and output.exists():
        before = json.loads(output.read_text("utf-8"))
        if (before["source"], before["steps"]) != (source, steps):
            raise ValueError(f"{output} is of other steps or another source. Give another file.")
        found = before
    for task in tasks.split(","):
        for variant in variants.split(","):
            scores = found["scores"].setdefault(task, {}).setdefault(variant, [])
            for seed in range(len(scores), seeds):
                scores.append(measure(task, variant, source, folder, steps=steps, seed=seed))
                console.print(f"{task}, {variant}, seed {seed}: {scores[-1]:.2f}")
                if output is not None:
                    with atomic_write(output) as temporary:
                        temporary.write_text(json.dumps(found, indent=2) + "\n")
    show(found["scores"])


def measure(task: str, variant: str, source: str, folder: Path, *, steps: int, seed: int) -> float:
    """Score on the test text, in percent, of the last step's model: accuracy of XPOS, LAS, or F of entities."""
    config = init_config(lang="en", pipeline=[task], optimize="efficiency", silent=True)
    config["paths"].update(
        train=str(folder / f"{TEXTS[task]}-train.spacy"), dev=str(folder / f"{TEXTS[task]}-dev.spacy")
    )
    config["system"]["seed"] = seed
    config["training"].update(max_steps=steps, eval_frequency=steps, patience=0)
    if variant != "tok2vec":
        elmo = spacy_elmo.load(source)
        config["nlp"]["pipeline"] = ["elmo_embedder", task]
        del config["components"]["tok2vec"]
        architecture = {"@architectures": "spacy-elmo.Elmo.v1", "initial_state": variant}
        config["components"]["elmo_embedder"] = {
            "factory": "elmo_embedder",
            "source": source,
            "model": architecture,
        }
        config["components"][task]["model"]["tok2vec"] = {
            "@architectures": "benchmarks.Layers.v1",
            "n_inputs": sum(map(elmo.width, elmo.layer_names[:-1])),
            "width": WIDTH,
        }
        config["training"].update(frozen_components=["elmo_embedder"], annotating_components=["elmo_embedder"])
    nlp = init_nlp(config.interpolate())
    with open(os.devnull, "w") as nowhere:
        train(nlp, None, use_gpu=-1, stdout=nowhere)
    docs = list(DocBin().from_disk(folder / f"{TEXTS[task]}-test.spacy").get_docs(nlp.vocab))
    scores = nlp.evaluate(examples_of(nlp, docs))
    return 100 * float(scores[SCORES[task]])


def examples_of(nlp: spacy.Language, docs: list[Doc]) -> list[spacy.training.Example]:
    """Gold tokens, nothing else, beside what they should become."""
    return [
        spacy.training.Example(
            Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc]), doc
        )
        for doc in docs
    ]


def convert(folder: Path) -> None:
    """UD English EWT and WNUT17 as spaCy's training format, a sentence a Doc."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev", "test"):
        ewt = CORPORA / "ud_ewt" / f"en_ewt-ud-{split}.conllu"
        for text, docs in (
            ("ewt", conllu_to_docs(ewt.read_text("utf-8"), n_sents=1, no_print=True)),
            ("wnut17", _entities(CORPORA / "wnut17" / f"{split}.conll")),
        ):
            path = folder / f"{text}-{split}.spacy"
            if not path.exists():
                DocBin(docs=docs).to_disk(path)


def _entities(path: Path) -> Iterator[Doc]:
    vocab = spacy.blank("en").vocab
    for block in path.read_text("utf-8").strip().split("\n\n"):
        rows = [line.split("\t") for line in block.splitlines() if line]
        if rows:
            doc = Doc(vocab, words=[row[0] for row in rows])
            doc.set_ents(biluo_tags_to_spans(doc, iob_to_biluo([row[1] for row in rows])))
            yield doc


def show(results: dict[str, dict[str, list[float]]]) -> None:
    table = Table(title="test scores in percent, mean (lowest to highest) of the seeds")
    for column in ("", *results):
        table.add_column(column)
    for variant in VARIANTS:
        cells = []
        for task in results:
            values = results[task].get(variant, [])
            cells.append(f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "")
        table.add_row(variant if variant == "tok2vec" else f"ELMo, {variant}", *cells)
    console.print(table)


if __name__ == "__main__":
    util.logger.setLevel("ERROR")
    typer.run(main)
