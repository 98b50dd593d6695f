"""Build history as the lines of a Dockerfile that made it."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_INSTRUCTION: Final = re.compile(
    r"(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME"
    r"|WORKDIR)(?:\s(.*))?",
    re.DOTALL,
)
# At most nine options: the search begins at every word of a text that strangers wrote.
_SHELL: Final = (
    r"(?:(?:/usr)?/bin/)?(?:sh|bash|ash|dash|zsh|ksh)(?: -[a-z]+(?: pipefail| errexit| nounset)?){0,9}? -[a-z]*c\b"
    r"|cmd(?:\.exe)? /[sS] /[cC]"
    r"|(?:powershell|pwsh)(?:\.exe)?(?: -\w++(?: \w++)?;?){0,9}? -[cC]ommand"
)
_SHELL_PREFIX: Final = re.compile(rf"(?:{_SHELL})\s*")
_SHELL_ANYWHERE: Final = re.compile(rf"(?<=\s)(?:{_SHELL})\s")
_NOP: Final = re.compile(r"#\(nop\)\s*")
_BUILDKIT: Final = "# buildkit"
_ADDED: Final = re.compile(r"((?:file|dir|multi):[0-9a-f]+) in (.*)", re.DOTALL)


class Instruction(msgspec.Struct, frozen=True, gc=False):
    """One line: `RUN`, `apt-get update`."""

    verb: str
    """Upper case; empty where the builder wrote something else than a Dockerfile's line."""
    text: str
    """What follows the verb, as it was written; may have several lines."""


def instruction_of(created_by: str | None) -> Instruction:
    """Reads what BuildKit (`RUN /bin/sh -c … # buildkit`) and the classic builder
    (`/bin/sh -c #(nop) CMD …`) note in the history; anything else is text without a verb.

    The shell around a command is left out, and so are the build arguments before it.
    """
    text = (created_by or "").strip().removesuffix(_BUILDKIT).strip()
    match = _INSTRUCTION.fullmatch(text)
    if match:
        return _written(match[1], match[2] or "")
    command = _without_arguments(text)
    shell = _SHELL_PREFIX.match(command)
    if shell is None:
        return Instruction("", text)
    command = command[shell.end() :]
    nop = _NOP.match(command)
    if nop is None:
        return Instruction("RUN", command.strip())
    match = _INSTRUCTION.fullmatch(command[nop.end() :].strip())
    return _written(match[1], match[2] or "") if match else Instruction("", command[nop.end() :].strip())


def _written(verb: str, text: str) -> Instruction:
    if verb == "RUN":
        command = _without_arguments(text)
        shell = _SHELL_PREFIX.match(command)
        text = command[shell.end() :] if shell else command
    elif verb == "EXPOSE":
        text = text.removeprefix("map[").removesuffix("]").replace(":struct {}{}", "").replace(":{}", "")
    elif verb in ("ADD", "COPY"):
        added = _ADDED.fullmatch(text)
        text = f"{added[1]} {added[2]}" if added else text
    return Instruction(verb, text.strip())


def _without_arguments(text: str) -> str:
    """The command behind `|2 NAME=value NAME=value`, which the builders put before it."""
    shell = _SHELL_ANYWHERE.search(text) if text.startswith("|") else None
    return text[shell.start() :] if shell else text
