"""The table of commands behind python3 -m tools <command>, each imported only when called."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

from tools.cli import console, interrupts, options, pretend
from tools.errors import ToolError
from tools.programs import bootstrap, cache
from tools.server.store import explain

GIT_LIMIT_S = 10
GROUPS = {
    "try it": {
        "demo": "watch a simulated board update itself",
        "test": "run the linter and all tests on every interpreter",
        "simboard": "run a simulated board against any server",
    },
    "your board": {
        "provision": "enrol a new board: keys, configuration, package, in one go",
        "deploy": "put device package, configuration and certificates on a board",
        "doctor": "look at a board: what keeps it from updating, and the cure",
    },
    "your fleet": {
        "keys": "make keys and certificates for servers, boards and signing",
        "sign": "sign a firmware image and print its offer",
        "serve": "run the OTA server: broker, files, page, answers to boards",
        "push": "offer an image to devices of the server, and follow it",
        "devices": "show the devices of the server",
    },
    "develop": {
        "build": "pack the device code into a firmware image",
        "torture": "cut power, links and flash at every moment of an update",
        "bench": "measure heap, work, flash traffic and bytes of an update",
    },
}
COMMANDS = [name for commands in GROUPS.values() for name in commands]
RENAMED = {"board": "simboard"}


def overview() -> str:
    lines = ["usage: python3 -m tools <command> [args]"]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<10}{help_line}" for name, help_line in commands.items())]
    lines += ["", "python3 -m tools <command> --help shows more, --version which this is;",
              "source <(python3 -m tools --completion) has bash complete all of it."]  # fmt: skip
    return "\n".join(lines)


def parser_of(module, name: str) -> argparse.ArgumentParser:
    """Options are written in full: part of one could be another that is mistyped."""
    prog = f"python3 -m tools {name}"
    parser = argparse.ArgumentParser(
        prog, description=module.__doc__, allow_abbrev=False, formatter_class=options.Help
    )
    parser.register("type", None, options.text)
    parser.register("type", Path, options.path)
    module.add_arguments(parser)
    return parser


def completion() -> str:
    """For bash: `source` takes it."""
    from tools.cli import shell  # here, for it costs the other commands time

    return shell.bash({name: parser_of(load(name), name) for name in COMMANDS})


def parse(module, name: str, arguments: list[str]) -> argparse.Namespace:
    """A module with PASSES_ARGUMENTS_ON gets what it does not know itself as args.rest. args.given: the
    options as they were typed."""
    parser = parser_of(module, name)
    args, rest = parser.parse_known_args(arguments)
    args.given = {text.split("=")[0] for text in arguments if text.startswith("--")}
    if rest and not getattr(module, "PASSES_ARGUMENTS_ON", False):
        parser.error("unrecognized arguments: " + " ".join(rest))
    args.rest = rest
    return args


def load(name: str):
    module_name = f"tools.commands.{name}"
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise ToolError(f"the command {name!r} is not written yet") from None


def prepare(argv: list[str]) -> None:
    """Gives a command its packages; to show its options it does without, and nothing is written."""
    if not {"-h", "--help"}.isdisjoint(argv):
        return None if bootstrap.satisfied() else pretend.packages()
    cache.check_names()
    bootstrap.ensure(argv)
    cache.redirect()


def version() -> str:
    """Of the package for boards, and the commit if git has it."""
    package = json.loads((cache.REPO / "device" / "package.json").read_text())
    command = ["git", "-C", str(cache.REPO), "-c", "safe.directory=*", "log", "-1", "--format= %h of %cs"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_LIMIT_S)
    except (OSError, subprocess.SubprocessError):
        return f"{package['version']} (Python {platform.python_version()})"
    return f"{package['version']}{done.stdout.rstrip()} (Python {platform.python_version()})"


def run(argv: list[str]) -> int:
    if argv and argv[0] == "--version":
        print(version())
        return 0
    if argv and argv[0] == "--completion":
        prepare(argv)
        print(completion())
        return 0
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0
    name, arguments = argv[0], argv[1:]
    if name in RENAMED:
        raise ToolError(f"{name!r} is {RENAMED[name]!r} now: python3 -m tools {RENAMED[name]} ...")
    if name not in COMMANDS:
        raise ToolError(f"no command {name!r}: choose one of {', '.join(COMMANDS)}")
    prepare(argv)
    module = load(name)
    args = parse(module, name, arguments)
    with interrupts.temporary_folder():
        return module.run(args)


def main(argv: list[str]) -> int:
    try:
        return run(argv)
    except ToolError as error:
        print(f"error: {console.shorten(console.clean(error))}", file=sys.stderr)
        return 1
    except sqlite3.Error as error:  # of fleet.db, which `serve`, `push` and `devices` share
        print(f"error: the server's fleet.db: {explain(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {console.clean(console.explain(error))}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    interrupts.guard(partial(console.guard, main), sys.argv[1:])
