"""Docstrings for the site: roles of reStructuredText become links, and an example is one section."""

import re

import griffe

#: A role, such as :class:`~netgraph.zoo.Zoo`, with what stands before the last dot apart.
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`(?P<short>[~.]?)(?P<path>[\w.]*?)(?P<name>\w+)`")


class Docstrings(griffe.Extension):
    """Rewrites each docstring as Markdown before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rewrite the docstring of an object."""
        if obj.is_module:  # a page has an opening of its own
            obj.docstring = None
        if obj.docstring is None:
            return
        text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
        obj.docstring.value = ROLE.sub(lambda role: self._link(role, obj), text)

    def _link(self, role: re.Match[str], obj: griffe.Object) -> str:
        """Return a link to what has a page, in a small type where it has none."""
        path, name = role["path"], role["name"]
        shown = name if role["short"] else f"{path}{name}"
        owner = obj if obj.is_class else obj.parent
        if role["short"] == "." or (not path and (owner is None or name not in owner.members)):
            return f"`{shown}`"
        target = f"{path}{name}" if path else f"{owner.path}.{name}"  # type: ignore[union-attr]
        return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'
