/** What every engine does with a listener's own answers: redirects, challenges and unknown hosts. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { createListenerRules, type ListenerRulesOptions } from "../../src/proxy/listener-rules.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

async function withRules(
  engine: Engine,
  options: Partial<ListenerRulesOptions>,
  run: (fixture: EngineFixture, origin: Origin) => Promise<void>,
): Promise<void> {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("served")));
  const rules = createListenerRules({ isTrustedProxy: () => false, ...options });
  if (!rules) throw new Error("no rules");
  const routes = [{ host: "shop.example" }];
  const fixture = await startEngine(engine, { ports: [origin.port], listener: { rules }, routes });
  try {
    await run(fixture, origin);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

const get = (target: string, host = "shop.example") => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const redirect = { port: () => 443 };

export const listenerRuleLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "redirects to https without asking an upstream, records it, and keeps the connection": (engine) =>
    withRules(engine, { redirect }, async (fixture, origin) => {
      const client = await RawClient.connect(fixture.port);
      for (const target of ["/a?b=%2F", "/second"]) {
        const response = await client.send(get(target)).readResponse();
        expect(response.status).toBe(301);
        expect(response.header("location")).toBe(`https://shop.example${target}`);
        expect(response.header("cache-control")).toBeUndefined();
      }
      client.destroy();
      await until(() => fixture.records.length === 2, "the records");
      expect(origin.requests).toEqual([]);
      const [record] = fixture.records;
      expect([record?.status, record?.reason, record?.pool, record?.target]).toEqual([
        301,
        "redirected",
        null,
        "/a?b=%2F",
      ]);
    }),

  "redirects a POST with 308, and a HEAD without a body": (engine) =>
    withRules(engine, { redirect }, async ({ port }) => {
      const body = "Content-Length: 5\r\n\r\nhello";
      const posted = await sendRequest(port, `POST /form HTTP/1.1\r\nHost: shop.example\r\n${body}`);
      expect([posted.status, posted.header("location")]).toEqual([308, "https://shop.example/form"]);
      const head = await sendRequest(port, get("/").replace("GET", "HEAD"), "HEAD");
      expect([head.status, head.header("location")]).toEqual([301, "https://shop.example/"]);
    }),

  "answers a challenge of a certificate authority before it redirects": (engine) => {
    const challenges = { responseTo: (token: string) => (token === "t-1" ? "t-1.thumb" : undefined) };
    return withRules(engine, { redirect, challenges }, async ({ port }) => {
      const response = await sendRequest(port, get("/.well-known/acme-challenge/t-1", "other.example"));
      expect([response.status, response.body.toString()]).toEqual([200, "t-1.thumb"]);
      expect(response.header("content-type")).toBe("application/octet-stream");
      const unknown = await sendRequest(port, get("/.well-known/acme-challenge/t-2"));
      expect(unknown.status).toBe(301);
    });
  },

  "refuses hosts that no route names with 421 where the listener says so": (engine) =>
    withRules(engine, { unknownHosts: 421 }, async (fixture, origin) => {
      const refused = await sendRequest(fixture.port, get("/", "evil.example"));
      expect(refused.status).toBe(421);
      expect(refused.header("proxy-status")).toContain("unknown_host");
      expect(fixture.refused).toEqual(["unknown_host"]);
      const served = await sendRequest(fixture.port, get("/"));
      expect([served.status, origin.requests.length]).toEqual([200, 1]);
    }),

  "closes the connection without a response for hosts that no route names where the listener says so": (
    engine,
  ) =>
    withRules(engine, { unknownHosts: "close" }, async (fixture) => {
      const client = await RawClient.connect(fixture.port);
      client.send(get("/", "evil.example"));
      await until(() => client.isEnded || client.isClosed, "the end of the connection");
      expect(client.received.length).toBe(0);
      client.destroy();
      await until(() => fixture.records.length === 1, "the record");
      expect(fixture.records[0]).toMatchObject({ status: 0, reason: "unknown_host", host: "evil.example" });
    }),

  "does not log its own answers as refusals": async (engine) => {
    const warnings: string[] = [];
    const listening: Engine = {
      ...engine,
      listen: (options) =>
        engine.listen({ ...options, log: { ...options.log, warn: (text) => void warnings.push(text) } }),
    };
    await withRules(listening, { redirect }, async ({ port }) => {
      expect((await sendRequest(port, get("/"))).status).toBe(301);
      expect((await sendRequest(port, get("/", "evil.example"))).status).toBe(404);
    });
    expect(warnings).toEqual(["refused"]);
  },
};
