"""What typer leaves to be wished for: usage lines to be read, the argument that is missing, choices."""

from collections.abc import Sequence
from typing import Any

from typer import BadParameter
from typer.core import TyperCommand

from ..errors import Errors

# Metavars of what is a file or folder.
_NAMES_OF_FILES = ("INPUT", "TEXT", "RUN", "PIPELINE", "FILE", "FOLDER", "CONFIG", "[CONFIG] OUTPUT")


class Command(TyperCommand):
    """A command that names the argument which is missing: not the SOURCEs before it, which are there."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        options = [self.options_metavar] if self.options_metavar else []
        return options + [_in_usage(argument) for argument in self._arguments()]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        values = self.make_parser(ctx).parse_args(list(args))[0]
        try:
            rest = super().parse_args(ctx, args)
        except BadParameter:
            required = [argument for argument in self._arguments() if argument.required]
            count = sum(len(_texts(values.get(argument.name))) for argument in required)
            if count < len(required):
                # Processed without a value, it is what the error names.
                required[count].handle_parse_result(ctx, {}, [])
            raise
        params: list[Any] = self.params
        for param in params:
            if param.metavar in _NAMES_OF_FILES and "" in _texts(values.get(param.name)):
                raise BadParameter(Errors.EL701, ctx, param)
        return rest

    def _arguments(self) -> list[Any]:
        return [param for param in self.params if param.param_type_name == "argument"]


def choices(names: Sequence[str]) -> dict[str, Any]:
    """Settings of an option that takes one of these names. It is a text all the same: wrong ones are told by the
    functions behind the commands, which are used without them as well."""
    return {
        "metavar": "|".join(names),
        "autocompletion": lambda incomplete: [name for name in names if name.startswith(incomplete)],
    }


def _in_usage(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    if argument.nargs != 1 and " " not in name:
        name += "..."
    return name if argument.required else f"[{name}]"


def _texts(value: Any) -> Sequence[str]:
    """What was given for an argument or option: none, one or several."""
    return [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
