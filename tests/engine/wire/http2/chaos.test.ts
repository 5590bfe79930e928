/** Random frames, most of them plausible, cut anywhere: no bug, no request that is left, and other clients are served. */

import { test } from "bun:test";
import type { Socket } from "node:net";

import { frameFlag, frameType, setting } from "../../../../src/engine/wire/http2/protocol.ts";
import { type Random, randomIndex, seededRandom } from "../../../../src/lib/random.ts";
import {
  dataFrame,
  encodeFields,
  headersFrame,
  type Http2Client,
  http2Frame,
  requestFields,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../../../support/http2-client.ts";
import { type ReceivedRequest, respondWith } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";
import { otherPath, withHttp2Scene } from "./scene.ts";

const seeds = process.env["EVERY_SEED"] ? Array.from({ length: 60 }, (_, i) => i + 1) : [1, 2, 3, 4];

/** Responses of every framing, whole and cut. */
function respond(random: Random, { target, header }: ReceivedRequest, socket: Socket): void {
  if (target === otherPath) return void socket.write(respondWith("fine"));
  const body = "b".repeat(randomIndex(random, 100_000));
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n`;
  const answers = [
    () => socket.write(respondWith(body)),
    () => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n`),
    () =>
      socket.write(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body ? chunk : ""}0\r\nX-T: 1\r\n\r\n`,
      ),
    () => socket.end(`HTTP/1.1 200 OK\r\n\r\n${body}`),
    () => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${body}`),
    () => socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body ? chunk : ""}`),
    () => socket.resetAndDestroy(),
    () => socket.write("nonsense\r\n\r\n"),
    () => {
      if (header("upgrade") === undefined) return socket.write(respondWith("none"));
      return socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi",
      );
    },
    () => {},
  ];
  const answer = answers[randomIndex(random, answers.length)];
  if (randomIndex(random, 2) === 0) answer?.();
  else setTimeout(() => void (!socket.destroyed && answer?.()), randomIndex(random, 20));
}

/** What a client knows of its streams. */
interface Streams {
  next: number;
  /** Those whose body has not ended. */
  readonly open: number[];
}

/** A frame that a client may send. Rarely, what ends the connection. */
function randomFrame(random: Random, streams: Streams): Buffer {
  const integer = (below: number) => randomIndex(random, below);
  const bytes = Buffer.alloc(integer(3_000), "d");
  if (integer(3_000) === 0) return bytes;
  const fresh = (isOpen = false) => {
    const id = streams.next;
    streams.next += 2;
    if (isOpen) streams.open.push(id);
    return id;
  };
  const any = Math.max(1, streams.next - 2 * integer(12) - 2);
  /** A frame of an open stream. */
  const onOpen = (ends: boolean, make: (id: number) => Buffer) => {
    const index = integer(streams.open.length);
    const id = streams.open[index];
    if (id === undefined) return http2Frame(frameType.ping, 0, 0, Buffer.alloc(8));
    if (ends) streams.open.splice(index, 1);
    return make(id);
  };
  const length = (value: number) => ["content-length", String(value)] as const;
  const tunnel = [...requestFields("CONNECT", "/e"), [":protocol", "websocket"]] as const;
  const frames = [
    () => headersFrame(fresh(), requestFields("GET", "/a"), true),
    () => headersFrame(fresh(true), requestFields("POST", "/b"), false),
    () => headersFrame(fresh(true), [...requestFields("PUT", "/c"), length(bytes.length)], false),
    () => headersFrame(fresh(), requestFields("HEAD", "/d"), true),
    () => headersFrame(fresh(true), tunnel, false),
    () => headersFrame(fresh(), [...requestFields("GET", "/f"), ["x-l", "l".repeat(integer(15_000))]], true),
    () => headersFrame(fresh(), [["Malformed", "1"]], true),
    () => {
      const block = encodeFields(requestFields("GET", "/g"));
      const id = fresh();
      return Buffer.concat([
        http2Frame(frameType.headers, frameFlag.endStream, id, block.subarray(0, 9)),
        http2Frame(frameType.continuation, frameFlag.endHeaders, id, block.subarray(9)),
      ]);
    },
    () => onOpen(false, (id) => dataFrame(id, bytes, false)),
    () => onOpen(false, (id) => dataFrame(id, bytes, false)),
    () => onOpen(true, (id) => dataFrame(id, bytes, true)),
    () => onOpen(false, (id) => http2Frame(frameType.data, frameFlag.padded, id, Buffer.from([2, 1, 0, 0]))),
    () => onOpen(true, (id) => headersFrame(id, [["x-trailer", "1"]], true)),
    () => onOpen(true, (id) => resetFrame(id, integer(14))),
    () => windowUpdateFrame(any, 1 + integer(70_000)),
    () => windowUpdateFrame(0, 1 + integer(70_000)),
    () => settingsFrame([[setting.initialWindowSize, integer(100_000)]]),
    () => settingsFrame([[setting.headerTableSize, integer(5_000)]]),
    () => http2Frame(frameType.ping, 0, 0, Buffer.alloc(8)),
    () => http2Frame(frameType.priority, 0, any, Buffer.from([0, 0, 0, 0, 1])),
    () => http2Frame(0x20 + integer(100), integer(256), any, bytes.subarray(0, 10)),
  ];
  return frames[integer(frames.length)]?.() ?? bytes;
}

async function play(client: Http2Client, random: Random): Promise<void> {
  const streams: Streams = { next: 1, open: [] };
  for (let turn = 0; turn < 150 && !client.isEnded && !client.isClosed; turn++) {
    const bytes = Buffer.concat(
      Array.from({ length: 1 + randomIndex(random, 8) }, () => randomFrame(random, streams)),
    );
    const cut = randomIndex(random, bytes.length + 1);
    client.send(bytes.subarray(0, cut));
    if (randomIndex(random, 4) === 0)
      await new Promise((resolve) => setTimeout(resolve, randomIndex(random, 5)));
    else await new Promise((resolve) => setImmediate(resolve));
    client.send(bytes.subarray(cut));
    if (randomIndex(random, 20) === 0) client.socket.pause();
    if (randomIndex(random, 10) === 0) client.socket.resume();
  }
  if (randomIndex(random, 2) === 0) client.socket.resetAndDestroy();
  else client.socket.end();
}

for (const seed of seeds)
  test(`survives random frames (seed ${seed})`, () => {
    const random = seededRandom(seed);
    return withHttp2Scene(
      (request, socket) => respond(random, request, socket),
      async ({ client, serves, fixture }) => {
        const clients = await Promise.all(
          Array.from({ length: 6 }, (_, i) =>
            // Answers of its own would stand within frames that are cut.
            client({
              neverAcknowledges: true,
              keepsWindow: true,
              settings: i % 3 === 0 ? [[setting.initialWindowSize, 10]] : [],
            }),
          ),
        );
        await Promise.all(clients.map((one, i) => play(one, seededRandom(seed * 100 + i))));
        await serves();
        for (const one of clients) one.destroy();
        await until(() => fixture.listener.active() === 0, "no request to be left", 10_000);
        await until(
          () => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0),
          "no attempt to be left",
        );
      },
      { timeouts: { headMs: 2_000, bodyIdleMs: 2_000 } },
    );
  }, 30_000);
