/**
 * `bun tests/bench/engine.ts [upstreams] [clients]`: the CPU time of the wire engine's own work per request, without a
 * kernel: fake sockets respond at once. It measures what code changes affect, and varies little. `npm run bench`
 * measures the real cost of a request.
 */

import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { wireEngineOver } from "../../src/engine/wire/listener.ts";
import type { ConnectHandler, Sockets, SocketHandler, WireSocket } from "../../src/engine/wire/sockets.ts";
import { systemClock, systemSchedule, systemWallClock } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { LocalDataPlane } from "../../src/dataplane/local-data-plane.ts";
import { Requests } from "../../src/requests/requests.ts";
import { configOf } from "../support/configs.ts";
import { CertificateStore } from "../../src/tls/certificate-store.ts";

const [upstreamCount = 3, clientCount = 64] = process.argv.slice(2).map(Number);
const rounds = 12;
const requestsPerRound = 100_000;

const request = Buffer.from("GET /120.bin HTTP/1.1\r\nHost: 127.0.0.1:29161\r\n\r\n");
const response = Buffer.from(
  [
    "HTTP/1.1 200 OK",
    "Server: nginx/1.22.1",
    "Date: Thu, 26 Nov 2026 11:00:00 GMT",
    "Content-Type: application/octet-stream",
    "Content-Length: 120",
    "Last-Modified: Thu, 26 Nov 2026 11:00:00 GMT",
    "Connection: keep-alive",
    'ETag: "692fa1b0-78"',
    "Accept-Ranges: bytes",
    "",
    "x".repeat(120),
  ].join("\r\n"),
);

/** Pending deliveries in the order of the writes: handlers and their bytes. A ring, since each socket has at most one. */
const ringSize = 4 * clientCount;
const handlers = new Array<SocketHandler | undefined>(ringSize);
const replies = new Array<Buffer | undefined>(ringSize);
let written = 0;
let delivered = 0;
let completed = 0;

/** A fake socket that accepts every write and delivers the reply in the next round. */
function socketOf(handler: SocketHandler, reply: Buffer, onWrite?: () => void): WireSocket {
  return {
    write(_bytes, _offset, length) {
      onWrite?.();
      handlers[written % ringSize] = handler;
      replies[written++ % ringSize] = reply;
      return length;
    },
    pause() {},
    resume() {},
    shutdown() {},
    end: () => handler.closed(undefined),
    terminate: () => handler.closed(undefined),
  };
}

let accept: (address: string) => SocketHandler = () => {
  throw new Error("Cannot accept: not listening");
};
const opening: ConnectHandler[] = [];
const sockets: Sockets = {
  listen(options) {
    accept = options.accept;
    return Promise.resolve({ hostname: options.hostname, port: 80, stop() {} });
  },
  connect: (_address, _host, handler) => void opening.push(handler),
};

function runRequests(requests: number): void {
  const until = completed + requests;
  while (completed < until) {
    for (let handler = opening.pop(); handler; handler = opening.pop())
      handler.opened(socketOf(handler, response));
    const index = delivered++ % ringSize;
    // A copy: the engine may change received bytes in place.
    handlers[index]?.received(Buffer.from(replies[index] as Buffer));
  }
}

const names = Array.from({ length: upstreamCount }, (_, i) => `u${i}`).join(" ");
const config = configOf(`main: ${names}`);
const [clock, wallClock, schedule] = [systemClock, systemWallClock, systemSchedule];
const observer = { outlierChanged() {}, panicChanged() {} };
const registry = new PoolRegistry({ clock, random: seededRandom(1), observer });
registry.commit(registry.prepare(config));
const metrics = new Metrics(clock);
const dataPlane = new LocalDataPlane({
  config,
  engine: wireEngineOver(sockets),
  sharesPort: false,
  certificates: new CertificateStore(),
  registry,
  metrics,
  clock,
  schedule,
  records: [new Requests({ registry, clock, wallClock }).sink],
  log: { debug() {}, info() {}, warn() {}, error() {} },
  onSuspicion() {},
});
await dataPlane.listen();
for (let i = 0; i < clientCount; i++) {
  const handler = accept("127.0.0.1");
  handler.opened(socketOf(handler, request, () => void (completed += 1)));
  handler.received(Buffer.from(request));
}

const nanos: number[] = [];
for (let round = 0; round < rounds; round++) {
  const startedAt = process.cpuUsage();
  runRequests(requestsPerRound);
  const { user, system } = process.cpuUsage(startedAt);
  nanos.push(((user + system) * 1_000) / requestsPerRound);
}
nanos.sort((left, right) => left - right);
const [best = 0, median = 0] = [nanos[0], nanos[rounds / 2]];
console.log(
  `${upstreamCount} upstreams, ${clientCount} clients: ${best.toFixed(0)} ns best, ${median.toFixed(0)} ns median`,
);
process.exit(0);
