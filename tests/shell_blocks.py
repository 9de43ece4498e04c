"""The commands in the code blocks of a Markdown page."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

# What a line of a block begins with, where that is commands and not, say, a tree of files.
PROGRAMS = frozenset(
    {
        *("apt-get", "aws", "cp", "curl", "dnf", "git", "make", "mkdir", "printf", "sam"),
        ".venv/bin/python",
    }
)
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command as it stands, and the lines below it that show what it prints."""

    text: str
    output: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[list[str]]:
        """The commands of the line, as words, without comments, variables and redirections."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split, lexer.commenters = True, ""
        commands: list[list[str]] = [[]]
        for word in lexer:
            if word == "#":
                break
            if word == ">":
                next(lexer)
            elif word in {"|", "&&", ";", "&"}:
                commands.append([])
            elif commands[-1] or not re.match(r"[A-Z_]+=", word):
                commands[-1].append(word)
        return commands


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each code block."""
    return [(language, text) for language, text in _BLOCK.findall(page.read_text())]


def commands(page: Path) -> list[Command]:
    """The commands of all blocks without a language of their own, in order."""
    return [
        command
        for language, text in blocks(page)
        if language in {"", "console"}
        for command in _commands(text)
    ]


def _commands(text: str) -> list[Command]:
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    if any(line.startswith("$ ") for line in lines):
        result: list[Command] = []
        for line in lines:
            if line.startswith("$ "):
                result.append(Command(line.removeprefix("$ ")))
            elif result:
                result[-1].output.append(line)
        return result
    return [Command(line) for line in lines if line and _is_command(lines[0])]


def _is_command(line: str) -> bool:
    program = line.split(" ", maxsplit=1)[0]
    return program in PROGRAMS or program.startswith("scripts/")
