/**
 * `bun tests/bench/engine.ts [upstreams] [clients]`: what the wire engine's own work costs per request, without a kernel
 * below it: sockets that answer at once take the place of real ones. So it measures what code can change, and hardly
 * varies; what a request costs in truth, `npm run bench` tells.
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

const [upstreamCount = 3, clientCount = 64] = process.argv.slice(2).map(Number);
const rounds = 12;
const requestsPerRound = 100_000;

const request = Buffer.from("GET /120.bin HTTP/1.1\r\nHost: 127.0.0.1:29161\r\n\r\n");
const answer = Buffer.from(
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

/** Whose turn it is to hear something, and what, in the order in which it was written: a ring, since each has one turn at most. */
const places = 4 * clientCount;
const owners = new Array<SocketHandler | undefined>(places);
const replies = new Array<Buffer | undefined>(places);
let written = 0;
let heard = 0;
let answered = 0;

/** Takes everything; whoever is at the other end answers in the next turn. */
function socketOf(owner: SocketHandler, reply: Buffer, onWrite?: () => void): WireSocket {
  return {
    write(_bytes, _offset, length) {
      onWrite?.();
      owners[written % places] = owner;
      replies[written++ % places] = reply;
      return length;
    },
    pause() {},
    resume() {},
    shutdown() {},
    end: () => owner.closed(undefined),
    terminate: () => owner.closed(undefined),
  };
}

let accept: (address: string) => SocketHandler = () => {
  throw new Error("Cannot accept: nobody listens");
};
const opening: ConnectHandler[] = [];
const sockets: Sockets = {
  listen(options) {
    accept = options.accept;
    return Promise.resolve({ hostname: options.hostname, port: 80, stop() {} });
  },
  connect: (_address, owner) => void opening.push(owner),
};

function play(requests: number): void {
  const until = answered + requests;
  while (answered < until) {
    for (let owner = opening.pop(); owner; owner = opening.pop()) owner.opened(socketOf(owner, answer));
    const place = heard++ % places;
    // The engine may change what it was given, as it may with a real socket's bytes.
    owners[place]?.received(Buffer.from(replies[place] as Buffer));
  }
}

const names = Array.from({ length: upstreamCount }, (_, i) => `u${i}`).join(" ");
const config = configOf(`main: ${names}`);
const [clock, wallClock, schedule] = [systemClock, systemWallClock, systemSchedule];
const observer = { outlierChanged() {}, panicChanged() {} };
const fleet = new PoolRegistry({ clock, random: seededRandom(1), observer });
fleet.commit(fleet.prepare(config));
const metrics = new Metrics(clock);
const plane = new LocalDataPlane({
  ...{
    config,
    engine: wireEngineOver(sockets),
    sharesPort: false,
    registry: fleet,
    metrics,
    clock,
    schedule,
  },
  records: [new Requests({ registry: fleet, clock, wallClock }).sink],
  log: { debug() {}, info() {}, warn() {}, error() {} },
  onSuspicion() {},
});
await plane.listen();
for (let i = 0; i < clientCount; i++) {
  const owner = accept("127.0.0.1");
  owner.opened(socketOf(owner, request, () => void (answered += 1)));
  owner.received(Buffer.from(request));
}

const nanos: number[] = [];
for (let round = 0; round < rounds; round++) {
  const startedAt = process.cpuUsage();
  play(requestsPerRound);
  const { user, system } = process.cpuUsage(startedAt);
  nanos.push(((user + system) * 1_000) / requestsPerRound);
}
nanos.sort((left, right) => left - right);
const [best = 0, median = 0] = [nanos[0], nanos[rounds / 2]];
console.log(
  `${upstreamCount} upstreams, ${clientCount} clients: ${best.toFixed(0)} ns at best, ${median.toFixed(0)} ns the median`,
);
process.exit(0);
