// MicroPython's official WebAssembly build, started as the unix port's program is.
// usage: node webassembly.mjs PATH_OF_micropython.mjs [-X heapsize=NK] [-c CODE | SCRIPT [ARGUMENT ...]]
// It sees no file of the host: the folders of $MICROPYPATH, the folder of the script and the files among the
// arguments are copied into its memory first.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [home, ...words] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(home).href);

let heapsize = 1024 * 1024;
if (words[0] === "-X") {
    heapsize = 1024 * parseInt(/^heapsize=(\d+)K$/.exec(words[1])[1]);
    words.splice(0, 2);
}
const board = await loadMicroPython({ heapsize, stdout: (line) => console.log(line), linebuffer: true });

function copyFile(file) {
    board.FS.mkdirTree(path.dirname(file));
    board.FS.writeFile(file, fs.readFileSync(file));
}

function copyFolder(folder) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        const inside = path.join(folder, entry.name);
        if (entry.isDirectory()) copyFolder(inside);
        else if (/\.m?py$/.test(entry.name)) copyFile(inside);
    }
}

const folders = (process.env.MICROPYPATH ?? ".frozen").split(":");
let program = words[1] ?? "";
if (words[0] !== "-c") {
    const script = path.resolve(words[0]);
    folders.unshift(path.dirname(script));
    program = fs.readFileSync(script, "utf8");
}
for (const folder of folders) if (fs.existsSync(folder)) copyFolder(folder);
for (const word of words.slice(1)) if (path.isAbsolute(word) && fs.existsSync(word)) copyFile(word);

const text = JSON.stringify;
board.runPython(`
import sys
sys.path[:] = ${text(folders)}
sys.argv[:] = ${text(words[0] === "-c" ? ["-c"] : words)}
_scope = {"__name__": "__main__"}
_status = None

def _run(function, *arguments):
    """Sets _status at the end of the program."""
    global _status
    try:
        function(*arguments)
    except SystemExit as end:
        code = end.args[0] if end.args else 0
        _status = code if isinstance(code, int) else int(code is not None)
    except StopIteration:
        _status = 0
    except BaseException as error:
        sys.print_exception(error)
        _status = 1

_run(exec, ${text(program)}, _scope)
`);
// Garbage is collected between calls only: a long program leaves a generator `steps`, to be gone through here.
board.runPython('_status = 0 if _status is None and "steps" not in _scope else _status');
while (board.globals.get("_status") === null) board.runPython('_run(next, _scope["steps"])');
process.exitCode = board.globals.get("_status");
