"""The command ``netgraph``."""

import json
import re
import sys
import warnings
from collections import Counter
from itertools import takewhile, zip_longest
from typing import Any

from netgraph import commands, table_commands
from netgraph.errors import NetGraphError
from netgraph.reading import one_line

#: Exit codes: what was wrong with the input, and an interrupt.
WRONG_INPUT, INTERRUPTED = 2, 130
#: Commands that, after an interrupt, go on with what is there.
_RESUMABLE = (["run"], ["train"], ["zoo", "build"], ["zoo", "import"], ["datasets", "install"], ["search"])
#: Options without a value, of which the parser wants one.
_FLAGS = ("--overwrite", "--skip_too_large")
#: Commands whose first words stand for options, and these options.
_WORDS = (
    (["convert"], ("source", "out")),
    (["fit"], ("data",)),
    (["predict"], ("fit", "data")),
    (["search"], ("data",)),
    (["train"], ("zoo",)),
    (["zoo", "import"], ("folder",)),
    (["zoo", "info"], ("out",)),
    (["zoo", "verify"], ("out",)),
)

COMMANDS: dict[str, Any] = {
    "run": commands.run,
    "zoo": {
        "_help": "Build and look at zoos.",
        "build": commands.zoo_build,
        "import": commands.zoo_import,
        "info": commands.zoo_info,
        "verify": commands.zoo_verify,
        "merge": commands.zoo_merge,
    },
    "datasets": {
        "_help": "Fetch and list real data sets.",
        "install": commands.datasets_install,
        "list": commands.datasets_list,
    },
    "train": commands.train,
    "evaluate": commands.evaluate,
    "sample": commands.sample,
    "fit": table_commands.table_fit,
    "predict": table_commands.table_predict,
    "search": table_commands.table_search,
    "convert": commands.convert,
}


def named(arguments: list[str]) -> list[str]:
    """Name the files of a command, and the zoos of ``zoo merge``, that were given as words; options may have hyphens.

    Raises:
        NetGraphError: When an option is given more than once, or as an empty text.
    """
    given = [re.sub(r"^--[^=]*", lambda name: "--" + name[0][2:].replace("-", "_"), one) for one in arguments]
    flags = [i for i, one in enumerate(given) if one in _FLAGS and given[i + 1 : i + 2] not in (["true"], ["false"])]
    named_ones = _with_names([one for i, one in enumerate(given) if i not in flags])
    arguments = named_ones + [f"{given[i]}=true" for i in flags]
    names = Counter(name for argument in arguments if (name := argument.partition("=")[0]).startswith("--"))
    for name, count in names.items():
        if count > 1 and not name.endswith("+"):
            raise NetGraphError(f"{name} is given {count} times; give it once")
    for name, value in zip_longest(arguments, arguments[1:], fillvalue="-"):
        if name.startswith("--") and (not value or name.endswith("=")):
            raise NetGraphError(f"{name.rstrip('=')} is empty")
    return arguments


def _with_names(arguments: list[str]) -> list[str]:
    for command, names in _WORDS:
        rest = arguments[len(command) :]
        plain = _words(rest)
        if arguments[: len(command)] == command and plain:
            named = [part for name, word in zip(names, plain, strict=False) for part in (f"--{name}", word)]
            return [*command, *named, *rest[len(named) // 2 :]]
    if arguments[:2] == ["zoo", "merge"] and "--zoos" in arguments:
        at = arguments.index("--zoos") + 1
        zoos = _words(arguments[at:])
        if zoos and not zoos[0].startswith("["):
            return [*arguments[:at], json.dumps(zoos), *arguments[at + len(zoos) :]]
    return arguments


def _words(arguments: list[str]) -> list[str]:
    """Return the arguments before the first option."""
    return list(takewhile(lambda argument: not argument.startswith("-"), arguments))


def _warning(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"netgraph: {one_line(message)}\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 after one line that names the problem with the input."""
    from jsonargparse import ArgumentError, auto_cli

    arguments = sys.argv[1:] if arguments is None else arguments
    before, warnings.formatwarning = warnings.formatwarning, _warning
    try:
        options = {"prog": "netgraph", "as_positional": False, "exit_on_error": False, "allow_abbrev": False}
        auto_cli(COMMANDS, args=named(arguments), **options)
        return 0
    except NetGraphError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines())
    except ArgumentError as error:  # it may quote a whole file
        reason = one_line(error)
    except OSError as error:  # of a path that nothing can be done with
        reason = str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
    except KeyboardInterrupt:
        goes_on = any(arguments[: len(command)] == command for command in _RESUMABLE)
        print("netgraph: interrupted" + ("; the same command goes on from here" if goes_on else ""), file=sys.stderr)
        return INTERRUPTED
    finally:
        warnings.formatwarning = before
    print(f"netgraph: {reason}", file=sys.stderr)
    return WRONG_INPUT


if __name__ == "__main__":
    sys.exit(main())
