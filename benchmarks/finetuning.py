"""`python -m benchmarks.finetuning`: what fine-tuning by `spacy-elmo init-config --no-frozen` gives, as it comes.

A tagger and a parser on UD English EWT, an entity recognizer on WNUT17; beside it, in the same run, the same with
the biLM frozen, and fine-tuned with other settings. Scores are those of the dev part.
"""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy import util
from spacy.cli.evaluate import evaluate
from spacy.cli.train import train

from spacy_elmo.cli.elmo_config.convert import Choice
from spacy_elmo.cli.init_config import init_config
from spacy_elmo.weights.catalogue import BUNDLED

from .downstream import convert
from .seeds import measure_all, show

# Of each task: its components, its text, and the scores that are shown.
TASKS = {
    "syntax": (["tagger", "parser"], "ewt", ("tag_acc", "dep_uas", "dep_las")),
    "ner": (["ner"], "wnut17", ("ents_f", "ents_p", "ents_r")),
}
FROZEN, FINE_TUNED = "frozen", "fine-tuned"
# Of each variant: what it sets otherwise than the config as it comes.
VARIANTS: dict[str, dict[str, Any]] = {
    FROZEN: {},
    FINE_TUNED: {},
    "factor-1-no-warmup": {"learn_rate_factor": 1.0, "warmup_steps": 0},
    "factor-0.1": {"learn_rate_factor": 0.1},
    "factor-0.1-dropout-0.1": {"learn_rate_factor": 0.1, "dropout": 0.1},
}


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

    def measure_one(task: str, variant: str, seed: int) -> dict[str, float]:
        return measure(task, variant, folder, steps=steps, seed=seed)

    parts = {"tasks": tasks.split(","), "variants": variants.split(","), "seeds": seeds.split(",")}
    results = measure_all(output, measure_one, steps=steps, **parts)
    show(results, {task: scores for task, (_, _, scores) in TASKS.items()}, part="dev")


def measure(task: str, variant: str, folder: Path, *, steps: int, seed: int) -> dict[str, float]:
    """Scores of the best model on the dev text, in percent."""
    pipeline, text, scores = TASKS[task]
    data = {part: str(folder / f"{text}-{part}.spacy") for part in ("train", "dev")}
    choice = Choice(source=BUNDLED, frozen=variant == FROZEN)
    config = init_config(lang="en", pipeline=pipeline, choice=choice).config
    config["components"][choice.name].update(VARIANTS[variant])
    overrides: dict[str, Any] = {
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


if __name__ == "__main__":
    util.logger.setLevel("ERROR")
    typer.run(main)
