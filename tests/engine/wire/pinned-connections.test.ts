/** How long an upstream connection that NTLM or Negotiate authenticated belongs to its client, and what ends that. */

import { expect, test } from "bun:test";
import type { Socket } from "node:net";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { authenticate, request, startAuthenticatingOrigin, whoIs } from "../../laws/authentication-laws.ts";
import { type Origin, type Responder, respondWith, startOrigin } from "../../support/origin.ts";
import { RawClient, sendRequest } from "../../support/raw-client.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";

interface Scene {
  readonly fixture: EngineFixture;
  readonly origins: readonly Origin[];
  readonly client: () => Promise<RawClient>;
}

async function withAuthenticatingOrigins(
  count: number,
  run: (scene: Scene) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origins = await Promise.all(Array.from({ length: count }, () => startAuthenticatingOrigin()));
  await withOrigins(origins, run, options);
}

async function withOrigins(
  origins: readonly Origin[],
  run: (scene: Scene) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const fixture = await startEngine(wireEngine, { ports: origins.map(({ port }) => port), ...options });
  const clients: RawClient[] = [];
  const client = async () => {
    const connected = await RawClient.connect(fixture.port);
    clients.push(connected);
    return connected;
  };
  try {
    await run({ fixture, origins, client });
    expect(fixture.bugs).toEqual([]);
  } finally {
    for (const open of clients) open.destroy();
    fixture.close();
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

const open = (origins: readonly Origin[]) => origins.reduce((sum, origin) => sum + origin.open(), 0);

test("closes with the client's connection, however that ends", () =>
  withAuthenticatingOrigins(1, async ({ origins, client }) => {
    const leaves: readonly ((ann: RawClient) => void)[] = [
      (ann) => ann.destroy(),
      (ann) => ann.socket.resetAndDestroy(),
      (ann) => ann.socket.end(),
      (ann) => ann.send(request("Connection: close\r\n")),
      (ann) => ann.send("nonsense\r\n\r\n"),
    ];
    for (const leave of leaves) {
      const ann = await client();
      expect(await authenticate(ann, "ann")).toEqual([401, 401, 200]);
      expect(open(origins)).toBe(1);
      leave(ann);
      await until(() => open(origins) === 0, "the pinned connection to close");
    }
  }));

test("closes with an idle client's keep-alive timeout, and in a drain", () =>
  withAuthenticatingOrigins(
    1,
    async ({ fixture, origins, client }) => {
      await authenticate(await client(), "ann");
      await until(() => open(origins) === 0, "the pinned connection to close");
      await authenticate(await client(), "ann");
      await fixture.listener.drain();
      await until(() => open(origins) === 0, "the pinned connection to close");
    },
    { clientTimeouts: { keepAliveMs: 500 } },
  ));

test("ends where its upstream serves no more: the next request goes elsewhere, and its connection closes", () =>
  withAuthenticatingOrigins(2, async ({ fixture, origins, client }) => {
    const ann = await client();
    await authenticate(ann, "ann");
    const first = origins.findIndex((origin) => origin.requests.length === 3);
    const upstream = fixture.pool.upstreams[first];
    if (upstream) fixture.pool.setMode(upstream, "draining");
    expect(await whoIs(ann)).toBe(401);
    await until(() => origins[first]?.open() === 0, "the pinned connection to close");
    expect(await authenticate(ann, "ann")).toEqual([401, 401, 200]);
    expect(await whoIs(ann)).toBe("ann");
    expect(origins[1 - first]?.connections()).toBe(1);
  }));

test("stays on its address while the name has it, and ends when the name moves away", async () => {
  const hosts = ["127.0.0.2", "127.0.0.3"];
  const origins: Origin[] = [];
  for (const hostname of hosts) {
    const respond: Responder = (_, socket) => void socket.write(respondWith(hostname));
    origins.push(await startOrigin({ hostname, port: origins[0]?.port ?? 0, respond }));
  }
  await withOrigins(origins, async ({ fixture, client }) => {
    fixture.pool.setUpstreams(fixture.pool.upstreams.slice(0, 1));
    const endpoints = fixture.pool.upstreams[0]?.endpoints;
    endpoints?.replace(hosts);
    const ann = await client();
    const first = await ann.send(request("Authorization: NTLM x\r\n")).readResponse();
    const host = first.body.toString();
    for (let i = 0; i < 3; i++) expect(await whoIs(ann)).toBe(host);
    const other = hosts.filter((name) => name !== host);
    endpoints?.replace(other);
    expect(await whoIs(ann)).toBe(other[0] ?? "");
    await until(() => origins[hosts.indexOf(host)]?.open() === 0, "the pinned connection to close");
  });
});

test("sticks to its upstream in the queue too", async () => {
  const held: Socket[] = [];
  const users = new Set<number>();
  const respond: Responder = ({ target, header, connection }, socket) => {
    if (target === "/held") return void held.push(socket);
    if (header("authorization")) users.add(connection);
    socket.write(respondWith(users.has(connection) ? "ann" : "nobody"));
  };
  await withOrigins(
    [await startOrigin(respond)],
    async ({ fixture, client }) => {
      const ann = await client();
      await ann.send(request("Authorization: Negotiate x\r\n")).readResponse();
      const blocking = (await client()).send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
      await until(() => held.length === 1, "the slot to be taken");
      const answer = whoIs(ann);
      await until(() => fixture.queued() === 1, "the request to wait");
      held.pop()?.write(respondWith("at last"));
      expect(await answer).toBe("ann");
      expect((await blocking.readResponse()).body.toString()).toBe("at last");
    },
    { queue: { maxWaiting: 3, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 1 } },
  );
});

test("starts anew after the upstream closed the connection, also while a request was on its way", async () => {
  const sockets: Socket[] = [];
  const users = new Set<number>();
  const respond: Responder = ({ header, connection, target }, socket) => {
    if (header("authorization")) users.add(connection);
    if (target === "/dies" && users.has(connection)) return void socket.destroy();
    sockets.push(socket);
    socket.write(respondWith(users.has(connection) ? "ann" : "nobody"));
  };
  await withOrigins([await startOrigin(respond)], async ({ client }) => {
    const ann = await client();
    const logIn = async () => {
      await ann.send(request("Authorization: NTLM x\r\n")).readResponse();
      expect(await whoIs(ann)).toBe("ann");
    };
    await logIn();
    const last = sockets.at(-1);
    last?.end();
    await until(() => last?.destroyed === true, "the connection to close");
    expect(await whoIs(ann)).toBe("nobody");
    await logIn();
    const dies = await ann.send("GET /dies HTTP/1.1\r\nHost: a\r\n\r\n").readResponse();
    expect(dies.body.toString()).toBe("nobody");
    expect(await whoIs(ann)).toBe("nobody");
  });
});

test("sends a retry to another upstream without the pin, and the next request too", async () => {
  const users = new Set<string>();
  const origin = (name: string) =>
    startOrigin(({ header, connection, target }, socket) => {
      const key = `${name} ${connection}`;
      if (header("authorization")) users.add(key);
      const status = target === "/busy" && users.has(key) ? "503 Service Unavailable" : "200 OK";
      socket.write(respondWith(`${name} ${users.has(key) ? "ann" : "nobody"}`, [], status));
    });
  await withOrigins(
    [await origin("one"), await origin("two")],
    async ({ client, origins }) => {
      const ann = await client();
      await ann.send(request("Authorization: NTLM x\r\n")).readResponse();
      for (let i = 0; i < 3; i++) expect(await whoIs(ann)).toBe("one ann");
      const retried = await ann.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n").readResponse();
      expect(retried.body.toString()).toBe("two nobody");
      await until(() => origins[0]?.open() === 0, "the pinned connection to close");
    },
    { policy: "round-robin", destination: { retryStatuses: new Set([503]) } },
  );
});

test("hedges neither a request that authenticates its connection nor one on a pinned connection", async () => {
  const slow =
    (name: string): Responder =>
    (_, socket) =>
      void setTimeout(() => socket.write(respondWith(name)), 150);
  await withOrigins(
    [await startOrigin(slow("one")), await startOrigin(slow("two"))],
    async ({ client, fixture }) => {
      const ann = await client();
      await ann.send(request("Authorization: NTLM x\r\n")).readResponse();
      await ann.send(request()).readResponse();
      expect(fixture.ended).toHaveLength(2);
      await sendRequest(fixture.port, request());
      await until(() => fixture.hedged.length === 1, "the other client's request to be hedged");
    },
    { hedgeAfterMs: 20 },
  );
});

test("keeps the connection of a client without such credentials in the shared pool", async () => {
  await withOrigins(
    [await startOrigin((_, socket) => void socket.write(respondWith("ok", ["WWW-Authenticate: NTLM"])))],
    async ({ client, origins }) => {
      const others = [
        "Authorization: Bearer ntlm",
        "Authorization: Basic bnRsbQ==",
        "Authorization: NTLMx y",
        "X-Authorization: NTLM x",
        "Authorization:",
      ];
      for (const header of others) await (await client()).send(request(`${header}\r\n`)).readResponse();
      expect(origins[0]?.connections()).toBe(1);
    },
  );
});

test("keeps a connection for one client from the first 401 or 407 that offers such a scheme", async () => {
  const offers = [
    "WWW-Authenticate: NTLM",
    'WWW-Authenticate: Basic realm="x", negotiate',
    "www-authenticate:NEGOTIATE,NTLM",
    "Proxy-Authenticate: Negotiate",
  ];
  for (const status of ["401 Unauthorized", "407 Proxy Authentication Required"]) {
    for (const offer of offers) {
      const respond: Responder = (_, socket) => void socket.write(respondWith("no", [offer], status));
      await withOrigins([await startOrigin(respond)], async ({ client, origins }) => {
        const [ann, bob] = [await client(), await client()];
        for (let i = 0; i < 2; i++) for (const each of [ann, bob]) await each.send(request()).readResponse();
        expect(origins[0]?.connections()).toBe(2);
        expect(origins[0]?.requests.map(({ connection }) => connection)).toEqual([1, 2, 1, 2]);
      });
    }
  }
});
