"""Lets a command show its options without its packages: what it imports of them is pretended."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

OWN = ("tools", "device")


class _Everything(type):
    """Has every attribute, of which each is a class again."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return Pretended


class Pretended(metaclass=_Everything):
    def __new__(cls, *_: object, **__: object) -> type:  # type: ignore[misc]
        return Pretended

    def __class_getitem__(cls, _: object) -> type:
        return Pretended


class _Finder(MetaPathFinder, Loader):
    """Finds what nothing else finds."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        is_own = name.partition(".")[0] in OWN
        return None if is_own else ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = lambda name: getattr(Pretended, name)  # type: ignore[method-assign]


def packages() -> None:
    sys.meta_path.append(_Finder())
