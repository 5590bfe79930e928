/** Reads how many bytes wait in the kernel's socket queues, from Linux' /proc. */

import { readFileSync } from "node:fs";

/** Bytes of a port's connections in the kernel: not yet acknowledged by the peer, or not yet read. */
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
