"""`spacy-elmo pretrain`: text -> a biLM, by a config; `spacy-elmo init-pretrain` writes one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from typer import Argument, Context, Exit, Option

from .outputs import check_no_stdout
from .threads import NThreads
from .training_line import TrainingLine

if TYPE_CHECKING:
    from ..pretraining.log import Entry

# As shells report a program that Ctrl-C has ended: what comes after it in a script must not take it for done.
STOPPED = 130
ALLOW_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}


def pretrain_cli(
    ctx: Context,
    config_path: Annotated[Path, Argument(metavar="CONFIG", help="A config file.")],
    output: Annotated[
        Path, Option("--output", "-o", metavar="FOLDER", help="The run's folder: checkpoints, log, model.")
    ],
    resume: Annotated[bool, Option("--resume", help="Continue from the newest checkpoint.")] = False,
    n_threads: NThreads = None,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress line.")] = False,
) -> None:
    """Pre-train a biLM on text.

    Every setting of the config can be given here too, as in `spacy train`: --training.n_epochs 3. Stop with
    Ctrl-C or SIGTERM; a checkpoint is written, and --resume goes on with the very same numbers. The exit status
    then is 130.
    """
    from spacy.cli._util import parse_config_overrides

    from ..pretraining.distributed import is_first_process
    from ..runtime.memory import keep_freed_memory

    check_no_stdout(output, "a folder")
    overrides = parse_config_overrides(ctx.args)
    if n_threads is not None:
        overrides["training.n_threads"] = n_threads
    # Here the process is ours alone: it stays so to its end.
    keep_freed_memory()
    # Of several processes, started by torchrun, the first one reports.
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
    overrides: dict[str, Any] | None = None,
    report: "Callable[[Entry], None]" = lambda entry: None,
) -> bool:
    """Pre-train by a config.

    config_path (Path): The config.
    output (Path): The folder of the run.
    resume (bool): Continue from the newest checkpoint.
    overrides (dict[str, Any] | None): Settings that replace those of the config.
    report (Callable[[Entry], None]): Called with each entry of the log.
    RETURNS (bool): Whether the run is finished; if not, it was stopped.
    RAISES (BlockingIOError): If another run uses the folder.
    RAISES (ElmoError): As `Run.prepare` and `Run.train`.
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
