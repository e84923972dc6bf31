// Run one portable test file on 32-bit MicroPython: node run.mjs ROOT MODULE
//
// The interpreter sees no disk of ours, so every source it may import is copied
// into its own file system first, at the same place below "/".

import fs from "node:fs";
import path from "node:path";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript/micropython.mjs";

const HEAP_BYTES = 8 * 1024 * 1024;
const BOOT = "tests/interp";
const SEARCHED = [
  "tests/interp/upylib",
  "tests/interp/specimens",
  "tests/portable",
  "tests/alloc",
  "shared",
  "firmware",
];

function copyFolder(target, root, folder) {
  target.mkdirTree("/" + folder);
  for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = folder + "/" + entry.name;
    if (entry.isDirectory() && entry.name !== "__pycache__") {
      copyFolder(target, root, name);
    } else if (/\.(py|json)$/.test(entry.name)) {
      target.writeFile("/" + name, fs.readFileSync(path.join(root, name)));
    }
  }
}

const [root, module] = process.argv.slice(2);
const vm = await loadMicroPython({
  heapsize: HEAP_BYTES,
  stdout: (line) => console.log(line),
  linebuffer: true,
});
for (const folder of [...SEARCHED, "tests/vectors", "tests/firmware/traces"]) {
  if (fs.existsSync(path.join(root, folder))) copyFolder(vm.FS, root, folder);
}
vm.FS.writeFile(`/${BOOT}/boot.py`, fs.readFileSync(path.join(root, BOOT, "boot.py")));

const searchPath = [BOOT, ...SEARCHED].map((folder) => "/" + folder);
vm.globals.set("_searched", searchPath.join(":"));
vm.globals.set("_module", module);
try {
  vm.runPython(`
import sys
sys.path[:] = _searched.split(":") + sys.path
import boot
_code = boot.main(_module)
`);
  process.exitCode = vm.globals.get("_code");
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
}
