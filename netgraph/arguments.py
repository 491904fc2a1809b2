"""Arguments of the command as people write them, for a parser that wants all of them named."""

import json
from collections import Counter
from itertools import takewhile, zip_longest

from netgraph.errors import NetGraphError

#: An option that needs no value, though the parser wants one, and the values it may have.
_FLAG, _VALUES = "--overwrite", (["true"], ["false"])


def _words(arguments: list[str]) -> list[str]:
    """Give the arguments before the first option."""
    return list(takewhile(lambda argument: not argument.startswith("-"), arguments))


def _underscored(argument: str) -> str:
    """Write the name of an option, ``--max-seconds``, as it is called, ``--max_seconds``."""
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value if name.startswith("--") else argument


def named(arguments: list[str]) -> list[str]:
    """Name the files of a command, and the zoos of ``zoo merge``, that were given as words; options may have hyphens.

    Raises:
        NetGraphError: When an option is given more than once, or as an empty text.
    """
    given = [_underscored(argument) for argument in arguments]
    flags = [i for i, argument in enumerate(given) if argument == _FLAG and given[i + 1 : i + 2] not in _VALUES]
    rest = [argument for i, argument in enumerate(given) if i not in flags]
    arguments = _with_names(rest) + [f"{_FLAG}=true" for _ in flags]
    names = Counter(name for argument in arguments if (name := argument.partition("=")[0]).startswith("--"))
    for name, count in names.items():
        if count > 1 and not name.endswith("+"):
            raise NetGraphError(f"{name} is given {count} times; give it once")
    for name, value in zip_longest(arguments, arguments[1:], fillvalue="-"):
        if name.startswith("--") and (not value or name.endswith("=")):
            raise NetGraphError(f"{name.rstrip('=')} is empty")
    return arguments


def _with_names(arguments: list[str]) -> list[str]:
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
