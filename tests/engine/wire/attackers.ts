/**
 * `bun attackers.ts <port> <count>`: opens that many connections that trickle heads or stall bodies, and tells when all of
 * them are open, and at the end, when the last one is closed, which statuses they got. In a process of its own: thousands
 * of sockets must not take the time of those who measure.
 */

import { connect, type Socket } from "node:net";

const [port, count] = process.argv.slice(2).map(Number);
const sockets: Socket[] = [];
const statuses: string[] = [];
let [opened, closed] = [0, 0];
for (let i = 0; i < (count ?? 0); i++) {
  const socket = connect({ port: port ?? 0, host: "127.0.0.1" }, () => {
    opened += 1;
    if (opened === count) process.send?.("open");
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed += 1;
    if (closed < (count ?? 0)) return;
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
const trickle = setInterval(() => {
  for (const [i, socket] of sockets.entries()) if (i % 2 && !socket.destroyed) socket.write("x");
}, 200);
process.on("disconnect", () => process.exit());
