/** A child program of the runtime laws: a listener that accepts no connections for a number of milliseconds, so that dials hang. */

import { writeSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";

const [forMs = "Infinity"] = process.argv.slice(2);
const server = createServer();
server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
  writeSync(1, `${(server.address() as AddressInfo).port}\n`);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(forMs));
  setTimeout(() => writeSync(1, "accepts\n"), 50);
});
