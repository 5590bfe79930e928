/** Ports for programs that cannot choose one. */

import { connect } from "node:net";

export const isTaken = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true))).on("error", () =>
      resolve(false),
    );
  });

/** The first of consecutive ports that are free, below those of the system; at a random place, as tests run at the same time. */
export async function freePorts(count: number): Promise<number> {
  for (let first = 21_000 + Math.floor(Math.random() * 8_000); ; first += count) {
    const taken = await Promise.all(Array.from({ length: count }, (_, index) => isTaken(first + index)));
    if (!taken.includes(true)) return first;
  }
}
