"""What a board need not hold: constants by name, and imports that only checkers read.

On a board every name of a module costs a slot in its dictionary and a place among the
interned strings, about 40 bytes, whether anybody asks for it or not.  MicroPython folds
``_NAME = const(7)`` within one module; `lean` does the same across modules, in the source
that is handed to mpy-cross:

* an upper-case integer of a module (``m.HELLO_SIZE``) becomes its number where it is used;
* an import that nothing but annotations needs any more is left out.

Every module keeps the constants that it defines, so it means the same to whoever imports
it by name.  A module of constants alone is then simply not loaded.  Lines stay where they are.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

Constants = dict[str, dict[str, int]]
"""Of each module, by its dotted name, the upper-case integers that it defines."""

Edit = tuple[ast.stmt | ast.expr, str]
"""A node, and the text that takes its place."""

_OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Constant, ast.Expression)


def module_name(path: Path) -> str:
    """Return the dotted name of the module at `path`, from the packages that it lies in."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def constants(paths: Iterable[Path]) -> Constants:
    """Return the constants of the modules at `paths`."""
    trees = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    known: Constants = {name: {} for name in trees}
    for name, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = _number(node.value, known[name])
                if value is not None and _is_constant(node.targets[0].id):
                    known[name][node.targets[0].id] = value
    return known


def _is_constant(name: str) -> bool:
    return name.isupper() and not name.startswith("_")


def _number(node: ast.expr, names: dict[str, int]) -> int | None:
    """Return what an expression of integers and earlier constants amounts to, else None."""
    whole = ast.Expression(node)
    for inner in ast.walk(whole):
        if isinstance(inner, ast.Name) and inner.id in names:
            continue
        if not isinstance(inner, (*_OPERATIONS, ast.expr_context)):
            return None
    value = eval(compile(whole, "<constant>", "eval"), {"__builtins__": {}}, names)
    return value if type(value) is int else None


def lean(source: str, path: Path, known: Constants) -> str:
    """Return `source`, of the module at `path`, without what a board need not hold."""
    tree = ast.parse(source, str(path))
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    numbers, modules = _bindings(imports, package, known)
    numbers.update(known.get(module, {}))
    for name in _rebound(tree, known.get(module, {})):
        numbers.pop(name, None)
        modules.pop(name, None)

    reader = _Reader(numbers, modules)
    reader.visit(tree)
    used = reader.used | _exported(tree)
    for node in imports:
        kept = [alias for alias in node.names if (alias.asname or alias.name) in used]
        if len(kept) < len(node.names):
            text = ast.unparse(ast.ImportFrom(node.module, kept, node.level)) if kept else ""
            gone = (node.end_lineno or node.lineno) - node.lineno
            reader.edits.append((node, text + "\n" * gone))
    return _edited(source, reader.edits)


class _Reader(ast.NodeVisitor):
    """Finds what becomes a number, and which other names the code needs when it runs."""

    def __init__(self, numbers: dict[str, int], modules: Constants) -> None:
        self.edits: list[Edit] = []
        self.used: set[str] = set()
        self._numbers = numbers
        self._modules = modules

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in self._numbers:
            self.edits.append((node, _literal(self._numbers[node.id])))
        else:
            self.used.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        value = self._modules.get(owner, {}).get(node.attr)
        if value is None:
            self.generic_visit(node)
        else:
            self.edits.append((node, _literal(value)))

    def visit_Call(self, node: ast.Call) -> None:
        folded = isinstance(node.func, ast.Name) and node.func.id == "const"
        for child in ast.iter_child_nodes(node):
            if not (folded and child is node.func):  # MicroPython's compiler knows it by itself
                self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for child in (*node.decorator_list, node.args, *node.body):
            self.visit(child)

    def visit_arg(self, node: ast.arg) -> None:
        """Leave the annotation out."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        for child in (node.target, node.value):
            if child:
                self.visit(child)


def _bindings(
    imports: Iterable[ast.ImportFrom], package: str, known: Constants
) -> tuple[dict[str, int], Constants]:
    """Return the numbers, and the modules with constants, that imports give a name to."""
    numbers: dict[str, int] = {}
    modules: Constants = {}
    for node in imports:
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, base]).rstrip(".")
        for alias in node.names:
            name = alias.asname or alias.name
            if f"{base}.{alias.name}" in known:
                modules[name] = known[f"{base}.{alias.name}"]
            elif alias.name in known.get(base, {}):
                numbers[name] = known[base][alias.name]
    return numbers, modules


def _rebound(tree: ast.Module, own: dict[str, int]) -> set[str]:
    """Return the names that the module gives another meaning to somewhere."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            if node.id not in own:
                found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Global):
            found.update(node.names)
    return found


def _exported(tree: ast.Module) -> set[str]:
    """Return the names in ``__all__``."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _literal(value: int) -> str:
    return str(value) if value >= 0 else f"({value})"


def _edited(source: str, edits: Iterable[Edit]) -> str:
    """Return `source` with the text of each node replaced."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    out = source.encode()
    placed = [
        (starts[node.lineno - 1] + node.col_offset,
         starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0), text)
        for node, text in edits
    ]  # fmt: skip
    for start, end, text in sorted(placed, reverse=True):
        out = out[:start] + text.encode() + out[end:]
    return out.decode()
