/**
 * `bun attackers.ts <port> <count>`: opens `count` connections that trickle heads or stall bodies. Sends a message when all
 * are open, and one with the statuses they got when the last one is closed. A separate process, so that thousands of
 * sockets do not slow down the test that measures.
 */

import { connect, type Socket } from "node:net";

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
/** Connects at a time: Bun's listen backlog is 512, and the kernel may reset connections beyond it. */
const wave = 200;
const sockets: Socket[] = [];
const statuses: string[] = [];
let closed = 0;

function attack(i: number): void {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed += 1;
    if (closed < count) return;
    clearInterval(trickle);
    process.send?.(statuses, () => process.exit());
  });
  socket.on("data", (chunk: Buffer) => statuses.push(chunk.toString("latin1", 9, 12)));
  socket.write(
    i % 2
      ? "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "
      : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
  );
  sockets.push(socket);
}

/** Makes one request: its response means that all earlier connections have been accepted. */
function connectOnce(): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  socket.resume().on("error", () => {});
  return new Promise((resolve) => void socket.once("close", resolve));
}

const trickle = setInterval(() => {
  for (const [i, socket] of sockets.entries()) if (i % 2 && !socket.destroyed) socket.write("x");
}, 200);
process.on("disconnect", () => process.exit());
for (let i = 0; i < count; i += wave) {
  for (let place = i; place < Math.min(i + wave, count); place++) attack(place);
  await connectOnce();
}
process.send?.("open");
