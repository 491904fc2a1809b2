"""The command ``netgraph``."""

import sys
from typing import Any

from netgraph import commands
from netgraph.arguments import named
from netgraph.errors import NetGraphError
from netgraph.reading import one_line

#: Exit codes: what was wrong with the input, and an interrupt.
WRONG_INPUT, INTERRUPTED = 2, 130
#: Commands that, after an interrupt, go on with what is there.
_RESUMABLE = (["run"], ["train"], ["zoo", "build"], ["datasets", "install"], ["search"])

COMMANDS: dict[str, Any] = {
    "run": commands.run,
    "zoo": {
        "_help": "Build and look at zoos.",
        "build": commands.zoo_build,
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
    "fit": commands.fit,
    "search": commands.search,
    "convert": commands.convert,
}


def _refuse(reason: str) -> int:
    print(f"netgraph: {reason}", file=sys.stderr)
    return WRONG_INPUT


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; give 0, or 2 after one line that says what is wrong with the input."""
    from jsonargparse import ArgumentError, auto_cli

    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = {"prog": "netgraph", "as_positional": False, "exit_on_error": False, "allow_abbrev": False}
        auto_cli(COMMANDS, args=named(arguments), **options)
    except NetGraphError as error:
        return _refuse(" ".join(line.strip() for line in str(error).splitlines()))
    except ArgumentError as error:  # it may quote a whole file
        return _refuse(one_line(error))
    except OSError as error:  # of a path that nothing can be done with
        return _refuse(str(error) if error.filename is None else f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        goes_on = any(arguments[: len(command)] == command for command in _RESUMABLE)
        print("netgraph: interrupted" + ("; the same command goes on from here" if goes_on else ""), file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
