/**
 * `bun tests/bench/bare-fetch.ts <port>`: passes requests on in turn, and does nothing else. It is not a proxy but the
 * lower bound of the fetch engine: the cost of `Bun.serve` and `fetch`, whose response goes to the client as it is.
 */

import { originPorts } from "./peers.ts";

const port = Number(process.argv[2]);
const session = new Bun.FetchSession({ proxy: false });
let turn = 0;

Bun.serve({
  hostname: "127.0.0.1",
  port,
  fetch({ url, method, headers, body }) {
    const origin = `http://127.0.0.1:${originPorts[turn++ % originPorts.length]}`;
    const target = url.slice(url.indexOf("/", "http://".length));
    return session.fetch(origin + target, { method, headers, body, decompress: false, redirect: "manual" });
  },
});
