"""What bash needs to complete `python3 -m tools`: shtab writes it, from the commands' parsers."""

from __future__ import annotations

import argparse

import shtab

# bash completes by program, here python3: the words before the module's name are taken away, and where
# python3 runs anything else its files are completed, as without this.
_OF_PYTHON3 = """
_tools_of_python3() {
    [[ ${COMP_WORDS[1]} == -m && ${COMP_WORDS[2]} == tools && $COMP_CWORD -gt 2 ]] || return
    COMP_WORDS=("${COMP_WORDS[@]:2}")
    COMP_CWORD=$((COMP_CWORD - 2))
    _shtab_tools
}
complete -o bashdefault -o default -F _tools_of_python3 python3
"""


def bash(commands: dict[str, argparse.ArgumentParser]) -> str:
    parser = argparse.ArgumentParser("tools")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--completion", action="store_true")
    names = parser.add_subparsers()
    for name, command in commands.items():
        names.add_parser(name, help=name, parents=[command], add_help=False)  # shtab skips those without help
    return shtab.complete(parser, "bash") + _OF_PYTHON3
