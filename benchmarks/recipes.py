"""`python -m benchmarks.recipes`: what the training configs in configs/ reach, on ELMo and on spaCy's tok2vec.

The same text, steps and seeds, by `spacy train` and `spacy evaluate`: from raw text, which the pipeline splits
into tokens itself, with the model of the best score on the dev part.
"""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy import util
from spacy.cli.evaluate import evaluate
from spacy.cli.train import train

from .downstream import convert
from .seeds import measure_all, show

HERE = Path(__file__).parent
CONFIGS = HERE.parent / "configs"
VARIANTS = ("tok2vec", "elmo")
# tok2vec with the batcher of ELMo's config: what exchanged names do by themselves.
EXCHANGED = "tok2vec-exchanged"
# Of each task: its text, and the scores that are shown.
TEXTS = {"syntax": "ewt", "ner": "wnut17"}
SCORES = {
    "syntax": ("tag_acc", "pos_acc", "morph_acc", "dep_uas", "dep_las"),
    "ner": ("ents_f", "ents_p", "ents_r"),
}


def main(
    output: Annotated[Path, typer.Option(help="Results as JSON. What it has already is not done again.")],
    folder: Annotated[Path, typer.Option(help="Converted text, and the layer cache.")] = HERE
    / "build"
    / "downstream",
    steps: Annotated[int, typer.Option(help="Training steps.")] = 4000,
    seeds: Annotated[str, typer.Option(help="Seeds.")] = "0,1,2",
    tasks: Annotated[str, typer.Option(help="Some of syntax,ner.")] = ",".join(TEXTS),
    variants: Annotated[str, typer.Option(help=f"Some of tok2vec,elmo,{EXCHANGED}.")] = ",".join(VARIANTS),
    keep: Annotated[Path | None, typer.Option(help="Keep the pipelines in this folder.")] = None,
) -> None:
    """Train and measure each task with each variant and seed. Several may run at a time, each into its output."""
    convert(folder)

    def measure_one(task: str, variant: str, seed: int) -> dict[str, float]:
        return measure(task, variant, folder, steps=steps, seed=seed, keep=keep)

    parts = {"tasks": tasks.split(","), "variants": variants.split(","), "seeds": seeds.split(",")}
    show(measure_all(output, measure_one, steps=steps, **parts), SCORES, part="test")


def measure(
    task: str, variant: str, folder: Path, *, steps: int, seed: int, keep: Path | None
) -> dict[str, float]:
    """Scores on the test text, in percent."""
    data = {part: folder / f"{TEXTS[task]}-{part}.spacy" for part in ("train", "dev", "test")}
    overrides: dict[str, Any] = {
        "paths.train": str(data["train"]),
        "paths.dev": str(data["dev"]),
        "system.seed": seed,
        "training.max_steps": steps,
        # All steps are taken.
        "training.patience": 0,
    }
    with tempfile.TemporaryDirectory() as temporary:
        config = util.load_config(CONFIGS / f"{task}_{'tok2vec' if variant == EXCHANGED else variant}.cfg")
        if variant == EXCHANGED:
            config["training"]["batcher"] = util.load_config(CONFIGS / f"{task}_elmo.cfg")["training"]["batcher"]
        # Where names are exchanged, few sentences come twice.
        exchanges = config["training"]["batcher"]["@batchers"] == "spacy-elmo.entity_variants.v1"
        if "elmo_embedder" in config["components"] and not exchanges:
            block = {"@misc": "spacy-elmo.layer_cache.v1", "folder": str(folder / "layers"), "dtype": "float16"}
            config["components"]["elmo_embedder"]["cache"] = block
        path, made = Path(temporary) / "config.cfg", (keep or Path(temporary)) / f"{task}_{variant}_{seed}"
        config.to_disk(path)
        train(path, made, overrides=overrides)
        scores = evaluate(str(made / "model-best"), data["test"], silent=True)
    return {name: round(100 * float(scores[name]), 2) for name in SCORES[task]}


if __name__ == "__main__":
    typer.run(main)
