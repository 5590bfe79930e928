import { expect, test } from "bun:test";
import type { Socket } from "node:net";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { type Random, randomIndex, seededRandom } from "../../../src/lib/random.ts";
import { type ReceivedRequest, startOrigin } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";

const clients = 24;
const requestsEach = 60;
/** Another seed runs other requests. */
const seed = Number(Bun.env.CHAOS_SEED ?? 0);

/** The body that a healthy origin responds with. It depends on the target, so that a response to another request is noticed. */
const bodyFor = (target: string, length: number) =>
  (target + "|").repeat(Math.ceil(length / (target.length + 1))).slice(0, length);

const chunksOf = (body: string) => {
  const pieces = body.match(/[\s\S]{1,7000}/g) ?? [];
  return `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")}0\r\n\r\n`;
};

/** Behaves as the first part of the target says. */
function respond({ target, body }: ReceivedRequest, socket: Socket): void {
  const [, kind = "", length = "0"] = target.split("/");
  const text = bodyFor(`${target}+${body.length}`, Number(length));
  const byLength = `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n`;
  if (kind === "ok") socket.write(`${byLength}\r\n${text}`);
  else if (kind === "pieces") {
    socket.write(`${byLength}X-A: b\r`);
    setTimeout(() => socket.write(`\n\r\n${text.slice(0, 10)}`), 1);
    setTimeout(() => socket.write(text.slice(10)), 3);
  } else if (kind === "chunks")
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunksOf(text)}`);
  else if (kind === "close") socket.end(`${byLength}Connection: close\r\n\r\n${text}`);
  else if (kind === "leave") socket.end(`${byLength}\r\n${text}`);
  else if (kind === "eof") socket.end(`HTTP/1.1 200 OK\r\n\r\n${text}`);
  else if (kind === "interim")
    socket.write(`HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${byLength}\r\n${text}`);
  else if (kind === "more")
    socket.write(`${byLength}\r\n${text}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
  else if (kind === "cut")
    socket.write(`${byLength.replace(/\d+\r/, `${text.length + 5}\r`)}\r\n${text}`, () => socket.destroy());
  else if (kind === "reset") socket.resetAndDestroy();
  else if (kind === "garbage") socket.write("what?\r\n\r\n");
}

const kinds = [
  "ok",
  "ok",
  "ok",
  "pieces",
  "chunks",
  "close",
  "leave",
  "eof",
  "interim",
  "more",
  "cut",
  "reset",
  "garbage",
];
/** After these the connection cannot or need not serve another request, or the response is an error. */
const lastOnes = new Set(["eof", "cut", "reset", "garbage"]);

interface Plan {
  readonly bytes: string;
  readonly kind: string;
  readonly expected: string;
}

function plan(random: Random, name: string): Plan {
  const kind = kinds[randomIndex(random, kinds.length)] ?? "ok";
  const length = [0, 5, 900, 20_000, 300_000][randomIndex(random, 5)] ?? 0;
  const target = `/${kind}/${length}/${name}`;
  const bodyLength = [0, 0, 10, 5_000, 150_000][randomIndex(random, 5)] ?? 0;
  const body = "b".repeat(bodyLength);
  const head = `${bodyLength ? "PUT" : "GET"} ${target} HTTP/1.1\r\nHost: a\r\n`;
  const framed =
    random() < 0.5
      ? `Content-Length: ${bodyLength}\r\n\r\n${body}`
      : `Transfer-Encoding: chunked\r\n\r\n${chunksOf(body)}`;
  return {
    bytes: head + (bodyLength ? framed : "\r\n"),
    kind,
    expected: bodyFor(`${target}+${bodyLength}`, length),
  };
}

test.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", denoEngine],
])(
  "any mix of good and broken origins and impatient clients leaves no wrong response and no open request, on %s",
  async (_, engine) => {
    const origins = await Promise.all([1, 2, 3].map(() => startOrigin(respond)));
    const set = await startEngine(engine, {
      ports: origins.map(({ port }) => port),
      retries: 2,
      timeouts: { headMs: 2_000, bodyIdleMs: 2_000 },
    });
    const seen = { right: 0, failed: 0, cut: 0, left: 0 };

    const live = async (number: number) => {
      const random = seededRandom(number + seed);
      let client = await RawClient.connect(set.port);
      for (let i = 0; i < requestsEach;) {
        const plans = Array.from({ length: 1 + randomIndex(random, 4) }, () =>
          plan(random, `${number}-${i++}`),
        );
        const bytes = Buffer.from(plans.map((one) => one.bytes).join(""));
        const half = randomIndex(random, bytes.length);
        client.send(bytes.subarray(0, half));
        if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 1));
        client.send(bytes.subarray(half));
        if (random() < 0.1) {
          seen.left += plans.length;
          client.destroy();
          client = await RawClient.connect(set.port);
          continue;
        }
        for (const { kind, expected } of plans) {
          let got = await client.readResponse("GET", 15_000).catch(() => undefined);
          if (got?.status === 103) got = await client.readResponse("GET", 15_000).catch(() => undefined);
          if (got?.status === 200) {
            expect(got.body.toString() === expected).toBe(true);
            seen.right += 1;
          } else if (got) {
            expect([kind, got.status]).toEqual([kind, 502]);
            seen.failed += 1;
          } else seen.cut += 1;
          if (!got || got.header("connection") === "close") {
            if (!got) expect(lastOnes.has(kind) || client.isClosed).toBe(true);
            client.destroy();
            client = await RawClient.connect(set.port);
            break;
          }
        }
      }
      client.destroy();
    };
    await Promise.all(Array.from({ length: clients }, (_, index) => live(index + 1)));
    await until(() => set.listener.active() === 0, "every exchange to end");
    expect(set.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0]);
    expect(set.bugs).toEqual([]);
    expect(seen.right).toBeGreaterThan(200);
    expect(seen.failed).toBeGreaterThan(20);
    expect(seen.cut).toBeGreaterThan(20);
    set.close();
    await Promise.all(origins.map((origin) => origin.close()));
  },
  60_000,
);
