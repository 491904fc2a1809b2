"""The command's help, completion and verbosity; wrong input is refused before torch is imported."""

import json
import os
import subprocess
import sys
from typing import get_args

import pytest
import torch

import netgraph as package
from netgraph.cli import COMMANDS, build, main
from netgraph.inputs import CHECKPOINT, OBJECTIVES, recipe_names
from netgraph.job import Preset
from netgraph.model.checkpoint import FORMAT
from netgraph.presets import PRESETS
from netgraph.search import pareto
from tests.commands import netgraph

#: Runs commands that are refused; prints their exit codes, and the large packages that were imported.
REFUSED = """
import json, sys
from netgraph.cli import main
codes = [main(command.split()) for command in json.loads(sys.argv[1])]
print(codes, {"torch", "lightning", "sklearn", "matplotlib", "optuna"} & sys.modules.keys())
"""
#: Runs a command that prints, warns and fails.
SPEAKING = """
import functools, sys, warnings
from netgraph import NetGraphError
from netgraph.cli import COMMANDS, main
def speak(**_):
    print("a line")
    warnings.warn("a warning", UserWarning)
    raise NetGraphError("an error")
COMMANDS["sample"] = functools.wraps(COMMANDS["sample"])(speak)
sys.exit(main())
"""
#: Commands, and what each is refused for.
WRONG = {
    "train absent": "absent: no such folder",
    "train empty": "empty: holds no zoo; zoo.json: no such file",
    "train absent --seed x": "invalid value for '--seed'",
    "train absent --preset huge": "'huge' is not one of",
    "evaluate absent": "absent: no such folder",
    "zoo info empty": "zoo.json: no such file",
    "zoo verify absent": "absent: no such folder",
    "zoo merge empty absent --out both": "zoo.json: no such file",
    "zoo import absent --module nets.py:Net": "absent: no such folder",
    "zoo import states --module absent.py:Net": "absent.py: no such file",
    "zoo import states --module nets.py": "nets.py: neither FILE.py:NAME nor MODULE:NAME",
    "zoo import states --module nets:Net --out full": "full: not empty",
    "zoo import states --module nets:Net --table absent.csv": "absent.csv: no such file",
    "zoo import states --module nets:Net --table text.csv": "text.csv: has no column 'file'",
    "zoo import states --module nets:Net --target y": "--target is given without --task",
    "zoo import states --module nets:Net --task text.csv --target z": "text.csv: no column 'z' for the target",
    "zoo import states --module nets:Net --example 1,x": "--example '1,x': not a shape",
    "zoo build absent": "unknown recipe 'absent'",
    "zoo build --out text.csv/zoo": "text.csv",
    "zoo build --seed -1": "seed is -1",
    "run --out full": "report.html: exists already",
    "run --device gpu": "unknown device 'gpu'",
    "run --seed -1": "seed is -1",
    "run --out job --preset quick": "a run with preset tiny, not quick",
    "sample --checkpoint absent.safetensors": "absent.safetensors: no such file",
    "sample --checkpoint states/a.safetensors": "a.safetensors: not the file of a model",
    "sample --checkpoint text.csv": "text.csv: not the file of a model, which ends in .safetensors",
    "sample --checkpoint shiped": 'shiped: no such file; "shipped" is the model that ships',
    "sample --checkpoint other.safetensors": "other.json: not a netgraph.NetVAE record",
    "sample --out other.safetensors": "other.safetensors: exists already",
    "sample --out samples.json": "ends in .safetensors",
    "sample --n 0": "invalid value for '--n'",
    "convert absent.safetensors net.py": "absent.safetensors: no such file",
    "convert absent.py:net net.py": "absent.py: no such file",
    "convert nets:net other.safetensors": "other.safetensors: exists already",
    "convert nets:net net.py --weights absent": "absent: no such file",
    "convert nets:net net.py --example 1,x": "--example '1,x': not a shape",
    "convert nets:net net.xyz": "no form has this suffix",
    "convert nets:net net.py --to picture": "'picture' is not one of",
    "fit absent.csv --target y --objectives error,speed": "unknown objective 'speed'",
    "search absent.csv --target y": "absent.csv: no such file",
    "fit y --target text.csv": "y: no such file, but the target text.csv is one; give FILE --target COLUMN",
    "predict full absent.csv": "holds no network.py",
}
if torch.__version__.endswith("+cpu"):
    WRONG["sample --device cuda"] = "device 'cuda': this torch is built for the CPU alone"


def in_a_process(*command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)


def test_wrong_input_is_refused_in_a_line_before_torch_is_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "states", "full", "job"):
        (tmp_path / folder).mkdir()
    (tmp_path / "text.csv").write_text("a,y\n1,2\n")
    (tmp_path / "full" / "report.html").write_text("mine")
    (tmp_path / "states" / "a.safetensors").write_text("tensors")
    (tmp_path / "other.safetensors").write_text("tensors")
    (tmp_path / "other.json").write_text('{"format": "other"}')
    record = {"format": "netgraph.run", "version": 1, "preset": "tiny", "seed": 0, "seconds": {}}
    (tmp_path / "job" / "run.json").write_text(json.dumps(record))
    before = sorted(tmp_path.rglob("*"))
    done = in_a_process("-c", REFUSED, json.dumps(list(WRONG)))
    assert done.stdout.strip() == f"{[2] * len(WRONG)} set()", done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    for line, (command, message) in zip(done.stderr.splitlines(), WRONG.items(), strict=True):
        assert line.startswith("netgraph: "), command
        assert message in line, command


def test_names_are_those_of_the_rooms():
    assert get_args(Preset) == tuple(PRESETS)
    assert CHECKPOINT == FORMAT
    assert ("error", *pareto.OBJECTIVES) == OBJECTIVES
    assert [name for name in recipe_names() if name not in (COMMANDS["zoo build"].__doc__ or "")] == []


def test_import_and_help_are_light():
    code = "import sys, netgraph; print([m for m in ('torch', 'lightning', 'pandas') if m in sys.modules])"
    assert in_a_process("-c", code).stdout.strip() == "[]"
    code = f"from netgraph.cli import main; main(['--help']); main(['train', '-h']); {code}"
    assert in_a_process("-c", code).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("entry", ["netgraph", "netgraph.cli"])
def test_it_is_a_module_to_run(entry):
    shown = in_a_process("-m", entry, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [name for name in ("zoo", "train", "convert") if name not in shown.stdout] == []


def plain(*arguments: str) -> str:
    """The help of a command without frames and line breaks."""
    shown = netgraph(*arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    return " ".join(shown.stdout.replace("│", " ").split())


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_shows_an_example_and_a_text_for_each_parameter(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = plain(*words.split(), "--help")
    assert f"Example: netgraph {words}" in text
    assert text == plain(*words.split(), "-h")
    command = build()
    for word in words.split():
        command = command.commands[word]
    assert [parameter.name for parameter in command.params if not parameter.help] == []
    assert all(parameter.opts[0] in text for parameter in command.params if parameter.param_type_name == "option")


def test_examples_are_commands_that_there_are():
    for function in COMMANDS.values():
        examples = (function.__doc__ or "").partition("Example:\n")[2].partition("\n\n")[0]
        for line in examples.splitlines():
            words = next(words for words in COMMANDS if line.split()[1 : len(words.split()) + 1] == words.split())
            options = {word for word in line.split() if word.startswith("--")}
            assert [option for option in options if option not in plain(*words.split(), "--help")] == [], line


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        ("run", "quick|full|tiny"),
        ("train", "cpu|cuda"),
        ("zoo build", "local|ray"),
        ("search", "nsga2|random|cma"),
        ("fit", "auto|regression|classes"),
        ("convert", "graph|module|onnx|source|graphml|json"),
    ],
)
def test_choices_are_shown(words, choices, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert choices in plain(*words.split(), "--help")


def test_without_a_command_there_is_help():
    assert plain() == plain("--help")
    assert "train" in plain()
    assert plain().endswith("Example: netgraph run --preset quick")
    assert plain("zoo", "--help").endswith("Example: netgraph zoo build tiny --out my_zoo")
    assert plain("zoo") == plain("help", "zoo") == plain("zoo", "--help")
    assert plain("help") == plain()
    assert plain("help", "zoo", "build") == plain("zoo", "build", "--help")


def test_it_has_a_version():
    assert plain("--version") == f"netgraph {package.__version__}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("netgraph ev", ["evaluate"]),
        ("netgraph zoo ", ["build", "import", "info", "verify", "merge"]),
        ("netgraph train zoo --preset q", ["quick"]),
        ("netgraph sample --device ", ["cpu", "cuda"]),
        ("netgraph zoo build t", ["tiny"]),
    ],
)
def test_the_shell_completes(line, expected, monkeypatch, capsys):
    words = line.split(" ")
    for name, value in (("_NETGRAPH_COMPLETE", "complete_bash"), ("COMP_WORDS", line)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out.split() == expected


def test_verbosity():
    said = in_a_process("-c", SPEAKING, "sample")
    assert (said.returncode, said.stdout) == (2, "a line\n")
    assert said.stderr == "netgraph: a warning\nnetgraph: an error\n"
    quiet = in_a_process("-c", SPEAKING, "sample", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (2, "", "netgraph: an error\n")
    assert in_a_process("-c", SPEAKING, "-q", "sample").stderr == quiet.stderr
    verbose = in_a_process("-c", SPEAKING, "sample", "-v")
    assert "<string>:7: UserWarning: a warning" in verbose.stderr
    assert "Traceback" in verbose.stderr
    assert verbose.stderr.endswith("\nnetgraph: an error\n")


def test_options_may_have_underscores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for option in ("--n_samples", "--n-samples"):
        assert netgraph("evaluate", "absent", option, "5").stderr == "netgraph: absent: no such folder\n"
