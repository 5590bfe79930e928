/** What every engine does with Strict-Transport-Security. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { type Origin, type ReceivedRequest, respondWith, startOrigin } from "../support/origin.ts";
import { type RawResponse, sendRequest } from "../support/raw-client.ts";

const own = "max-age=31536000; includeSubDomains";

function respond({ target }: ReceivedRequest): string | Buffer {
  const theirs = [
    "Strict-Transport-Security: max-age=1",
    "strict-transport-security: max-age=2",
    "X-Kept: yes",
  ];
  if (target === "/none") return respondWith("none");
  if (target === "/304")
    return "HTTP/1.1 304 Not Modified\r\nX-Kept: yes\r\nStrict-Transport-Security: max-age=1\r\n\r\n";
  if (target === "/large") return respondWith("x".repeat(200_000), theirs);
  return respondWith("theirs", theirs);
}

async function withHstsOf(
  engine: Engine,
  hsts: string | undefined,
  run: (fixture: EngineFixture, origin: Origin) => Promise<void>,
): Promise<void> {
  const origin = await startOrigin((request, socket) => void socket.write(respond(request)));
  const fixture = await startEngine(engine, {
    ports: [origin.port],
    routes: [{ host: "shop.example" }],
    listener: hsts === undefined ? {} : { hsts },
  });
  try {
    await run(fixture, origin);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

const ask = (target: string, method = "GET", host = "shop.example") =>
  `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nStrict-Transport-Security: mine\r\n\r\n`;

const valuesIn = ({ headers }: RawResponse) =>
  headers.filter(([name]) => name.toLowerCase() === "strict-transport-security").map(([, value]) => value);

export const hstsLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "sends one Strict-Transport-Security of the listener in each response, its own ones too": (engine) =>
    withHstsOf(engine, own, async ({ port }, origin) => {
      for (const target of ["/theirs", "/none", "/large", "/304"])
        expect(valuesIn(await sendRequest(port, ask(target)))).toEqual([own]);
      expect(valuesIn(await sendRequest(port, ask("/theirs", "HEAD"), "HEAD"))).toEqual([own]);
      const refused = await sendRequest(port, ask("/", "GET", "other.example"));
      expect([refused.status, ...valuesIn(refused)]).toEqual([404, own]);
      const socket =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
      const notSwitched = await sendRequest(
        port,
        `GET /none HTTP/1.1\r\nHost: other.example\r\n${socket}\r\n\r\n`,
      );
      expect([notSwitched.status, ...valuesIn(notSwitched)]).toEqual([404, own]);
      expect((await sendRequest(port, ask("/theirs"))).header("x-kept")).toBe("yes");
      expect(origin.requests[0]?.header("strict-transport-security")).toBe("mine");
    }),

  "forwards the upstream's Strict-Transport-Security where the listener has none": (engine) =>
    withHstsOf(engine, undefined, async ({ port }) => {
      expect(valuesIn(await sendRequest(port, ask("/theirs"))).join(", ")).toBe("max-age=1, max-age=2");
      expect(valuesIn(await sendRequest(port, ask("/none")))).toEqual([]);
    }),
};
