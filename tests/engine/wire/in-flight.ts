/** Where the bytes of a connection are: Linux tells what waits in the queues of every socket. */

import { readFileSync } from "node:fs";

/** Bytes of a port's connections that wait in this machine's kernel: not yet taken by the peer's side, or not yet read. */
export function queuedAt(port: number): number {
  const ofPort = (address = "") => Number.parseInt(address.split(":")[1] ?? "", 16) === port;
  return readFileSync("/proc/net/tcp", "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, state]) => state === "01" && (ofPort(local) || ofPort(remote)))
    .flatMap(([, , , , queues = ""]) => queues.split(":"))
    .reduce((sum, queue) => sum + Number.parseInt(queue, 16), 0);
}
