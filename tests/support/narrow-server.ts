/** A server program for chaos tests with a backlog of 1 and no keep-alive. When stopped, it drops connections silently. */

import { writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "Content-Type": "application/json", Connection: "close" });
    response.end(JSON.stringify({ server: { name: "narrow" } }));
  });
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
  writeSync(1, `narrow http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
