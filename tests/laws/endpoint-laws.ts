/** What engines must do with an upstream whose host name has several addresses, or other addresses than before. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import type { Endpoints } from "../../src/net/endpoints.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { sendRequest } from "../support/raw-client.ts";
import { startEngine } from "../support/engine-fixture.ts";

const hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"] as const;
const get = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

interface EndpointSetup {
  readonly origins: readonly Origin[];
  readonly endpoints: Endpoints;
  /** Sends one request after the other. @returns the last digit of the address that each response came from */
  readonly send: (count: number) => Promise<string>;
}

/** Three servers on one port of different addresses. The upstream has the first two of them. */
async function withAddresses(
  engine: Engine,
  run: (setup: EndpointSetup) => Promise<void>,
  method: "GET" | "POST" = "GET",
): Promise<void> {
  const origins: Origin[] = [];
  for (const hostname of hosts) {
    const port = origins[0]?.port ?? 0;
    origins.push(
      await startOrigin({
        hostname,
        port,
        respond: (_, socket) => void socket.write(respondWith(hostname.slice(-1))),
      }),
    );
  }
  const fixture = await startEngine(engine, { ports: [origins[0]?.port ?? 0], retries: 0 });
  const endpoints = fixture.pool.upstreams[0]?.endpoints as Endpoints;
  endpoints.replace(hosts.slice(0, 2));
  try {
    const send = async (count: number) => {
      const from: string[] = [];
      for (let i = 0; i < count; i++) {
        const response = await sendRequest(fixture.port, get.replace("GET", method));
        from.push(response.status === 200 ? response.body.toString() : String(response.status));
      }
      return from.join("");
    };
    await run({ origins, endpoints, send });
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

export const endpointLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "sends requests to all addresses of an upstream's name in turn, over one connection to each": (engine) =>
    withAddresses(engine, async ({ origins, send }) => {
      const from = await send(6);
      expect(from.split("").toSorted().join("")).toBe("222333");
      expect(from).not.toMatch(/22|33/);
      expect(origins.map((origin) => origin.connections())).toEqual([1, 1, 0]);
    }),

  "tries the next address of a name within the same attempt when one refuses the connection": (engine) =>
    withAddresses(
      engine,
      async ({ origins, endpoints, send }) => {
        await origins[0]?.close();
        expect(await send(4)).toBe("3333");
        expect(endpoints.hosts.map((host) => endpoints.has(host))).toEqual([true, true]);
      },
      "POST",
    ),

  "fails the attempt when every address of the name refuses the connection": (engine) =>
    withAddresses(engine, async ({ origins, endpoints, send }) => {
      let suspicions = 0;
      endpoints.onFailure = () => void (suspicions += 1);
      await Promise.all(origins.map((origin) => origin.close()));
      expect(await send(1)).toBe("502");
      expect(suspicions).toBeGreaterThan(0);
    }),

  "sends nothing more to an address that the name no longer has, also not over an open connection": (
    engine,
  ) =>
    withAddresses(engine, async ({ endpoints, send }) => {
      await send(2);
      endpoints.replace(["127.0.0.4"]);
      expect(await send(3)).toBe("444");
      endpoints.replace(["127.0.0.4", "127.0.0.3"]);
      expect((await send(4)).split("").toSorted().join("")).toBe("3344");
      endpoints.replace(["127.0.0.3"]);
      expect(await send(2)).toBe("33");
      // The last requests went over idle connections, in turn.
      for (const count of [3, 4, 5]) {
        endpoints.replace(["127.0.0.2", "127.0.0.3"]);
        await send(count);
        endpoints.replace(["127.0.0.4"]);
        expect(await send(3)).toBe("444");
        endpoints.replace(["127.0.0.2", "127.0.0.3"]);
        await send(count);
        endpoints.replace(["127.0.0.4", "127.0.0.3"]);
        expect((await send(6)).split("").toSorted().join("")).toBe("333444");
      }
    }),
};
