/** What every engine does with the conditions of routes: the same request takes the same route. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import type { RouteConditions } from "../../src/routing/conditions.ts";
import { startEngine } from "../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

/** Sends each request, and compares the names of their routes. */
async function expectRoutes(
  engine: Engine,
  routes: Readonly<Record<string, RouteConditions>>,
  requests: readonly (readonly [head: string, route: string | null])[],
  isTrustedProxy?: (address: string) => boolean,
): Promise<void> {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const fixture = await startEngine(engine, {
    ports: [origin.port],
    routes: Object.entries(routes).map(([name, conditions]) => ({ name, conditions })),
    ...(isTrustedProxy && { isTrustedProxy }),
  });
  try {
    const taken: (readonly [head: string, route: string | null])[] = [];
    for (const [head] of requests) {
      const [start, ...fields] = head.split("\n");
      const lines = [`${start} HTTP/1.1`, ...(/^Host:/m.test(head) ? [] : ["Host: a.test"]), ...fields];
      await sendRequest(fixture.port, `${lines.join("\r\n")}\r\n\r\n`, start?.split(" ")[0]);
      await until(() => fixture.records.length > taken.length, "the record");
      taken.push([head, fixture.records.at(-1)?.route ?? null]);
    }
    expect(taken).toEqual([...requests]);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

const prefix = (text: string) => ({ kind: "prefix" as const, text });

export const routeConditionLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "takes the most specific host and path, whatever their order": (engine) =>
    expectRoutes(
      engine,
      {
        every: { methods: ["GET", "PUT"] },
        host: { hosts: ["a.test"] },
        api: { hosts: ["a.test"], path: prefix("/api") },
        health: { hosts: ["a.test"], path: { kind: "exact", text: "/api/health" } },
        photo: { hosts: ["a.test"], path: { kind: "template", text: "/u/{id}/photos" } },
        wild: { hosts: ["*.b.test"] },
        name: { hosts: ["x.b.test"] },
      },
      [
        ["GET /", "host"],
        ["GET /api/x?y", "api"],
        ["GET /apix", "host"],
        ["GET /api/health", "health"],
        ["GET /api/health/", "api"],
        ["GET /u/7/photos/1", "photo"],
        ["GET /u//photos", "host"],
        ["GET /\nHost: X.B.Test:8080", "name"],
        ["GET /\nHost: y.z.b.test.", "wild"],
        ["GET /\nHost: b.test", "every"],
        ["POST /\nHost: b.test\nContent-Length: 0", null],
      ],
    ),

  "takes the first route of a host and path whose conditions hold": (engine) =>
    expectRoutes(
      engine,
      {
        otherwise: { path: prefix("/") },
        write: { path: prefix("/"), methods: ["POST"] },
        version: { path: prefix("/"), headers: { "x-v": ["2"] } },
        query: { path: prefix("/"), query: { v: ["é 2"] } },
        cookie: { path: prefix("/"), cookies: { beta: true } },
        elsewhere: { path: prefix("/"), listeners: ["elsewhere"] },
        here: { path: prefix("/here"), listeners: ["main"] },
        inside: { path: prefix("/"), clients: ["10.0.0.0/8"] },
      },
      [
        ["GET /", "otherwise"],
        ["POST /\nX-V: 2\nContent-Length: 0", "write"],
        ["GET /\nX-V:  2 ", "version"],
        ["GET /\nX-V: 1\nX-V: 2", "version"],
        ["GET /\nx_v: 2", "otherwise"],
        ["GET /?a=1&v=%C3%A9+2&v=3", "query"],
        ["GET /?v=3&v=%C3%A9+2", "otherwise"],
        ["GET /\nCookie: x=1; beta=", "cookie"],
        ["GET /\nCookie: notbeta=1", "otherwise"],
        ["GET /here", "here"],
        ["GET /\nX-Forwarded-For: 10.1.1.1", "otherwise"],
      ],
    ),

  "asks for the client that trusted proxies name, and not for the peer": (engine) =>
    expectRoutes(
      engine,
      { inside: { clients: ["10.0.0.0/8"] }, peer: { clients: ["127.0.0.1"] } },
      [
        ["GET /\nX-Forwarded-For: 203.0.113.9, 10.1.1.1", "inside"],
        ["GET /\nX-Forwarded-For: 10.1.1.1, 203.0.113.9", null],
        ["GET /", "peer"],
      ],
      (address) => address === "127.0.0.1",
    ),
};
