"""`python -m benchmarks.training`: what a training step costs on ELMo, against spaCy's own tok2vec."""

import json
import platform
import random
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import spacy
import torch
import typer
from rich.console import Console
from rich.table import Table
from spacy import util
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.batchers import minibatch_by_words
from spacy.training.initialize import init_nlp

from spacy_elmo.util.atomic import atomic_write

from .__main__ import processor
from .downstream import convert
from .report import ratios, spread

HERE = Path(__file__).parent
CONFIGS = HERE.parent / "configs"
ELMO, CACHED, TOK2VEC = "frozen ELMo", "frozen ELMo, cached layers", "tok2vec"
console = Console(width=120)


class Trainer:
    """A pipeline in training that takes some steps at a time."""

    def __init__(self, config: dict[str, Any], batches: list[list[Doc]]):
        self.nlp = init_nlp(util.Config(config).interpolate())
        self.sgd = self.nlp.create_optimizer()
        self._batches = batches

    def seconds(self, numbers: range) -> float:
        """Time of the steps on these batches, as `spacy train` takes them."""
        start = time.perf_counter()
        for number in numbers:
            examples = [
                Example(
                    Doc(self.nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc]),
                    doc,
                )
                for doc in self._batches[number]
            ]
            self.nlp.update(examples, sgd=False, drop=0.1)  # type: ignore[arg-type]
            for _, pipe in self.nlp.pipeline:
                pipe.finish_update(self.sgd)  # type: ignore[attr-defined]
        return time.perf_counter() - start


def main(
    task: Annotated[str, typer.Option(help="configs/TASK_elmo.cfg and configs/TASK_tok2vec.cfg.")] = "syntax",
    folder: Annotated[Path, typer.Option(help="Converted text.")] = HERE / "build" / "downstream",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_batches: Annotated[int, typer.Option(help="Batches of about 1,000 words in a turn.")] = 20,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every pipeline has its turn.")] = 5,
) -> None:
    """Train on UD English EWT (the task ner: WNUT17) in turns: on frozen ELMo, on layers from its disk cache that
    were computed before, and on tok2vec."""
    convert(folder)
    text = "wnut17" if task == "ner" else "ewt"
    paths = {part: str(folder / f"{text}-{part}.spacy") for part in ("train", "dev")}
    docs = list(DocBin().from_disk(paths["train"]).get_docs(spacy.blank("en").vocab))
    random.Random(0).shuffle(docs)
    batches = list(islice(minibatch_by_words(docs, size=1000, tolerance=0.2), n_batches * (n_rounds + 1)))
    n_rounds = len(batches) // n_batches - 1
    with tempfile.TemporaryDirectory() as cache:
        trainers = {}
        for name, file in ((TOK2VEC, "tok2vec"), (ELMO, "elmo"), (CACHED, "elmo")):
            config = util.load_config(CONFIGS / f"{task}_{file}.cfg")
            config["paths"].update(paths)
            if name == CACHED:
                block = {"@misc": "spacy-elmo.layer_cache.v1", "folder": cache}
                config["components"]["elmo_embedder"]["cache"] = block
            trainers[name] = Trainer(config, batches)
        # The first epoch, which fills the cache, is not that of the claim.
        trainers[CACHED].seconds(range(len(batches)))
        seconds: dict[str, list[float]] = {name: [] for name in trainers}
        for number in range(n_rounds + 1):
            for name, trainer in trainers.items():
                taken = trainer.seconds(range(number * n_batches, (number + 1) * n_batches))
                # The first round makes programs and fills memory.
                if number:
                    seconds[name].append(taken)
        size = sum(file.stat().st_size for file in Path(cache).iterdir())
    n_words = sum(len(doc) for batch in batches for doc in batch)
    show(task, seconds)
    console.print(f"The cache took {size / n_words:,.0f} bytes a token.")
    if output is not None:
        found = {"processor": processor(), "threads": torch.get_num_threads(), "python": platform.python_version()}
        with atomic_write(output) as temporary:
            temporary.write_text(json.dumps({**found, "task": task, "seconds": seconds}, indent=2) + "\n")


def show(task: str, seconds: dict[str, list[float]]) -> None:
    table = Table(title=f"{task}: time of training steps (min / median / max of the rounds)")
    for column in ("", "seconds a turn", "times tok2vec's"):
        table.add_column(column)
    for name, values in seconds.items():
        table.add_row(name, spread(values), spread(ratios(values, seconds[TOK2VEC])))
    console.print(table)


if __name__ == "__main__":
    util.logger.setLevel("ERROR")
    typer.run(main)
