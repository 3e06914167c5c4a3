"""AllenNLP's ELMo out of its wheel alone, on Pythons and versions of torch that its requirements do not allow.

What stands in the way of importing `allennlp.modules.elmo` is not what it computes: the `__init__` of its packages
imports all of AllenNLP, and that, a dozen requirements. Here a package imports from the places that its own
`__init__` names, and only what is asked for; and requirements that ELMo imports but never uses are stood in for.
All else is the wheel's code, unchanged.

`python -m benchmarks.gpu.allennlp_light FOLDER` fetches the wheel.
"""

import ast
import subprocess
import sys
import tempfile
import zipfile
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from shutil import copyfile
from types import ModuleType
from typing import Any

NAME, VERSION = "allennlp", "2.10.1"
# Imported on the way to ELMo, which asks whether a token is spaCy's, and calls `cached_path.cached_path` alone.
STOOD_IN_FOR = ("base58", "cached_path", "dill", "lmdb", "spacy", "transformers")
# What is there really. Some of these look for the packages above, and shall not find stand-ins.
_FIRST = ("torch.utils.data", "torch.distributed", "h5py")


def elmo_module(folder: Path) -> Any:
    """Import the module `allennlp.modules.elmo`.

    folder: where the wheel was unpacked, or what `fetch` made.
    """
    if not (Path(folder) / NAME / "modules" / "elmo.py").exists():
        raise FileNotFoundError(f"No {NAME} in {folder}")
    for name in _FIRST:
        import_module(name)
    sys.meta_path.insert(0, _Packages(Path(folder)))
    stand_ins = _StandIns()
    # What is installed under these names is of another version than the wheel was written for.
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if stand_ins.answers_for(name)}
    sys.meta_path.insert(0, stand_ins)
    try:
        return import_module(f"{NAME}.modules.elmo")
    finally:
        # Nobody else shall take them for the real ones.
        sys.meta_path.remove(stand_ins)
        for name in [name for name in sys.modules if stand_ins.answers_for(name)]:
            del sys.modules[name]
        sys.modules.update(hidden)


def fetch(folder: Path) -> None:
    """Download the wheel and put the files of it that ELMo needs into a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", temporary]
        subprocess.run([*pip, f"{NAME}=={VERSION}"], check=True)
        [wheel] = Path(temporary).glob("*.whl")
        unpacked = Path(temporary) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        # In a process of its own: an import cannot be undone.
        code = "import sys; from benchmarks.gpu.allennlp_light import used; print(*used(sys.argv[1]), sep='\\n')"
        command = [sys.executable, "-c", code, str(unpacked)]
        root = Path(__file__).parents[2]
        found = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
        about = [str(path.relative_to(unpacked)) for path in unpacked.glob("*.dist-info/*") if path.is_file()]
        for name in [*found.stdout.splitlines(), *about]:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(unpacked / name, target)


def used(folder: str) -> list[str]:
    """Files of the wheel that were imported or, of a package, read, once ELMo has made character ids."""
    elmo_module(Path(folder)).batch_to_ids([["a"]])
    root = Path(folder)
    paths = [
        Path(module.__spec__.origin)
        for name, module in sys.modules.items()
        if name.partition(".")[0] == NAME and module.__spec__ is not None and module.__spec__.origin is not None
    ]
    return sorted(str(path.relative_to(root)) for path in paths)


class _Package(ModuleType):
    """A package that imports what its `__init__` imports, but each name when it is asked for."""

    origins: dict[str, tuple[str, str]]

    def __getattr__(self, name: str) -> Any:
        origin = self.__dict__.get("origins", {}).get(name)
        if origin is None:
            # As of any module: the import system goes on to look for a submodule.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module, attribute = origin
        value = getattr(import_module(module), attribute)
        setattr(self, name, value)
        return value


class _Packages(MetaPathFinder, Loader):
    """Opens the wheel's packages without running them. Their modules are found there by Python itself."""

    def __init__(self, folder: Path):
        self._folder = folder

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] != NAME:
            return None
        init = self._folder.joinpath(*fullname.split("."), "__init__.py")
        if not init.exists():
            return None
        spec = ModuleSpec(fullname, self, origin=str(init), is_package=True)
        spec.submodule_search_locations = [str(init.parent)]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        package = _Package(spec.name)
        assert spec.origin is not None
        package.origins = _imported(Path(spec.origin))
        return package

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs."""


def _imported(init: Path) -> dict[str, tuple[str, str]]:
    """Names that a file imports from the wheel: the module and the name there."""
    statements = ast.walk(ast.parse(init.read_text("utf-8")))
    return {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in statements
        if isinstance(statement, ast.ImportFrom) and statement.module and statement.module.startswith(f"{NAME}.")
        for alias in statement.names
    }


class _StandIn(ModuleType):
    """A module from which anything can be imported. It serves in annotations, and fails when it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = type(name, (), {"__module__": self.__name__, "__init__": _unusable})
        setattr(self, name, value)
        return value


class _StandIns(MetaPathFinder, Loader):
    def answers_for(self, name: str) -> bool:
        return name.partition(".")[0] in STOOD_IN_FOR

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if self.answers_for(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _StandIn(spec.name)
        if spec.name == "cached_path":
            # The model's files are on disk.
            module.__dict__["cached_path"] = _path_itself
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


def _path_itself(path: Any, **_: Any) -> str:
    return str(path)


def _unusable(self: Any, *_: Any, **__: Any) -> None:
    raise RuntimeError(f"{type(self).__module__}.{type(self).__name__} is only stood in for")


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
