"""`python -m benchmarks.finetuning`: what fine-tuning by `spacy-elmo init-config --no-frozen` gives, as it comes.

A tagger and a parser on UD English EWT, an entity recognizer on WNUT17; beside it, in the same run, the same with
the biLM frozen, and fine-tuned with other settings. Scores are those of the dev part.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any, Dict

import typer
from rich.console import Console
from rich.table import Table
from spacy import util
from spacy.cli.evaluate import evaluate
from spacy.cli.train import train

from spacy_elmo.cli.elmo_config import Choice
from spacy_elmo.cli.init_config import init_config
from spacy_elmo.weights.atomic import atomic_write
from spacy_elmo.weights.fetch.catalogue import BUNDLED

from .downstream import convert
from .report import spread

# Of each task: its components, its text, and the scores that are shown.
TASKS = {
    "syntax": (["tagger", "parser"], "ewt", ("tag_acc", "dep_uas", "dep_las")),
    "ner": (["ner"], "wnut17", ("ents_f", "ents_p", "ents_r")),
}
FROZEN, FINE_TUNED = "frozen", "fine-tuned"
# Of each variant: what it sets otherwise than the config as it comes.
VARIANTS: Dict[str, Dict[str, Any]] = {
    FROZEN: {},
    FINE_TUNED: {},
    "factor-1-no-warmup": {"learn_rate_factor": 1.0, "warmup_steps": 0},
    "factor-0.1": {"learn_rate_factor": 0.1},
    "factor-0.1-dropout-0.1": {"learn_rate_factor": 0.1, "dropout": 0.1},
    "no-warmup": {"warmup_steps": 0},
    "dropout-0.1": {"dropout": 0.1},
    "lstm-only": {"trainable": "_stack"},
}
console = Console(width=120)


def main(
    output: Annotated[Path, typer.Option(help="Results as JSON. What it has already is not done again.")],
    folder: Annotated[Path, typer.Option(help="Converted text.")] = Path(__file__).parent / "build" / "downstream",
    steps: Annotated[int, typer.Option(help="Training steps.")] = 800,
    seeds: Annotated[str, typer.Option(help="Seeds.")] = "0,1,2",
    tasks: Annotated[str, typer.Option(help=f"Some of {','.join(TASKS)}.")] = ",".join(TASKS),
    variants: Annotated[str, typer.Option(help=f"Some of {','.join(VARIANTS)}.")] = f"{FROZEN},{FINE_TUNED}",
) -> None:
    """Train and measure each task with each seed and variant."""
    convert(folder)
    found: Dict[str, Any] = {"steps": steps, "scores": {}}
    if output.exists():
        found = json.loads(output.read_text("utf-8"))
        if found["steps"] != steps:
            raise ValueError(f"{output} is of other steps. Give another file.")
    for seed in seeds.split(","):
        for task in tasks.split(","):
            for variant in variants.split(","):
                runs = found["scores"].setdefault(task, {}).setdefault(variant, {})
                if seed not in runs:
                    runs[seed] = measure(task, variant, folder, steps=steps, seed=int(seed))
                    console.print(f"{task}, {variant}, seed {seed}: {runs[seed]}")
                    with atomic_write(output) as temporary:
                        temporary.write_text(json.dumps(found, indent=2) + "\n")
    show(found["scores"])


def measure(task: str, variant: str, folder: Path, *, steps: int, seed: int) -> Dict[str, float]:
    """Scores of the best model on the dev text, in percent."""
    pipeline, text, scores = TASKS[task]
    data = {part: str(folder / f"{text}-{part}.spacy") for part in ("train", "dev")}
    choice = Choice(source=BUNDLED, frozen=variant == FROZEN)
    config = init_config(lang="en", pipeline=pipeline, choice=choice).config
    config["components"][choice.name].update(VARIANTS[variant])
    overrides: Dict[str, Any] = {
        "paths.train": data["train"],
        "paths.dev": data["dev"],
        "system.seed": seed,
        "training.max_steps": steps,
        # All steps are taken.
        "training.patience": 0,
    }
    with tempfile.TemporaryDirectory() as temporary:
        path, made = Path(temporary) / "config.cfg", Path(temporary) / "made"
        config.to_disk(path)
        train(path, made, overrides=overrides)
        found = evaluate(str(made / "model-best"), Path(data["dev"]), silent=True)
    return {name: round(100 * float(found[name]), 2) for name in scores}


def show(results: Dict[str, Dict[str, Dict[str, Dict[str, float]]]]) -> None:
    for task, variants in results.items():
        _, _, scores = TASKS[task]
        table = Table(title=f"{task}: dev scores in percent (min / median / max of the seeds)")
        for column in ("", "seeds", *scores):
            table.add_column(column)
        for variant, runs in variants.items():
            cells = [spread([run[name] for run in runs.values()]) if runs else "" for name in scores]
            table.add_row(variant, ",".join(runs), *cells)
        console.print(table)


if __name__ == "__main__":
    util.logger.setLevel("ERROR")
    typer.run(main)
