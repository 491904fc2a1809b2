"""The command ``netgraph``: its commands, their help, and the one line in which wrong input ends."""

import inspect
import os
import re
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from difflib import get_close_matches
from functools import wraps
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from netgraph import __version__, commands, table_commands, zoo_commands
from netgraph.errors import NetGraphError
from netgraph.reading import one_line

#: Exit codes: what was wrong with the input, and an interrupt.
WRONG_INPUT, INTERRUPTED = 2, 130
COMMANDS: dict[str, Callable[..., None]] = {
    "run": commands.run,
    "zoo build": zoo_commands.zoo_build,
    "zoo import": zoo_commands.zoo_import,
    "zoo info": zoo_commands.zoo_info,
    "zoo verify": zoo_commands.zoo_verify,
    "zoo merge": zoo_commands.zoo_merge,
    "datasets install": zoo_commands.datasets_install,
    "datasets list": zoo_commands.datasets_list,
    "train": commands.train,
    "evaluate": commands.evaluate,
    "sample": commands.sample,
    "fit": table_commands.table_fit,
    "predict": table_commands.table_predict,
    "search": table_commands.table_search,
    "convert": commands.convert,
}
#: Commands that, after an interrupt, go on with what is there.
RESUMABLE = {"run", "train", "zoo build", "zoo import", "datasets install", "search"}
_GROUPS = {
    "zoo": (
        "Build and look at zoos: trained networks, their data and figures in a folder.",
        "zoo build tiny --out my_zoo",
    ),
    "datasets": ("Fetch and list real data sets.", "datasets list"),
}
#: Parameters of :func:`_options` that each command has too.
_COMMON = ("ctx", "quiet", "verbose")


class _PlainFlags:
    """Options without a value are shown without one."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, --help among them."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return parameters


class Group(_PlainFlags, TyperGroup):
    """A group of commands."""


class Command(_PlainFlags, TyperCommand):
    """A command whose help is its docstring, and whose options are given once, and not as an empty text."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.help, _, rest = inspect.cleandoc(self.callback.__doc__ or "").partition("\n\nExample:\n")
        examples, _, described = rest.partition("\n\nArgs:\n")
        self.epilog = "\n\n".join(["Example:", *map(str.strip, examples.splitlines())])
        texts = dict(re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", described, re.MULTILINE))
        parameter: Any
        for parameter in self.params:
            if parameter.name in texts:
                parameter.help = " ".join(texts[parameter.name].split())
            if parameter.param_type_name == "argument":
                parameter.metavar = parameter.name.upper()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            NetGraphError: When an option is given more than once, or is empty.
        """
        *_, given = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, count in Counter(given).items():
            if count > 1 and parameter.param_type_name == "option":
                raise NetGraphError(f"{parameter.opts[0]} is given {count} times; give it once")
        rest: list[str] = super().parse_args(ctx, args)
        for parameter in self.params:
            value = ctx.params.get(parameter.name)
            if value == "" or (isinstance(value, list) and "" in value):
                raise NetGraphError(f"{parameter.opts[0]} is empty")
        return rest


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 2 after one line that names the problem with the input, or 130."""
    arguments = sys.argv[1:] if arguments is None else arguments
    words = arguments[1:] if arguments[:1] == ["help"] else arguments
    if words != arguments or " ".join(words) in ("", *_GROUPS):
        words = [*words, "--help"]
    try:
        code = build()(words, "netgraph", standalone_mode=False)
        return int(code or 0)
    except NetGraphError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines())
    except typer.TyperException as error:
        reason = _usage(error)
    except OSError as error:  # of a path that nothing can be done with
        reason = str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
    print(f"netgraph: {reason}", file=sys.stderr)
    return WRONG_INPUT


def build() -> Any:
    """Return the parser of the command line."""
    settings = {"token_normalize_func": lambda word: word.replace("_", "-"), "help_option_names": ["--help", "-h"]}
    app = typer.Typer(cls=Group, context_settings=settings, epilog="Example: netgraph run --preset quick")
    groups = {"": app}
    for name, (text, example) in _GROUPS.items():
        groups[name] = typer.Typer(cls=Group, help=text, epilog=f"Example: netgraph {example}")
    for words, function in COMMANDS.items():
        group, _, name = words.rpartition(" ")
        groups[group].command(name, cls=Command)(_wrapped(words, function))
    for name in _GROUPS:
        app.add_typer(groups[name], name=name)
    app.callback()(_options)
    command: Any = typer.main.get_command(app)
    command.commands = {name: command.commands[name] for name in (words.split()[0] for words in COMMANDS)}
    return command


def _show_version(asked: bool) -> None:
    if asked:
        print(f"netgraph {__version__}")
        raise typer.Exit


def _options(
    ctx: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show where warnings and errors come from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Trained networks as graphs, and new networks from a model of them."""
    ctx.obj = {"quiet": quiet, "verbose": verbose}


def _wrapped(words: str, function: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of all commands, which says after an interrupt whether it can be resumed."""

    @wraps(function)
    def command(*, ctx: typer.Context, quiet: bool, verbose: bool, **options: Any) -> None:
        try:
            with _printing(quiet or ctx.obj["quiet"], verbose or ctx.obj["verbose"]):
                function(**options)
        except KeyboardInterrupt:
            hint = "; the same command goes on from here" if words in RESUMABLE else ""
            print(f"netgraph: interrupted{hint}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None

    own = inspect.signature(function).parameters.values()
    common = inspect.signature(_options).parameters
    parameters = [*own, *(common[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in _COMMON)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


@contextmanager
def _printing(quiet: bool, verbose: bool) -> Iterator[None]:
    """Print nothing, or warnings in a line, or where they and an error come from."""
    before = warnings.formatwarning
    with ExitStack() as stack:
        if quiet:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        if not verbose:
            warnings.formatwarning = lambda message, *_, **__: f"netgraph: {one_line(message)}\n"
        try:
            yield
        except Exception:
            if verbose:
                traceback.print_exc()
            raise
        finally:
            warnings.formatwarning = before


def _usage(error: typer.TyperException) -> str:
    """Return the message of the parser in one line, with the nearest of the words that it names."""
    text = one_line(error.format_message()).rstrip(".").replace("Value error, ", "")
    text = re.sub(r" \(Possible options: (.*)\)", r"; did you mean \1?", text).replace(". Did you", "; did you")
    choices = re.search(r"'([^']*)' is not one of (.*)", text)
    near = get_close_matches(choices[1], re.findall(r"'([^']*)'", choices[2]), n=1) if choices else []
    text += f"; did you mean {near[0]!r}?" if near else ""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "netgraph"
    for parameter in context.command.params if context else ():
        if parameter.param_type_name == "argument" and getattr(error, "option_name", "") == f"--{parameter.name}":
            text = f"no such option: --{parameter.name}; {parameter.metavar} is given by its place"
    return f"{text[0].lower()}{text[1:]}{'' if text.endswith('?') else ';'} see {path} --help"


if __name__ == "__main__":
    sys.exit(main())
