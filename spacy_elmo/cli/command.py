"""A typer command with readable usage lines, which names the missing argument."""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

from typer import BadParameter
from typer.core import TyperArgument, TyperCommand

from ..errors import Errors

# Newer versions of typer have their own copy of click, whose types differ from click's.
_Click: TypeAlias = Any

# Metavars of parameters that are files or folders.
_FILE_METAVARS = ("INPUT", "TEXT", "RUN", "PIPELINE", "FILE", "FOLDER", "CONFIG", "[CONFIG] OUTPUT")


class Command(TyperCommand):
    """A command that names the argument that is missing, not a repeatable one before it."""

    def collect_usage_pieces(self, ctx: _Click) -> list[str]:
        options = [self.options_metavar] if self.options_metavar else []
        return options + [_format_argument(argument) for argument in self._arguments()]

    def parse_args(self, ctx: _Click, args: list[str]) -> list[str]:
        values = self.make_parser(ctx).parse_args(list(args))[0]
        try:
            rest = super().parse_args(ctx, args)
        except BadParameter:
            required = [argument for argument in self._arguments() if argument.required]
            count = sum(len(_to_texts(values.get(str(argument.name)))) for argument in required)
            if count < len(required):
                # Processing it without a value raises the error that names it.
                required[count].handle_parse_result(ctx, {}, [])
            raise
        params: list[_Click] = self.params
        for param in params:
            if param.metavar in _FILE_METAVARS and "" in _to_texts(values.get(param.name)):
                raise BadParameter(Errors.EL701, ctx, param)
        return rest

    def _arguments(self) -> list[TyperArgument]:
        return [cast(TyperArgument, param) for param in self.params if param.param_type_name == "argument"]


def _format_argument(argument: TyperArgument) -> str:
    name = str(argument.metavar or str(argument.name).upper())
    if argument.nargs != 1 and " " not in name:
        name += "..."
    return name if argument.required else f"[{name}]"


def _to_texts(value: object) -> Sequence[str]:
    """List the values that were given for a parameter."""
    return [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
