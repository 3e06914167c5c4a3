"""`python -m benchmarks.module`: `ElmoModule` in a loop of training, beside `Elmo.embed` and AllenNLP's `Elmo`.

AllenNLP's code runs in this process, on the same torch; see `benchmarks.gpu.allennlp_light`.
"""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import spacy_elmo
from spacy_elmo.compat.allennlp import Elmo, batch_to_ids
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.torch import ElmoModule

from .__main__ import EWT, processor, write
from .gpu.allennlp_light import elmo_module, fetch
from .model import OPTIONS, SMALL_OPTIONS, make_model
from .report import ratios, spread

BUILD = Path(__file__).parent / "build"
SIZES = {"original": OPTIONS, "sm": SMALL_OPTIONS}
N_CLASSES = 10
Batch = list[list[str]]
# Takes a batch, and does what is measured.
Step = Callable[[Batch], object]


def main(
    size: Annotated[
        str, typer.Option(help=f"Sizes of the model, whose weights are random: {', '.join(SIZES)}.")
    ] = ("original"),
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every program has its turn.")] = 3,
    n_batches: Annotated[int, typer.Option(help="Batches of a turn.")] = 4,
    batch_size: Annotated[int, typer.Option(help="Sentences of a batch.")] = 32,
) -> None:
    """Run the same batches through each program in turns: with the biLM frozen, then forward and backward."""
    folder = make_model(BUILD / f"module-{size}", SIZES[size])
    steps = make_steps(folder)
    sentences = (sentence.tokens for sentence in Inputs(text).read())
    batches = [[*islice(sentences, batch_size)] for _ in range(n_batches)]
    n_tokens = sum(len(sentence) for batch in batches for sentence in batch)
    rates: dict[str, list[float]] = {name: [] for name in steps}
    # By the time of all processors, which other programs on the machine change less.
    busy: dict[str, list[float]] = {name: [] for name in steps}
    for k in range(n_rounds + 1):
        for name, step in steps.items():
            # The first round warms up, with one batch.
            taken = batches if k else batches[:1]
            start, busy_start = time.perf_counter(), time.process_time()
            for batch in taken:
                step(batch)
            if k:
                rates[name].append(n_tokens / (time.perf_counter() - start))
                busy[name].append(n_tokens / (time.process_time() - busy_start))
    about = {"processor": processor(), "torch": torch.__version__, "version": spacy_elmo.__version__, "size": size}
    write({**about, "tokens": n_tokens, "tokens/s": rates, "tokens/s of a processor": busy}, output)
    show("tokens/s", rates)
    show("tokens/s of a processor", busy)


def make_steps(folder: Path) -> dict[str, Step]:
    """What is measured, by name: what is compared has the same words before the colon."""
    light = BUILD / "allennlp-light"
    if not light.exists():
        fetch(light)
    peer = elmo_module(light)
    files: dict[str, Any] = {
        "options_file": str(folder / "options.json"),
        "weight_file": str(folder / "model.hdf5"),
    }
    elmo = spacy_elmo.load(folder)

    def make_module(*, trained: bool) -> Step:
        module = ElmoModule(folder, n_mixes=1, frozen=not trained)
        return make_loop(module, lambda ids: module(ids).mixes[0], module.encode)

    def make_compat(*, trained: bool) -> Step:
        module = Elmo(**files, num_output_representations=1, requires_grad=trained)
        # Parts with hooks are called one by one.
        module._elmo_lstm.get_submodule("_elmo_lstm").register_forward_hook(lambda *_: None)
        return make_loop(module, lambda ids: module(ids)["elmo_representations"][0], batch_to_ids)

    def make_peer(*, trained: bool) -> Step:
        module = peer.Elmo(**files, num_output_representations=1, requires_grad=trained)
        return make_loop(module, lambda ids: module(ids)["elmo_representations"][0], peer.batch_to_ids)

    return {
        "frozen: Elmo.embed": elmo.embed,
        "frozen: ElmoModule": make_module(trained=False),
        "frozen: compat, with a hook": make_compat(trained=False),
        "frozen: AllenNLP": make_peer(trained=False),
        "trained: ElmoModule": make_module(trained=True),
        "trained: compat, with a hook": make_compat(trained=True),
        "trained: AllenNLP": make_peer(trained=True),
    }


def make_loop(
    module: nn.Module,
    embed: Callable[[Tensor], Tensor],
    encode: Callable[[Batch], Tensor],
) -> Step:
    """A step of training: ids, mix, a classifier, and all gradients. The optimizer's step over the biLM takes the
    same time with any program, and is left out."""
    heads: dict[int, nn.Linear] = {}
    mixes = [parameter for name, parameter in module.named_parameters() if "mix" in name]
    optimizer = torch.optim.Adam(mixes, lr=0.001)

    def step(batch: Batch) -> None:
        mixed = embed(encode(batch))
        head = heads.setdefault(mixed.size(2), nn.Linear(mixed.size(2), N_CLASSES))
        loss = nn.functional.cross_entropy(head(mixed).flatten(0, 1), torch.zeros(mixed.shape[:2].numel()).long())
        module.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def show(what: str, rates: dict[str, list[float]]) -> None:
    """Print tokens per second, and ratios within each round."""
    table = Table(title=f"{what}, and ratios (min / median / max of the rounds)")
    for column in ("", what, "times Elmo.embed", "times AllenNLP"):
        table.add_column(column)
    for name, own in rates.items():
        kind = name.partition(":")[0]
        others: list[Any] = [rates.get(f"{kind}: {other}") for other in ("Elmo.embed", "AllenNLP")]
        table.add_row(name, spread(own, 0), *(spread(ratios(own, other)) if other else "" for other in others))
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
