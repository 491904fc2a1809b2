"""Arguments of the command as people write them, for a parser that wants all of them named."""

import json
from itertools import takewhile


def _words(arguments: list[str]) -> list[str]:
    """Give the arguments before the first option."""
    return list(takewhile(lambda argument: not argument.startswith("-"), arguments))


def _underscored(argument: str) -> str:
    """Write the name of an option, ``--max-seconds``, as it is called, ``--max_seconds``."""
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value if name.startswith("--") else argument


def named(arguments: list[str]) -> list[str]:
    """Let commands take their files without their names, ``zoo merge`` its zoos as words, and options have hyphens."""
    arguments = [_underscored(argument) for argument in arguments]
    if arguments[:1] == ["convert"]:
        plain = _words(arguments[1:])
        files = [part for pair in zip(("--source", "--out"), plain, strict=False) for part in pair]
        return ["convert", *files, *plain[2:], *arguments[1 + len(plain) :]]
    if arguments[:1] in (["fit"], ["search"]) and _words(arguments[1:]):
        return [arguments[0], "--data", *arguments[1:]]
    if arguments[:2] == ["zoo", "merge"] and "--zoos" in arguments:
        at = arguments.index("--zoos") + 1
        zoos = _words(arguments[at:])
        if zoos and not zoos[0].startswith("["):
            return [*arguments[:at], json.dumps(zoos), *arguments[at + len(zoos) :]]
    return arguments
