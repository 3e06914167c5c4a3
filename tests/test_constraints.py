"""constraints-lowest.txt has the lowest versions that setup.cfg allows, of every package that is named there."""

import configparser
import re
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.data import ROOT

if not (ROOT / "setup.cfg").is_file():
    pytest.skip("an installed package, without its source tree", allow_module_level=True)
# Of tools, whose newest versions are used.
WITHOUT_BOUNDS = {"dev", "docs"}
TEXT = (ROOT / "constraints-lowest.txt").read_text("utf-8")


def read_lowest() -> Iterator[tuple[str, str]]:
    """Names of packages, and the lowest version that a requirement allows; "" if it allows any."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    extras = config["options.extras_require"]
    texts = [
        config["options"]["install_requires"],
        *(extras[name] for name in extras if name not in WITHOUT_BOUNDS),
    ]
    for line in "\n".join(texts).splitlines():
        if line.strip():
            requirement = Requirement(line)
            lowest = [bound.version for bound in requirement.specifier if bound.operator == ">="]
            yield canonicalize_name(requirement.name), "".join(lowest)


def read_pins() -> dict[str, str]:
    lines = [line for line in TEXT.splitlines() if line and not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    assert all(len(pair) == 2 for pair in pairs), "each line is NAME==VERSION"
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_bound_is_pinned() -> None:
    reasons = {canonicalize_name(name) for name in re.findall(r"^# ([\w-]+): \w.+", TEXT, re.M)}
    pins = read_pins()
    for name, lowest in read_lowest():
        assert lowest, f"setup.cfg: {name} has no lowest version"
        if name not in reasons:
            assert name in pins, f"constraints-lowest.txt: pin {name}=={lowest}, or say why not: # {name}: ..."
            assert Version(pins[name]) == Version(lowest), f"{name}: setup.cfg {lowest}, pinned {pins[name]}"


def test_nothing_else_is_pinned() -> None:
    assert {*read_pins()} - {name for name, _ in read_lowest()} == set()


def test_pins_of_torch_and_triton() -> None:
    """The lowest triton is the one that the lowest torch for Linux asks for."""
    assert (read_pins()["torch"], read_pins()["triton"]) == ("2.6.0", "3.2.0")
