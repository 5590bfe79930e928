/** Attacks on the HTTP/2 of the wire engine: each is cut off or bounded, and another client is served during it and after it. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";

import { frameFlag, frameType, setting } from "../../../../src/engine/wire/http2/protocol.ts";
import {
  dataFrame,
  encodeFields,
  headersFrame,
  Http2Client,
  type Http2ClientOptions,
  http2Frame,
  requestFields,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../../../support/http2-client.ts";
import { type Origin, respondWith, startOrigin } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";
import type { EngineUse } from "./separate-engine.ts";

/** CPU time that an attack may cost before it is cut off. */
const maxCpuMs = 1_500;

/** Memory that all attacks together may leave behind. */
const maxLeftBytes = 48 * 1024 * 1024;

const get = requestFields("GET", "/fast");
const post = requestFields("POST", "/fast");
const large = requestFields("GET", "/large");
const slow = requestFields("GET", "/slow");

let origin: Origin;
let engine: ChildProcess;
let port = 0;

function message<Value>(): Promise<Value> {
  return new Promise((resolve) => void engine.once("message", (value) => resolve(value as Value)));
}

function used(): Promise<EngineUse> {
  engine.send("use");
  return message<EngineUse>();
}

beforeAll(async () => {
  origin = await startOrigin(({ target }, socket) => {
    if (target === "/slow") return;
    socket.write(respondWith(target === "/large" ? Buffer.alloc(1_000_000) : "fine"));
  });
  engine = fork(join(import.meta.dir, "separate-engine.ts"), [String(origin.port)]);
  port = await message<number>();
});

afterAll(async () => {
  engine.disconnect();
  await origin.close();
});

async function serves(): Promise<void> {
  const client = await Http2Client.connect(port);
  await client.get(1, "/fast").whole(1);
  expect([client.status(1), client.goAwayCode]).toEqual([200, -1]);
  client.destroy();
}

interface Attack {
  readonly options?: Http2ClientOptions;
  /** Sent once. */
  readonly first?: Buffer;
  /** Sent `times` times, or until the connection ends. `id` is that of a new stream. */
  readonly piece: (id: number, index: number) => Buffer;
  readonly times: number;
  readonly readsNothing?: boolean;
}

/** Sends as fast as the engine reads. */
async function send(client: Http2Client, { first, piece, times, readsNothing }: Attack): Promise<void> {
  if (readsNothing) client.socket.pause();
  if (first) client.send(first);
  const batch = 200;
  for (let from = 0; from < times && !client.isClosed && !client.isEnded; from += batch) {
    const pieces = Array.from({ length: Math.min(batch, times - from) }, (_, i) =>
      piece((from + i) * 2 + 3, from + i),
    );
    const isTaken = client.socket.write(Buffer.concat(pieces));
    if (!isTaken)
      await new Promise<void>((resolve) => {
        client.socket.once("drain", resolve);
        client.socket.once("close", resolve);
        if (readsNothing) setTimeout(resolve, 200);
      });
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

async function attack(script: Attack, check: (client: Http2Client) => Promise<void>): Promise<void> {
  await serves();
  const before = await used();
  const client = await Http2Client.connect(port, script.options);
  try {
    const sent = send(client, script);
    await serves();
    await sent;
    await check(client);
    await serves();
  } finally {
    client.destroy();
  }
  const after = await used();
  expect(after.cpuMs - before.cpuMs).toBeLessThan(maxCpuMs);
  expect(after.bugs).toBe(0);
}

/** The connection ends with ENHANCE_YOUR_CALM, or is gone before that could be read. */
async function isCutOff(client: Http2Client): Promise<void> {
  client.socket.resume();
  await until(() => client.isEnded || client.isClosed, "the attacker to be cut off");
  expect([11, -1]).toContain(client.goAwayCode);
}

const headersWithoutEnd = (id: number, block: Buffer) =>
  http2Frame(frameType.headers, frameFlag.endStream, id, block);
const headersWithEnd = (id: number, block: Buffer) =>
  http2Frame(frameType.headers, frameFlag.endHeaders | frameFlag.endStream, id, block);
const reference = Buffer.alloc(16_000, 0x80 | 62);
/** Adds a field of 4,000 bytes to the table, and names it often. */
const bomb = Buffer.concat([
  Buffer.from([0x40]),
  encodeFields([["x-bomb", "b".repeat(3_900)]]).subarray(1),
  reference.subarray(0, 12_000),
]);
const twoThousandSettings = settingsFrame(
  Array.from({ length: 2_000 }, (_, i) => [setting.initialWindowSize, 65_535 + (i % 2)] as const),
);

const floods: Readonly<Record<string, Attack>> = {
  "rapid reset (CVE-2023-44487)": {
    piece: (id) => Buffer.concat([headersFrame(id, slow, true), resetFrame(id, 8)]),
    times: 20_000,
  },
  "resets that it makes us send (CVE-2025-8671)": {
    piece: (id) => Buffer.concat([headersFrame(id, slow, true), windowUpdateFrame(id, 0)]),
    times: 20_000,
  },
  "malformed requests": {
    piece: (id) => headersFrame(id, [...get, ["Upper", "case"]], true),
    times: 20_000,
  },
  "streams beyond the limit": { piece: (id) => headersFrame(id, slow, true), times: 20_000 },
  PING: { piece: () => http2Frame(frameType.ping, 0, 0, Buffer.alloc(8)), times: 100_000 },
  "PING whose answers it does not read": {
    piece: () => http2Frame(frameType.ping, 0, 0, Buffer.alloc(8)),
    times: 100_000,
    readsNothing: true,
  },
  SETTINGS: { piece: () => settingsFrame([]), times: 100_000 },
  "SETTINGS of 2,000 settings": { piece: () => twoThousandSettings, times: 5_000 },
  "acknowledgements of SETTINGS": {
    piece: () => http2Frame(frameType.settings, frameFlag.ack, 0),
    times: 100_000,
  },
  PRIORITY: {
    piece: (id) => http2Frame(frameType.priority, 0, id, Buffer.alloc(5)),
    times: 100_000,
  },
  WINDOW_UPDATE: { piece: () => windowUpdateFrame(0, 1), times: 100_000 },
  "WINDOW_UPDATE of a stream, one byte each": {
    options: { keepsWindow: true, settings: [[setting.initialWindowSize, 0]] },
    first: headersFrame(1, large, true),
    piece: () => windowUpdateFrame(1, 1),
    times: 100_000,
  },
  "frames of unknown types": { piece: () => http2Frame(0x42, 0, 0), times: 100_000 },
  "empty DATA": {
    first: headersFrame(1, post, false),
    piece: () => dataFrame(1, "", false),
    times: 100_000,
  },
  "DATA of padding only": {
    first: headersFrame(1, post, false),
    piece: () => http2Frame(frameType.data, frameFlag.padded, 1, Buffer.from([3, 0, 0, 0])),
    times: 100_000,
  },
  "empty CONTINUATION": {
    options: { neverAcknowledges: true },
    first: headersWithoutEnd(1, encodeFields(get)),
    piece: () => http2Frame(frameType.continuation, 0, 1),
    times: 100_000,
  },
  "CONTINUATION without an end": {
    options: { neverAcknowledges: true },
    first: headersWithoutEnd(1, encodeFields(get)),
    piece: () => http2Frame(frameType.continuation, 0, 1, encodeFields([["x", "y".repeat(16_000)]])),
    times: 1_000,
  },
  "RST_STREAM of closed streams": {
    first: Buffer.concat([headersFrame(1, slow, true), resetFrame(1, 8)]),
    piece: () => resetFrame(1, 8),
    times: 100_000,
  },
};

describe("cuts off a client that floods it with", () => {
  for (const [name, script] of Object.entries(floods)) test(name, () => attack(script, isCutOff), 20_000);

  test("rapid reset, before its upstreams have seen many requests", async () => {
    const before = origin.requests.length;
    await attack(floods["rapid reset (CVE-2023-44487)"] as Attack, isCutOff);
    expect(origin.requests.length - before).toBeLessThan(800);
  }, 20_000);
});

describe("bounds what a client costs that", () => {
  test(
    "refers to large fields of the table again and again",
    () =>
      attack(
        { piece: (id) => headersWithEnd(id, Buffer.concat([encodeFields(get), bomb])), times: 300 },
        async (client) => {
          await client.whole(3);
          expect(client.status(3)).toBe(431);
        },
      ),
    20_000,
  );

  test("sends lists of fields that are too large", () => {
    const piece = (id: number) => {
      const part = encodeFields([["a", "b".repeat(15_000)]]);
      return Buffer.concat([
        headersWithoutEnd(id, Buffer.concat([encodeFields(get), part])),
        http2Frame(frameType.continuation, 0, id, part),
        http2Frame(frameType.continuation, frameFlag.endHeaders, id, part),
      ]);
    };
    return attack({ options: { neverAcknowledges: true }, piece, times: 300 }, async (client) => {
      await client.whole(3);
      expect(client.status(3)).toBe(431);
    });
  }, 20_000);

  test(
    "never opens its windows",
    () =>
      attack(
        {
          options: { keepsWindow: true, settings: [[setting.initialWindowSize, 0]] },
          piece: (id) => headersFrame(id, large, true),
          times: 100,
        },
        async (client) => {
          for (let id = 3; id < 203; id += 2) await client.whole(id, 8_000);
          expect(client.stream(3).resetCode).toBe(2);
          expect(await activeRequests()).toBe(0);
        },
      ),
    20_000,
  );

  test(
    "reads nothing of what it asked for",
    () =>
      attack(
        {
          options: { keepsWindow: true, settings: [[setting.initialWindowSize, 2 ** 31 - 1]] },
          first: windowUpdateFrame(0, 2 ** 30),
          piece: (id) => headersFrame(id, large, true),
          times: 128,
          readsNothing: true,
        },
        async (client) => {
          await until(async () => (await activeRequests()) === 0, "its requests to end", 8_000);
          client.socket.resume();
          await until(() => client.isEnded || client.isClosed, "the connection to end");
        },
      ),
    20_000,
  );

  test(
    "opens uploads and leaves them",
    () =>
      attack({ piece: (id) => headersFrame(id, post, false), times: 100 }, async (client) => {
        for (let id = 3; id < 203; id += 2) await client.whole(id, 8_000);
        expect([client.status(3), client.status(201)]).toEqual([408, 408]);
        await client.get(1_001, "/fast").whole(1_001);
        expect(client.status(1_001)).toBe(200);
      }),
    20_000,
  );

  test("opens connections and says nothing, or half of a preface", async () => {
    const clients = await Promise.all(
      Array.from({ length: 100 }, () => Http2Client.connect(port, { isBare: true })),
    );
    for (const [i, client] of clients.entries()) if (i % 2) client.send(Buffer.from("PRI * HTT"));
    await serves();
    await until(() => clients.every(({ isEnded, isClosed }) => isEnded || isClosed), "them to be closed");
    await serves();
  });
});

test("keeps little memory after all attacks", async () => {
  const runs = ["rapid reset (CVE-2023-44487)", "empty DATA", "PING whose answers it does not read"];
  await until(async () => (await activeRequests()) === 0, "all requests to end", 8_000);
  const before = await used();
  for (let round = 0; round < 5; round++)
    for (const name of runs) await attack(floods[name] as Attack, isCutOff);
  const after = await used();
  expect(after.rss - before.rss).toBeLessThan(maxLeftBytes);
}, 60_000);

async function activeRequests(): Promise<number> {
  return (await used()).active;
}
