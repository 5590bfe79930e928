/** Opens TCP connections for probes through `node:net`, which can give up one that is still opening; every runtime has it. */

import { createConnection } from "node:net";
import { systemSchedule } from "../lib/clock.ts";

/** An error as the system would word it, with code ETIMEDOUT. */
export function timedOut(what: string, timeoutMs: number): Error {
  return Object.assign(new Error(`Cannot ${what}: no answer in ${timeoutMs} ms`), { code: "ETIMEDOUT" });
}

/**
 * Resolves when the connection is open, and closes it.
 * @param hostname a name, an IPv4 address, or an IPv6 address with or without brackets
 */
export function dial(hostname: string, port: number, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname.replace(/^\[(.*)\]$/, "$1"), port });
    const cancel = systemSchedule(timeoutMs, () => {
      socket.destroy();
      reject(timedOut(`connect to ${hostname}:${port}`, timeoutMs));
    });
    socket.on("connect", () => {
      cancel();
      socket.destroy();
      resolve();
    });
    socket.on("error", (error) => {
      cancel();
      reject(error);
    });
  });
}
