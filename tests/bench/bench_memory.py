"""What the core, and a whole node, take of a board's heap: module by module, on real VMs.

    python tests/bench/bench_memory.py        # or: make bench-memory

Two VMs: 64-bit unix MicroPython with the kernels as viper, where machine code lies outside of
the heap, as on an ESP32; and 32-bit wasm MicroPython, whose pointers are as wide as a board's,
with the kernels as bytecode, which is larger.  Both load what `paebiru.deploy.twin` makes from
files.  "In place" is the first VM with the same files in a ROMFS, whose code and constants stay
where they are, on a board in flash; the image itself is not counted.

The interned names grow by doubling; the module during which that happens bears the cost.
"""

import argparse
import ast
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "interp")]

import node_memory  # noqa: E402
from mpremote.romfs import make_romfs  # noqa: E402
from report import Row, save, show  # noqa: E402

import sil  # noqa: E402
from paebiru.deploy import twin  # noqa: E402
from paebiru.deploy.lean import constants, lean, module_name  # noqa: E402
from sil import nn  # noqa: E402
from targets import TARGETS  # noqa: E402

CORE = Path(sil.__file__).parent
SIZES = (64, 32, 10)  # 2410 weights
THRESHOLD = 4096  # bytes between collections, where the least heap is looked for
ENTRIES = ("sil.learner", "sil.rho", "sil.features", "sil.link.initiator")
OBJECTS = {
    "tables": "from sil import coder_tables, crc, tables\n"
    "tables.dec(), tables.thresholds(), tables.expn(), tables.magnitudes()\n"
    "tables.log2_fractions(), crc._table(), coder_tables.table(False)",
    "first model": f"first = bytes({nn.check_sizes(SIZES)})",
    "Learner": f"learner = sil.learner.Learner({SIZES}, False, first, 500)",
    "Learner, after a round": "out = bytearray(learner.limit)\nfrom array import array\n"
    "learner.train(bytes(64 * 20), bytes(20), array('H', range(20)), 1, 1)\n"
    "learner.receive(out[:learner.report(out)])\ndel out",
    "RhoMeter": "meter = sil.rho.RhoMeter()",
    "Windows(6, 200)": "windows = sil.features.Windows(6, 200)",
    "Outbox": "from sil.link.posts import Outbox\noutbox = Outbox(5)",
    "Initiator(window=2048)": "from sil.link.handshake import Identity\n"
    "link = sil.link.initiator.Initiator(Identity(bytes(8), 1), outbox, window=2048)",
}

UNIX = """
import gc, sys
sys.path[:] = [PATH]
space = {}
def used():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()
used()
if IMAGE:
    import vfs
    with open(IMAGE, "rb") as file:
        image = file.read()
    vfs.mount(vfs.VfsRom(image), "/rom")
    sys.path[:] = ["/rom"]
used()
before = used()
for code in STEPS:
    exec(code, space)
    now = used()
    print("heap", now - before)
    before = now
"""

WASM = """
import fs from "node:fs";
import path from "node:path";
const [library, job] = process.argv.slice(2);
const { loadMicroPython } = await import(library);
const { folder, steps } = JSON.parse(fs.readFileSync(job, "utf8"));
const vm = await loadMicroPython({ heapsize: 4 << 20, stdout: (line) => console.log(line) });
function copy(to, from) {
  vm.FS.mkdirTree(to);
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    if (entry.isDirectory()) copy(`${to}/${entry.name}`, source);
    else vm.FS.writeFile(`${to}/${entry.name}`, fs.readFileSync(source));
  }
}
copy("/core", folder);
// This VM collects garbage only between two calls from outside.
function used() {
  vm.runPython("gc.collect()");
  vm.runPython("gc.collect()\\n_used = gc.mem_alloc()");
  return vm.globals.get("_used");
}
vm.runPython("import gc, sys\\nsys.path[:] = ['/core']\\n_used = 0");
used();
let before = used();
for (const step of steps) {
  vm.runPython(step);
  const now = used();
  console.log("heap", now - before);
  before = now;
}
"""


def loaded() -> list[str]:
    """Return the modules that a board loads for ENTRIES, each behind those that it imports."""
    paths = {module_name(path): path for path in twin.sources(CORE)}
    known = constants(paths.values())
    found: list[str] = []

    def visit(name: str) -> None:
        if name not in paths or name in found:
            return
        visit(name.rpartition(".")[0])
        path = paths[name]
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(lean(path.read_text(), path, known))):
            if isinstance(node, ast.ImportFrom):
                above = package.split(".")
                base = ".".join([*above[: len(above) - node.level + 1], node.module or ""])
                base = (base if node.level else node.module or "").rstrip(".")
                visit(base)
                for alias in node.names:
                    visit(f"{base}.{alias.name}")
        found.append(name)

    for entry in ENTRIES:
        visit(entry)
    return found


def stage(folder: Path, march: str) -> int:
    """Compile the core for `march`, or as bytecode for 32 bits; return the kernels' bytes."""
    if march:
        return sum(
            path.stat().st_size for path in twin.stage(folder, march) if twin.is_kernel(path)
        )
    known = constants(twin.sources(CORE))
    for path in twin.sources(CORE):
        out = (folder / path.relative_to(CORE.parent)).with_suffix(".mpy")
        text = lean(path.read_text(), path, known)
        twin.compile_source(text, path, out, "armv6m", "-O3", "-msmall-int-bits=31")
    return 0


def measure(command: list[str], count: int) -> list[int]:
    """Run a VM; return the bytes that each of `count` steps left on its heap, fewer if it ended."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("heap ")]
    if len(found) < count and "MemoryError" not in done.stdout + done.stderr:
        raise SystemExit(f"the VM stopped at step {len(found)} of {count}:\n{done.stderr[-2000:]}")
    return found


def unix(steps: list[str], folder: Path, image: bytes = b"") -> tuple[list[int], int]:
    """Measure on the 64-bit VM, from files or in place in an image of them.

    Returns the bytes of each step, and the least heap on which all go, a collection every
    THRESHOLD bytes: without those what is garbage lies between what stays.
    """
    vm = TARGETS["micropython"].command("-")[0][0]
    script, rom = folder / "steps.py", folder / "core.romfs"
    rom.write_bytes(image)

    def run(heap: int, threshold: int) -> list[int]:
        names = {"PATH": str(folder / "core"), "IMAGE": str(rom) if image else "", "STEPS": steps}
        lines = [f"{name} = {value!r}" for name, value in names.items()]
        script.write_text("\n".join([*lines, f"THRESHOLD = {threshold}", UNIX]))
        return measure([vm, "-X", f"heapsize={heap + len(image)}", str(script)], len(steps))

    stage(folder / "core", "x64")
    found = run(4 << 20, -1)
    least = sum(found) // 1024 * 1024
    while len(run(least, THRESHOLD)) < len(steps):
        least += 1024
    return found, least


def in_place(steps: list[str], folder: Path) -> tuple[list[int], int]:
    """Measure on the 64-bit VM, executing in place."""
    stage(folder / "core", "x64")
    with contextlib.redirect_stdout(None):  # it prints the tree of files
        image = make_romfs(str(folder / "core"), mpy_cross=None)
    return unix(steps, folder, bytes(image))


def wasm(steps: list[str], folder: Path) -> tuple[list[int], None]:
    """Measure on the 32-bit VM, whose heap grows as it must."""
    stage(folder / "core", "")
    job, script = folder / "job.json", folder / "run.mjs"
    job.write_text(json.dumps({"folder": str(folder / "core"), "steps": steps}))
    script.write_text(WASM)
    package = ROOT / "tests/interp/wasm/node_modules/@micropython"
    library = package / "micropython-webassembly-pyscript" / "micropython.mjs"
    return measure(["node", str(script), str(library), str(job)], len(steps)), None


VMS = {
    "64-bit, viper": ("micropython", unix),
    "64-bit, in place": ("micropython", in_place),
    "32-bit, bytecode": ("wasm", wasm),
}


def main() -> None:
    """Measure, print the tables, and keep them."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    modules = loaded()
    steps = [f"import {name}" for name in modules] + list(OBJECTS.values())
    names = [*modules, *OBJECTS]
    columns: dict[str, list[int]] = {}
    least: dict[str, int | None] = {}
    for name, (target, run) in VMS.items():
        reason = TARGETS[target].missing()
        if reason:
            print(f"{name}: not measured, {reason}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            columns[name], least[name] = run(steps, Path(folder))
    if not columns:
        raise SystemExit("no VM to measure on: make setup")
    rows: list[Row] = [
        {"what": what, **{vm: column[i] for vm, column in columns.items()}}
        for i, what in enumerate(names)
    ]
    parts = {
        "modules": slice(len(modules)),
        "objects": slice(len(modules), None),
        "all": slice(None),
    }
    totals: list[Row] = [
        {"what": what, **{vm: sum(column[part]) for vm, column in columns.items()}}
        for what, part in parts.items()
    ]
    totals.append({"what": "least heap", **least})
    show("Heap of a board, bytes: modules", rows[: len(modules)])
    show("Heap of a board, bytes: objects of a network 64-32-10", rows[len(modules) :])
    show("Heap of a board, bytes: together", totals)
    nodes = node_memory.rows()
    if nodes:
        show("Heap of a whole node, bytes: 100 samples preloaded, two rounds", nodes)
    save("memory", rows=rows, totals=totals, nodes=nodes)


if __name__ == "__main__":
    main()
