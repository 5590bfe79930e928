/** What every engine does with the header fields that a route removes, sets and adds. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import type { RouteFile } from "../../src/config/route-schema.ts";
import { configuredRoutes, unmatchedBy } from "../support/configured-routes.ts";
import { startEngine } from "../support/engine-fixture.ts";
import { type ReceivedRequest, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { failAll, get, valuesOf, withRoutes } from "../support/route-fixture.ts";
import { startWebSocketOrigin, webSocketRequest } from "../support/websocket.ts";

type Law = (engine: Engine) => Promise<void>;

/** A field's names whose spelling CGI servers read as `name`. */
const spellingsOf = ({ headers }: Pick<ReceivedRequest, "headers">, name: string) =>
  headers.map(([found]) => found.toLowerCase()).filter((found) => found.replace(/[^a-z\d]/g, "-") === name);

export const headerEditLaws: Readonly<Record<string, Law>> = {
  "sets a field of the request in place of every spelling of it": (engine) =>
    withRoutes(
      engine,
      [{ requestHeaders: { set: { "X-User": "ann" } }, pool: "main" }],
      async ({ port }, origin) => {
        await sendRequest(port, get("/", ["X-User: a", "x_user: b", "X.USER: c", "X-Users: d"]));
        const [received] = origin.requests as [ReceivedRequest];
        expect(spellingsOf(received, "x-user")).toEqual(["x-user"]);
        expect([received.header("x-user"), received.header("x-users")]).toEqual(["ann", "d"]);
      },
    ),

  "removes one of a hundred fields, and keeps the others": (engine) => {
    const fields = Array.from({ length: 99 }, (_, index) => `x-f${index}: value ${index}`);
    const routes: readonly RouteFile[] = [
      { requestHeaders: { remove: ["X-Debug", "X-Internal-*"] }, pool: "main" },
    ];
    return withRoutes(engine, routes, async ({ port }, origin) => {
      const hidden = ["x-debug: 1", "X_Debug: 2", "X-Internal-A: 3", "x_internal_b: 4"];
      await sendRequest(port, get("/", [...fields.slice(0, 50), ...hidden, ...fields.slice(50)]));
      const [received] = origin.requests as [ReceivedRequest];
      const kept = received.headers
        .map(([name, value]) => `${name}: ${value}`)
        .filter((line) => line.startsWith("x-f"));
      expect(kept.filter((line) => /^x-f\d/.test(line)).toSorted()).toEqual(fields.toSorted());
      expect(received.headers.filter(([name]) => /debug|internal/i.test(name))).toEqual([]);
    });
  },

  "removes by a pattern nothing that the balancer writes": (engine) =>
    withRoutes(
      engine,
      [{ requestHeaders: { remove: ["X-F*", "Con*"] }, pool: "main" }],
      async ({ port }, origin) => {
        await sendRequest(port, get("/", ["X-Foo: 1", "Content-Language: en"]));
        const [received] = origin.requests as [ReceivedRequest];
        expect([received.header("x-foo"), received.header("content-language")]).toEqual([
          undefined,
          undefined,
        ]);
        expect([received.header("x-forwarded-for"), received.header("host")]).toEqual([
          "127.0.0.1",
          "a.test",
        ]);
      },
    ),

  "adds a field behind the client's, and a default one only where there is none": (engine) => {
    const requestHeaders = { add: { "X-A": "1" }, default: { "X-B": "2", "X-C": "3" } };
    return withRoutes(engine, [{ requestHeaders, pool: "main" }], async ({ port }, origin) => {
      await sendRequest(port, get("/", ["X-A: 0", "x_b: 0"]));
      const [received] = origin.requests as [ReceivedRequest];
      expect(valuesOf(received, "x-a").join(", ")).toBe("0, 1");
      expect([received.header("x-b"), received.header("x_b"), received.header("x-c")]).toEqual([
        undefined,
        "0",
        "3",
      ]);
    });
  },

  "writes variables, and leaves out a field that is one without a value": (engine) => {
    const set = {
      "X-Client": "${client} ${peer}",
      "X-Where": "${method} ${scheme}://${host}${path}?${query} ${target}",
      "X-Told": "${header.User-Agent}/${cookie.session}",
      "X-Route": "${route} ${pool} $${pool} $5",
      "X-Id": "${requestId}",
      "X-None": "${header.X-Missing}",
      "X-Some": "a${header.X-Missing}",
    };
    return withRoutes(
      engine,
      [{ name: "api", requestHeaders: { set }, pool: "main" }],
      async ({ port }, origin) => {
        const fields = [
          "User-Agent: probe",
          "Cookie: a=1; session=s3; b=2",
          "X-Request-Id: id-1",
          "X-None: x",
        ];
        await sendRequest(port, get("/x/y?q=%2F", fields, "A.test:80"));
        const [received] = origin.requests as [ReceivedRequest];
        expect(received.header("x-client")).toBe("127.0.0.1 127.0.0.1");
        expect(received.header("x-where")).toBe("GET http://a.test/x/y?q=%2F /x/y?q=%2F");
        expect(received.header("x-told")).toBe("probe/s3");
        expect(received.header("x-route")).toBe("api main ${pool} $5");
        expect(received.header("x-id")).toBe("id-1");
        expect([received.header("x-none"), received.header("x-some")]).toEqual([undefined, "a"]);
      },
    );
  },

  "changes the fields of an upstream's response": (engine) => {
    const responseHeaders = {
      remove: ["X-Powered-By"],
      set: { Server: "x", "X-From": "${upstream} of ${pool}" },
      default: { "Cache-Control": "no-store", "X-Kept": "no" },
      add: { "X-Seen": "1" },
    };
    const responseLines = [
      "Server: upstream",
      "x-powered-by: php",
      "X-Kept: yes",
      "X-Seen: 0",
      "X_Powered_By: kept",
    ];
    return withRoutes(
      engine,
      [{ responseHeaders, pool: "main" }],
      async ({ port, pool }) => {
        const response = await sendRequest(port, get("/"));
        expect(valuesOf(response, "server")).toEqual(["x"]);
        expect(response.header("x-powered-by")).toBeUndefined();
        expect(response.header("x_powered_by")).toBe("kept");
        expect(response.header("cache-control")).toBe("no-store");
        expect(response.header("x-kept")).toBe("yes");
        expect(valuesOf(response, "x-seen").join(", ")).toBe("0, 1");
        expect(response.header("x-from")).toBe(`${pool.upstreams[0]?.id} of main`);
        expect(response.body.toString()).toBe("served");
      },
      { responseLines },
    );
  },

  "changes the fields of its own responses: refusals, redirects, and those of no route": (engine) => {
    const responseHeaders = { set: { Server: "x" }, remove: ["Proxy-Status"] };
    const routes: readonly RouteFile[] = [
      { host: "a.test", responseHeaders, pool: "main" },
      { host: "b.test", responseHeaders, redirect: "/new" },
    ];
    return withRoutes(
      engine,
      routes,
      async ({ port, pool }) => {
        failAll(pool);
        const hosts = { "a.test": 503, "b.test": 308, "c.test": 404 };
        for (const [host, status] of Object.entries(hosts)) {
          const response = await sendRequest(port, get("/", [], host));
          expect([host, response.status, ...valuesOf(response, "server")]).toEqual([host, status, "x"]);
          expect(response.header("proxy-status")).toBeUndefined();
        }
      },
      { unmatched: unmatchedBy({ responseHeaders }) },
    );
  },

  "changes the fields of a response that accepts a WebSocket": async (engine) => {
    const upstream = await startWebSocketOrigin();
    const responseHeaders = { set: { Server: "x" }, add: { "X-Seen": "${upstream}" } };
    const routes = configuredRoutes([{ responseHeaders, pool: "main" }]);
    const fixture = await startEngine(engine, { ports: [upstream.origin.port], routes });
    try {
      const client = await RawClient.connect(fixture.port);
      const response = await client.send(webSocketRequest).readResponse();
      expect([response.status, ...valuesOf(response, "server")]).toEqual([101, "x"]);
      expect(valuesOf(response, "x-seen")).toEqual([`127.0.0.1:${upstream.origin.port}`]);
      client.destroy();
    } finally {
      fixture.close();
      await upstream.origin.close();
    }
  },

  "keeps what the listener adds to every response, whatever the route removes": (engine) =>
    withRoutes(
      engine,
      [{ responseHeaders: { remove: ["Strict-Transport-Security", "Str*"] }, pool: "main" }],
      async ({ port, pool }) => {
        const values = async () => valuesOf(await sendRequest(port, get("/")), "strict-transport-security");
        expect(await values()).toEqual(["max-age=2"]);
        failAll(pool);
        expect(await values()).toEqual(["max-age=2"]);
      },
      { responseLines: ["Strict-Transport-Security: max-age=1"], listener: { hsts: "max-age=2" } },
    ),

  "sends no field of its own with an interim response": async (engine) => {
    const origin = await startOrigin((_, socket) => {
      socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
      socket.write(respondWith("ok"));
    });
    const routes = configuredRoutes([{ responseHeaders: { set: { Server: "x" } }, pool: "main" }]);
    const fixture = await startEngine(engine, { ports: [origin.port], routes });
    try {
      const client = await RawClient.connect(fixture.port);
      const response = await client.send(get("/")).readResponse();
      const final = response.status === 103 ? await client.readResponse() : response;
      if (response.status === 103)
        expect(response.headers.map(([name]) => name.toLowerCase())).toEqual(["link"]);
      expect([final.status, ...valuesOf(final, "server")]).toEqual([200, "x"]);
      client.destroy();
    } finally {
      fixture.close();
      await origin.close();
    }
  },

  "keeps framing and body of a chunked response whose fields change": async (engine) => {
    const chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    const origin = await startOrigin(
      (_, socket) =>
        void socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n${chunks}`),
    );
    const routes = configuredRoutes([
      {
        responseHeaders: { remove: ["X-A"], set: { "X-B": "2" } },
        requestHeaders: { set: { "X-C": "3" } },
        pool: "main",
      },
    ]);
    const fixture = await startEngine(engine, { ports: [origin.port], routes });
    try {
      const body = "Content-Length: 5\r\n\r\nabcde";
      const response = await sendRequest(
        fixture.port,
        `POST / HTTP/1.1\r\nHost: a.test\r\nX-C: 0\r\n${body}`,
      );
      expect(response.body.toString()).toBe("hello world");
      expect([response.header("x-a"), response.header("x-b")]).toEqual([undefined, "2"]);
      const [received] = origin.requests as [ReceivedRequest];
      expect([received.body.toString(), received.header("x-c")]).toEqual(["abcde", "3"]);
    } finally {
      fixture.close();
      await origin.close();
    }
  },
};
