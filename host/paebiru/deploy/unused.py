"""What nobody on one board asks for: functions, classes and constants by name.

A function costs a board 60 to 130 bytes beside its code, wherever the code lies, and its name
some 20 more.  A module is written for all boards and for the host; here those definitions of
its are left out whose name no module of one board's bundle says anywhere: as a name, behind a
dot, in an import, or as a text (``getattr(port, "bus")``).  That is coarse, since a name in use
keeps all that are called so, and so it is safe.  Lines stay where they are.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_Definition = ast.FunctionDef | ast.ClassDef | ast.Assign


def without_unused(sources: Mapping[Path, str], entries: Iterable[str]) -> dict[Path, str]:
    """Return the modules of one bundle without what nobody there asks for.

    Args:
        sources: the modules, by their paths.
        entries: the files that start them, which stay as they are.
    """
    trees = {path: ast.parse(source) for path, source in sources.items()}
    started = [ast.parse(entry) for entry in entries]
    gone: dict[Path, list[_Definition]] = {path: [] for path in trees}
    while True:
        used = _used([*trees.values(), *started])
        found = False
        for path, tree in trees.items():
            for body in _bodies(tree):
                left_out = [node for node in body if _is_unused(node, used)]
                gone[path] += left_out  # type: ignore[arg-type]
                body[:] = [node for node in body if node not in left_out]
                found = found or bool(left_out)
        if not found:
            return {path: _blanked(source, gone[path]) for path, source in sources.items()}


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    yield tree.body
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.body


def _used(trees: Iterable[ast.Module]) -> set[str]:
    """Return every name that something says."""
    used: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
                used.add(node.id)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.alias):
                used.update(node.name.split("."))
            elif isinstance(node, ast.keyword) and node.arg:
                used.add(node.arg)
            elif isinstance(node, ast.Global):
                used.update(node.names)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
    return used


def _is_unused(node: ast.stmt, used: set[str]) -> bool:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return not node.name.startswith("__") and node.name not in used
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return False
    target = node.targets[0]
    if not isinstance(target, ast.Name) or target.id.startswith("__") or target.id in used:
        return False
    # What is worked out when the module loads may be needed for more than its name.
    return all(
        isinstance(part, ast.Constant | ast.Tuple | ast.Load) for part in ast.walk(node.value)
    )


def _blanked(source: str, nodes: Iterable[_Definition]) -> str:
    """Return `source` with empty lines in place of `nodes`."""
    lines = source.splitlines(keepends=True)
    for node in nodes:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        last = node.end_lineno or node.lineno
        indent = " " * node.col_offset
        lines[first - 1 : last] = ["\n"] * (last - first + 1)
        if indent:  # a class's body must not become empty
            lines[first - 1] = f"{indent}pass\n"
    return "".join(lines)
