"""Codes in front of messages."""

from typing import Any, Dict, Tuple


class WithCodes(type):
    """Puts the attribute's name in front of its text: `Errors.EL001` reads "[EL001] ..."."""

    def __new__(mcs, name: str, bases: Tuple[type, ...], namespace: Dict[str, Any]) -> "WithCodes":
        coded = {
            key: f"[{key}] {value}" if not key.startswith("_") and isinstance(value, str) else value
            for key, value in namespace.items()
        }
        return super().__new__(mcs, name, bases, coded)
