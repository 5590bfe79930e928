/** What routes do with requests and responses, they do on streams too: compression and sticky clients. */

import { expect, test } from "bun:test";
import { brotliDecompressSync } from "node:zlib";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { createCompression, defaultTypes } from "../../../../src/filter/compression.ts";
import { createSticky } from "../../../../src/filter/sticky-cookie.ts";
import { contentCodings } from "../../../../src/proxy/compression.ts";
import { destinationTo, testPool } from "../../../support/pools.ts";
import { startEngine } from "../../../support/engine-fixture.ts";
import { Http2Client } from "../../../support/http2-client.ts";
import { respondWith, startOrigin } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";

const page = "<p>compressible</p>".repeat(500);

test("streams get compressed responses beside others that are not", async () => {
  const origin = await startOrigin(
    (_, socket) => void socket.write(respondWith(page, ["Content-Type: text/html", 'ETag: "v1"'])),
  );
  const compression = createCompression({ types: defaultTypes, minBytes: 0, codings: contentCodings });
  const fixture = await startEngine(wireEngine, {
    ports: [origin.port],
    listener: { http2: true },
    routes: [{ handling: { filters: [], compression } }],
  });
  const client = await Http2Client.connect(fixture.port);
  try {
    const streams = ["br", "", "br"].map((coding, index) => {
      const id = 2 * index + 1;
      const fields = coding === "" ? [] : ([["accept-encoding", coding]] as const);
      client.get(id, "/", fields);
      return { coding, stream: client.stream(id) };
    });
    await until(() => streams.every(({ stream }) => stream.hasEnded), "all responses");
    for (const { coding, stream } of streams) {
      const fields = new Map(stream.blocks[0]);
      expect(fields.get("content-encoding")).toBe(coding === "" ? undefined : coding);
      expect(fields.get("vary")).toBe("Accept-Encoding");
      expect(fields.get("etag")).toBe(coding === "" ? '"v1"' : 'W/"v1"');
      expect(fields.has("transfer-encoding")).toBe(false);
      expect((coding === "" ? stream.body : brotliDecompressSync(stream.body)).toString()).toBe(page);
    }
    await until(() => fixture.listener.active() === 0, "no request to be left");
    expect(fixture.bugs).toEqual([]);
  } finally {
    client.destroy();
    fixture.close();
    await origin.close();
  }
});

test("streams stay with the upstream of their cookie, which may come in crumbs", async () => {
  const start = (name: string) => startOrigin((_, socket) => void socket.write(respondWith(name)));
  const origins = [await start("one"), await start("two")];
  const pool = testPool("web", { ports: origins.map(({ port }) => port) });
  const settings = { cookie: "sid", maxAgeSeconds: 0, sameSite: "Lax", secure: "auto", path: "/" } as const;
  const sticky = createSticky(pool, { ...settings, whileDraining: "keep" }, ["s".repeat(32)]);
  const fixture = await startEngine(wireEngine, {
    ports: [],
    listener: { http2: true },
    routes: [{ destination: destinationTo(pool, { sticky }), handling: { filters: [] } }],
  });
  const client = await Http2Client.connect(fixture.port);
  try {
    const first = await client.get(1).whole(1);
    const cookie = client.header(1, "set-cookie")?.split(";")[0] ?? "";
    expect(cookie).toMatch(/^sid=[\w-]{22}$/);
    for (let id = 3; id < 13; id += 2) {
      const crumbs = ["a=1", cookie, "b=2"].map((crumb) => ["cookie", crumb] as const);
      const next = await client.get(id, "/", crumbs).whole(id);
      expect([next.body.toString(), client.header(id, "set-cookie")]).toEqual([
        first.body.toString(),
        undefined,
      ]);
    }
    const [origin] = origins.filter(({ requests }) => requests.length > 0);
    expect(origin?.requests.map((request) => request.header("cookie"))).toEqual([
      undefined,
      ...Array.from({ length: 5 }, () => "a=1; b=2"),
    ]);
    expect(fixture.bugs).toEqual([]);
  } finally {
    client.destroy();
    fixture.close();
    for (const origin of origins) await origin.close();
  }
});
