"""`spacy-elmo pretrain`: trains a biLM on text, by a config from `spacy-elmo init-pretrain`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from rich.console import Console
from typer import Argument, Context, Exit, Option

from ..bilm.fields import Json
from .options import NThreads
from .outputs import check_no_stdout
from .progress import TrainingLine

# The exit status of shells for Ctrl-C: later steps of a script must not take the run for finished.
STOPPED = 130
ALLOW_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}


def pretrain_cli(
    ctx: Context,
    config_path: Annotated[Path, Argument(metavar="CONFIG", help="A config file.")],
    output: Annotated[
        Path, Option("--output", "-o", metavar="FOLDER", help="The folder of the run: checkpoints, log, model.")
    ],
    resume: Annotated[bool, Option("--resume", help="Continue from the newest checkpoint.")] = False,
    n_threads: NThreads = None,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress line.")] = False,
) -> None:
    """Pre-train a biLM on text.

    Settings of the config can be overridden as in `spacy train`: --training.n_epochs 3. Ctrl-C or SIGTERM stops
    the run after writing a checkpoint, with exit status 130; --resume continues it with exactly the same results.
    """
    from spacy.cli._util import parse_config_overrides

    from ..pretraining.distributed import is_first_process
    from ..runtime.memory import keep_freed_memory

    check_no_stdout(output, "a folder")
    overrides = parse_config_overrides(ctx.args)
    if n_threads is not None:
        overrides["training.n_threads"] = n_threads
    # This process does nothing else, so the setting need not be restored.
    keep_freed_memory()
    # Of the processes that torchrun starts, only the first reports.
    quiet = quiet or not is_first_process()
    with TrainingLine(Console(stderr=True, quiet=quiet)) as line:
        finished = pretrain(config_path, output, resume=resume, overrides=overrides, report=line)
    end = "Finished." if finished else "Stopped; continue with --resume."
    Console(stderr=True, quiet=quiet).print(
        f"{end} The model is in {output / 'model'}", markup=False, soft_wrap=True
    )
    if not finished:
        raise Exit(STOPPED)


def pretrain(
    config_path: Path,
    output: Path,
    *,
    resume: bool = False,
    overrides: Json | None = None,
    report: Callable[[Json], None] = lambda entry: None,
) -> bool:
    """Pre-train a biLM.

    config_path (Path): The config.
    output (Path): The folder of the run.
    resume (bool): Whether to continue from the newest checkpoint.
    overrides (Json | None): Values of settings that replace those in the config, such as "training.n_epochs".
    report (Callable[[Json], None]): Called with each entry of the log.
    RETURNS (bool): Whether the run finished; False if it was stopped.
    RAISES (ElmoError): As `Run.prepare` and `Run.train`.
    RAISES (BlockingIOError): If another process is running in the folder.
    """
    from ..pretraining.config import read_config
    from ..pretraining.distributed import lock_folder
    from ..pretraining.run import Run

    config = read_config(config_path, overrides or {})
    with lock_folder(output):
        run = Run.prepare(config, output, resume=resume, report=report)
        finished = run.train()
        run.export()
        run.processes.leave()
    return finished
