/** Responses on streams are compressed as on connections of HTTP/1.1. */

import { expect, test } from "bun:test";
import { brotliDecompressSync } from "node:zlib";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { createCompression, defaultTypes } from "../../../../src/filter/compression.ts";
import { contentCodings } from "../../../../src/proxy/compression.ts";
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
