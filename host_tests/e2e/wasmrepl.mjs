// The official WebAssembly build of MicroPython behind a TCP port, as a board behind a serial line: its REPL is
// the C code that boards have. usage: node wasmrepl.mjs PATH_OF_micropython.mjs; prints the port.

import net from "node:net";
import { pathToFileURL } from "node:url";

const { loadMicroPython } = await import(pathToFileURL(process.argv[2]).href);
const HEAP = 512 * 1024;
const RAW_PASTE = "\x05A\x01"; // asks for a mode in which the C code would wait for characters

let client = null;
const send = (data) => client?.write(data);
const board = await loadMicroPython({ heapsize: HEAP, stdout: send, stderr: send, linebuffer: false });
board.replInit();

function softReset() {
    send("MPY: soft reboot\r\n");
    board._module.ccall("mp_js_init", "null", ["number", "number"], [2048, HEAP]);
    board._module.ccall("proxy_c_init", "null", [], []);
    board.replInit(); // stays in the mode in which it was
}

function type(text) {
    for (const [index, part] of text.split(RAW_PASTE).entries()) {
        if (index > 0) send("R\x00");
        for (const char of Buffer.from(part, "latin1")) {
            if (board.replProcessChar(char)) softReset();
        }
    }
}

const server = net.createServer((socket) => {
    client = socket;
    socket.setNoDelay(true);
    socket.on("data", (data) => type(data.toString("latin1")));
    socket.on("error", () => {});
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
