/** Upstreams that do anything at any time over HTTP/2: no response is wrong, and nothing is left behind. */

import { describe, expect, test } from "bun:test";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import { type Random, seededRandom } from "../../../../src/lib/random.ts";
import { startEngine } from "../../../support/engine-fixture.ts";
import { headersFrame, type Http2Fields, settingsFrame } from "../../../support/http2-client.ts";
import { dataFrames, type Http2ReceivedRequest, startHttp2Server } from "../../../support/http2-server.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { until } from "../../../support/wait.ts";

const requestsPerClient = 40;
const clientCount = 16;

/** The right response: the path of the request, many times. */
const bodyOf = (path: string) => path.repeat(1 + (path.length % 7) * 300);

/** One of the things that servers do. */
function misbehave(request: Http2ReceivedRequest, random: Random): void {
  const { connection, streamId, respond, field } = request;
  const path = field(":path") ?? "";
  const body = bodyOf(path);
  const head: Http2Fields = [[":status", "200"]];
  const known: Http2Fields = [...head, ["content-length", String(body.length)]];
  const later = (step: () => void) => void setTimeout(step, random() * 15);
  const cut = Math.floor(random() * body.length);
  const choice = Math.floor(random() * 16);
  switch (choice) {
    case 0:
      return connection.reset(streamId, 7);
    case 1:
      return connection.reset(streamId, 2);
    case 2:
      connection.send(
        Buffer.concat([
          headersFrame(streamId, known, false),
          dataFrames(streamId, body.slice(0, cut), false),
        ]),
      );
      return later(() => connection.reset(streamId, 8));
    case 3:
      connection.goAway(Math.max(0, streamId - 2 * Math.floor(random() * 4)));
      return later(() => connection.socket.end());
    case 4:
      return void (random() < 0.3 ? connection.socket.destroy() : respond(known, body));
    case 5:
      connection.send(headersFrame(streamId, head, false));
      connection.send(dataFrames(streamId, body.slice(0, cut), false));
      return later(() => connection.send(dataFrames(streamId, body.slice(cut), true)));
    case 6:
      connection.send(
        Buffer.concat([headersFrame(streamId, known, false), dataFrames(streamId, body, false)]),
      );
      return later(() => connection.send(headersFrame(streamId, [["x-sum", "1"]], true)));
    case 7:
      return connection.send(headersFrame(streamId, [...head, ["connection", "close"]], true));
    case 8:
      connection.send(settingsFrame([[3, 1 + Math.floor(random() * 20)]]));
      return respond(head, body, [["x-sum", "1"]]);
    case 9:
      connection.send(settingsFrame([[4, 1_000 + Math.floor(random() * 100_000)]]));
      return later(() => respond(known, body));
    case 10:
      return later(() => {
        connection.goAway(streamId);
        respond(known, body);
      });
    default:
      return later(() => respond(random() < 0.5 ? known : head, body));
  }
}

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
] as const)("with upstreams that do anything over HTTP/2 on %s", (_, engine) => {
  const seeds = process.env["EVERY_SEED"] ? Array.from({ length: 20 }, (__, i) => i) : [1, 2];
  test.each(seeds)(
    "each whole response is the right one, and no place, stream or connection is left (seed %p)",
    async (seed) => {
      const random = seededRandom(seed);
      const onRequest = (request: Http2ReceivedRequest) => misbehave(request, random);
      const servers = [await startHttp2Server({ onRequest }), await startHttp2Server({ onRequest })];
      const fixture = await startEngine(engine, {
        ports: servers.map(({ port }) => port),
        address: { http2: true },
        timeouts: { headMs: 2_000, connectionAgeMs: 400 },
        hedgeAfterMs: 12,
      });
      const clients = new Set<RawClient>();
      let whole = 0;
      const play = async (name: number) => {
        let client: RawClient | undefined;
        for (let i = 0; i < requestsPerClient; i++) {
          if (!client || client.isClosed || client.isEnded)
            clients.add((client = await RawClient.connect(fixture.port)));
          const path = `/${name}-${i}-${"x".repeat(Math.floor(random() * 60))}`;
          const payload = "p".repeat(Math.floor(random() ** 4 * 200_000));
          const isPost = random() < 0.5;
          const lines = `${isPost ? "POST" : "GET"} ${path} HTTP/1.1\r\nHost: a\r\n`;
          client.send(
            isPost ? `${lines}Content-Length: ${payload.length}\r\n\r\n${payload}` : `${lines}\r\n`,
          );
          if (random() < 0.1) {
            client.destroy();
            continue;
          }
          const response = await client.readResponse().catch(() => undefined);
          if (!response) continue;
          if (response.status === 200) {
            whole += 1;
            expect(response.body.toString() === bodyOf(path)).toBe(true);
          } else expect([502, 503, 504]).toContain(response.status);
          if (response.header("connection") === "close")
            await until(() => client?.isEnded || client?.isClosed, "the end");
        }
      };
      try {
        await Promise.all(Array.from({ length: clientCount }, (__, name) => play(name)));
        expect(whole).toBeGreaterThan((requestsPerClient * clientCount) / 4);
        expect(fixture.bugs).toEqual([]);
        for (const client of clients) client.destroy();
        await until(() => fixture.listener.active() === 0, "no request to be left");
        expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
        const open = () =>
          servers
            .flatMap(({ connections }) => connections)
            .filter(({ isClosed }) => !isClosed)
            .flatMap(({ requests }) => [...requests.values()]);
        // Each stream of a connection that is still open has ended on both sides, or was reset by one.
        await until(
          () => open().every(({ hasEnded, resetCode }) => hasEnded || resetCode >= 0),
          "the streams to end",
        );
        void fixture.listener.drain();
        await until(() => servers.every((server) => server.open() === 0), "the connections to close");
      } finally {
        for (const client of clients) client.destroy();
        fixture.close();
        await Promise.all(servers.map((server) => server.close()));
      }
    },
    60_000,
  );
});
