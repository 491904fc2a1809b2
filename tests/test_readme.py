"""The README's Python blocks run as they stand, and its translation keeps up with it."""

import re
import runpy
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
FENCED = re.compile(r"^```\w+\n.*?^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ ", re.MULTILINE)
LINK = re.compile(r"(?<=\]\()[^)]+(?=\))")


@pytest.mark.docs
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1][:30])
def test_block_runs(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("block.py").write_text(block)
    runpy.run_path("block.py", run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_a_block_that_makes_a_folder_can_run_again():
    for block in BLOCKS:
        assert "mkdir(" not in block or "exist_ok=True" in block


def test_it_is_short_and_what_it_links_to_is_there():
    text = README.read_text(encoding="utf-8")
    assert len(BLOCKS) == 3
    assert len(text.splitlines()) <= 120
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    assert len(links) >= 8
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_the_translation_has_the_same_headings_code_links_and_numbers():
    texts = [path.read_text(encoding="utf-8") for path in (README, README.with_name("README.ru.md"))]
    assert FENCED.findall(texts[0]) == FENCED.findall(texts[1])
    prose = [FENCED.sub("", text) for text in texts]
    assert HEADING.findall(prose[0]) == HEADING.findall(prose[1])
    for original, translated in zip(*map(HEADING.split, prose), strict=True):
        assert numbers(original) == numbers(translated), original
        links = [sorted(set(LINK.findall(part)) - {"README.md", "README.ru.md"}) for part in (original, translated)]
        assert links[0] == links[1], original


def numbers(text: str) -> list[str]:
    """Return the numbers of a text outside of links, in order of size."""
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", LINK.sub("", text)))


def test_the_public_names_are_there():
    import netgraph

    for name in netgraph.__all__:
        assert getattr(netgraph, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        _ = netgraph.absent
