"""The rules of architecture and dialect, read from the syntax tree.

Each rule takes a module's tree and yields ``(line, what is wrong)``;
`test_architecture.py` holds the project to them, and each rule to a breach of it.
"""

import ast
from collections.abc import Iterator

Problem = tuple[int, str]

# What MicroPython and CircuitPython both have, and the core may use.  `micropython`
# itself is for compat.py alone.
CORE_STDLIB = {"array", "binascii", "gc", "hashlib", "struct", "sys"}
# What MicroPython has besides, for the files of its port alone, and what CircuitPython has.
MP_MODULES = {"errno", "os", "select", "socket", "time"} | {
    "esp32", "espnow", "machine", "micropython", "network",
}  # fmt: skip
CP_MODULES = {"errno", "os", "time"} | {
    "analogio", "audioi2sin", "board", "busio", "digitalio", "espnow", "microcontroller",
    "pwmio", "socketpool", "storage", "supervisor", "usb_cdc", "watchdog", "wifi",
}  # fmt: skip
DECORATORS = {"staticmethod", "classmethod", "property"}
TEST_MODULES = {"tests", "harness", "targets", "vectors", "locked", "pytest", "hypothesis"}
POINTERS = {"ptr8", "ptr16", "ptr32"}

_KERNEL_NODES = (
    # Statements and expressions that viper, numba and bytecode all read the same way.
    ast.Assign, ast.AugAssign, ast.While, ast.If, ast.Return, ast.Break, ast.Continue, ast.Pass,
    ast.Expr, ast.Name, ast.Constant, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Call, ast.arguments, ast.arg, ast.FunctionDef,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip


def imports(tree: ast.Module, package: str = "sil") -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of every import, inside functions too.

    `package` is where relative imports start: they cannot leave it.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.lineno, f"{package}.{module}".rstrip(".") if node.level else module


def top(name: str) -> str:
    """Return the package that dotted `name` starts with."""
    return name.partition(".")[0]


def core_imports(tree: ast.Module, is_compat: bool = False) -> Iterator[Problem]:
    """The core imports itself and a few modules that every board has."""
    allowed = CORE_STDLIB | {"sil"} | ({"micropython", "cryptolib"} if is_compat else set())
    for line, name in imports(tree):
        if top(name) not in allowed:
            yield line, f"the core imports {name}"


def node_imports(tree: ast.Module) -> Iterator[Problem]:
    """The firmware, but for its ports and entry files, knows the core and no hardware."""
    for line, name in imports(tree, "paebiru_node"):
        if top(name) not in CORE_STDLIB | {"sil", "paebiru_node", "json"}:
            yield line, f"the firmware imports {name} outside of its ports"


def qualified(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of all that is imported, names of `from` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[: len(parts) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{start}.{alias.name}"


def port_family(name: str) -> str:
    """Return which port the module `name` is a part of: ``mp``, ``cp``, or none."""
    parts = name.split(".")
    if parts[:2] != ["paebiru_node", "port"] or len(parts) < 3:
        return ""
    family = parts[2].partition("_")[0]
    return family if family in ("mp", "cp") else ""


def port_imports(tree: ast.Module, stem: str = "common") -> Iterator[Problem]:
    """A port's file imports its own platform alone; what they share imports neither."""
    family = port_family(f"paebiru_node.port.{stem}")
    allowed = CORE_STDLIB | {"sil", "paebiru_node"}
    allowed |= {"mp": MP_MODULES, "cp": CP_MODULES, "": set[str]()}[family]
    for line, name in qualified(tree, "paebiru_node.port"):
        if top(name) not in allowed:
            yield line, f"port/{stem}.py imports {top(name)}"
        if port_family(name) not in ("", family):
            yield line, f"port/{stem}.py imports {name}, a file of another port"


def no_port_named(tree: ast.Module, package: str = "paebiru_node") -> Iterator[Problem]:
    """A port is given to the node: only the entry files name one."""
    for line, name in qualified(tree, package):
        if port_family(name):
            yield line, f"only _root/*.py chooses a port, here {name}"


def entry_file(tree: ast.Module) -> Iterator[Problem]:
    """An entry file names a port and starts the node with it; `gc` may come before."""
    if len(tree.body) > 6:
        yield tree.body[6].lineno, "an entry file has five statements besides its docstring"
    for line, name in imports(tree, "_root"):
        if top(name) not in CP_MODULES | {"paebiru_node", "gc"}:
            yield line, f"an entry file imports {name}"


def plain_decorators(tree: ast.Module) -> Iterator[Problem]:
    """CircuitPython takes an unknown decorator for a syntax error of the whole file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if ast.unparse(decorator) not in DECORATORS:
                    yield node.lineno, f"@{ast.unparse(decorator)} exists on no board"


def host_imports(tree: ast.Module, is_simulator: bool = False) -> Iterator[Problem]:
    """The host may import anything but tests, and the firmware only to simulate it."""
    for line, name in imports(tree, "paebiru"):
        if top(name) in TEST_MODULES:
            yield line, f"{name} belongs to the tests"
        if top(name) == "paebiru_node" and not is_simulator:
            yield line, "only paebiru.sim imports the firmware"


def integers_only(tree: ast.Module) -> Iterator[Problem]:
    """No float is written, made by a division, or asked for by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield node.lineno, f"the float {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "true division makes a float: use // or >>"
        elif isinstance(node, ast.Name) and node.id in ("float", "complex"):
            yield node.lineno, f"the name {node.id}"


def common_subset(tree: ast.Module) -> Iterator[Problem]:
    """Nothing that one of the interpreters lacks."""
    absent = {"bit_length", "bit_count", "cast", "Struct", "error"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in absent:
            yield node.lineno, f".{node.attr} does not exist on boards"
        elif isinstance(node, ast.Match):
            yield node.lineno, "match does not exist on boards"
        elif isinstance(node, ast.arguments) and node.posonlyargs:
            yield node.posonlyargs[0].lineno, "positional-only parameters do not exist on boards"
        elif isinstance(node, ast.keyword) and node.arg in ("signed", "metaclass"):
            yield node.value.lineno, f"{node.arg}= does not exist on boards"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield node.lineno, "the core and the firmware use no asyncio"


def private_constants(tree: ast.Module) -> Iterator[Problem]:
    """MicroPython forgets ``_NAME = const(…)`` after compiling, so it stays in its module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and is_const(node.value):
            for name in node.targets:
                if not (isinstance(name, ast.Name) and name.id.startswith("_")):
                    yield node.lineno, f"const name {ast.unparse(name)} is not private"
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name.startswith("_"):
                    yield node.lineno, f"{alias.name} is private to {node.module}"


def is_const(node: ast.expr) -> bool:
    """Return whether `node` is a call of ``const``."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "const"


def nothing_at_import(tree: ast.Module) -> Iterator[Problem]:
    """A module is imported for its names: it calls nothing but ``const`` while it loads."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call) and not is_const(node):
            yield node.lineno, f"{ast.unparse(node.func)}() runs at import"
        waiting.extend(ast.iter_child_nodes(node))


def kernel_module(tree: ast.Module) -> Iterator[Problem]:
    """A module of kernels holds functions, and private constants for them."""
    for number, node in enumerate(tree.body):
        if isinstance(node, ast.FunctionDef):
            yield from kernel(node)
        elif isinstance(node, ast.Assign):
            if not is_const(node.value):
                yield node.lineno, "a module-level name that is no const"
        elif not (isinstance(node, ast.ImportFrom) or (number == 0 and is_docstring(node))):
            yield node.lineno, f"{type(node).__name__} among kernels"


def is_docstring(node: ast.AST) -> bool:
    """Return whether `node` is a string on its own."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def kernel(function: ast.FunctionDef) -> Iterator[Problem]:
    """A kernel is inside of the subset that viper, numba and bytecode run alike."""
    yield from kernel_signature(function)
    if not isinstance(function.body[-1], ast.Return):
        yield function.lineno, f"{function.name} can end without a return"
    body = function.body[1:] if is_docstring(function.body[0]) else function.body
    for node in [inner for statement in body for inner in ast.walk(statement)]:
        line = getattr(node, "lineno", function.lineno)
        if not isinstance(node, _KERNEL_NODES) or isinstance(node, ast.FunctionDef):
            yield line, f"{type(node).__name__} in {function.name}"
        elif isinstance(node, ast.Constant) and type(node.value) is not int:
            yield line, f"the constant {node.value!r} in {function.name}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) != "int":
            yield line, f"{function.name} calls {ast.unparse(node.func)}"
        elif isinstance(node, ast.Return) and node.value is None:
            yield line, f"{function.name} returns nothing here"
        elif isinstance(node, ast.While) and node.orelse:
            yield line, f"while/else in {function.name}"


def kernel_signature(function: ast.FunctionDef) -> Iterator[Problem]:
    """Parameters are pointers or ints without defaults; one int comes back."""
    arguments = function.args
    if function.decorator_list:
        yield function.lineno, f"{function.name} is decorated: accelerators come from outside"
    if arguments.defaults or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
        yield function.lineno, f"{function.name} has other parameters than plain ones"
    for parameter in arguments.posonlyargs + arguments.args:
        kind = ast.unparse(parameter.annotation) if parameter.annotation else "nothing"
        if kind not in POINTERS | {"int"}:
            yield parameter.lineno, f"{parameter.arg} of {function.name} is annotated {kind}"
    if function.returns is None or ast.unparse(function.returns) != "int":
        yield function.lineno, f"{function.name} does not return int"
