/** What every engine does with a route that compresses its responses. */

import { expect } from "bun:test";
import type { Socket } from "node:net";
import { brotliDecompressSync, createGunzip, gunzipSync, zstdDecompressSync } from "node:zlib";

import type { Engine } from "../../src/engine/engine.ts";
import { createCompression, defaultTypes } from "../../src/filter/compression.ts";
import { contentCodings } from "../../src/proxy/compression.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../support/engine-fixture.ts";
import { type OriginOptions, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const compression = createCompression({ types: defaultTypes, minBytes: 1_024, codings: contentCodings });

async function withCompression(
  engine: Engine,
  respond: OriginOptions["respond"],
  run: (fixture: EngineFixture) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origin = await startOrigin(respond);
  const fixture = await startEngine(engine, {
    ports: [origin.port],
    routes: [{ handling: { filters: [], compression } }],
    ...options,
  });
  try {
    await run(fixture);
    const { upstreams } = fixture.pool;
    await until(() => upstreams.every(({ inFlight }) => inFlight === 0), "all attempts to end");
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

const decompress = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
const get = (fields = "Accept-Encoding: gzip\r\n", target = "/") =>
  `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n${fields}\r\n`;
const page = "<p>compressible</p>".repeat(500);
const html = "Content-Type: text/html";

const pageHead = (...fields: string[]) =>
  `HTTP/1.1 200 OK\r\n${[html, ...fields, "Date: Sun, 29 Nov 2026 00:00:00 GMT"].join("\r\n")}\r\n\r\n`;
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

export const compressionLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "compresses a response with the coding that the client prefers, and keeps the connection": (engine) =>
    withCompression(
      engine,
      (_, socket) =>
        void socket.write(
          respondWith(page, [html, 'ETag: "v1"', "Accept-Ranges: bytes", "Digest: x", "Vary: Origin"]),
        ),
      async ({ port, records }) => {
        const client = await RawClient.connect(port);
        for (const coding of contentCodings) {
          const fields = `Accept-Encoding: deflate, ${coding};q=0.9\r\n`;
          const response = await client.send(get(fields)).readResponse();
          expect(response.header("content-encoding")).toBe(coding);
          expect(decompress[coding](response.body).toString()).toBe(page);
          expect(response.body.length).toBeLessThan(500);
          expect(response.header("etag")).toBe('W/"v1"');
          for (const name of ["accept-ranges", "digest"]) expect(response.header(name)).toBeUndefined();
          const vary = response.headers.filter(([name]) => name.toLowerCase() === "vary");
          expect(vary.map(([, value]) => value).join(", ")).toBe("Origin, Accept-Encoding");
          expect(
            response.headers.filter(([name]) => /^(content-length|transfer-encoding)$/i.test(name)),
          ).toHaveLength(1);
        }
        client.destroy();
        await until(() => records.length === 3, "the records");
        for (const { bytesOut, status } of records) {
          expect(status).toBe(200);
          expect(bytesOut).toBeLessThan(1_000);
        }
      },
    ),

  "compresses a body in chunks, and one that ends with the connection": async (engine) => {
    const bodies: Readonly<Record<string, (socket: Socket) => void>> = {
      chunks: (socket) =>
        void socket.write(
          pageHead("Transfer-Encoding: chunked") +
            chunk(page.slice(0, 4_000)) +
            chunk(page.slice(4_000)) +
            "0\r\n\r\n",
        ),
      close: (socket) => void socket.end(pageHead("Connection: close") + page),
    };
    for (const respond of Object.values(bodies))
      await withCompression(
        engine,
        (_, socket) => respond(socket),
        async ({ port }) => {
          const client = await RawClient.connect(port);
          for (let i = 0; i < 2; i++) {
            const response = await client.send(get()).readResponse();
            expect(gunzipSync(response.body).toString()).toBe(page);
          }
          client.destroy();
        },
      );
  },

  "leaves responses alone that are no whole, plain text, or whose client wants no coding": (engine) => {
    const responses: Readonly<Record<string, Buffer | string>> = {
      "/small": respondWith("short", [html]),
      "/image": respondWith(page, ["Content-Type: image/png"]),
      "/coded": respondWith(page, [html, "Content-Encoding: br"]),
      "/fixed": respondWith(page, [html, "Cache-Control: no-transform"]),
      "/plain": respondWith(page, [html, 'ETag: "v1"']),
    };
    return withCompression(
      engine,
      ({ target, method }, socket) => {
        const response = responses[target] ?? respondWith(page, [html]);
        const text = response.toString();
        socket.write(method === "HEAD" ? text.slice(0, text.indexOf("\r\n\r\n") + 4) : response);
      },
      async ({ port }) => {
        for (const target of ["/small", "/image", "/coded", "/fixed"]) {
          const response = await sendRequest(port, get(undefined, target));
          expect(response.body.toString()).toBe(target === "/small" ? "short" : page);
          expect(response.header("vary")).toBeUndefined();
        }
        for (const fields of ["", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: identity\r\n"]) {
          const response = await sendRequest(port, get(fields, "/plain"));
          expect(response.body.toString()).toBe(page);
          expect([response.header("vary"), response.header("etag")]).toEqual(["Accept-Encoding", '"v1"']);
          expect(response.header("content-encoding")).toBeUndefined();
        }
        const ranged = await sendRequest(port, get("Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n"));
        expect([ranged.body.toString(), ranged.header("vary")]).toEqual([page, undefined]);
        const head = await sendRequest(port, get().replace("GET", "HEAD"), "HEAD");
        expect(head.header("content-encoding")).toBeUndefined();
      },
    );
  },

  "freshens a compressed response under the ETag that the client has": (engine) =>
    withCompression(
      engine,
      (_, socket) => void socket.write('HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nDate: x\r\n\r\n'),
      async ({ port }) => {
        const client = await RawClient.connect(port);
        for (const [known, sent] of [
          ['W/"v1"', 'W/"v1"'],
          ['"v1"', '"v1"'],
        ]) {
          const response = await client.send(get(`If-None-Match: ${known}\r\n`)).readResponse();
          const etags = response.headers.filter(([name]) => name.toLowerCase() === "etag");
          expect([response.status, etags.map(([, value]) => value)]).toEqual([304, [sent ?? ""]]);
        }
        client.destroy();
      },
    ),

  "compresses nothing for a client of HTTP/1.0": (engine) =>
    withCompression(
      engine,
      (_, socket) => void socket.write(respondWith(page, [html])),
      async ({ port }) => {
        const response = await sendRequest(port, get().replace("HTTP/1.1", "HTTP/1.0"));
        expect([response.header("content-encoding"), response.body.toString()]).toEqual([undefined, page]);
      },
    ),

  "passes on each piece of a compressed response as it arrives, and streams of events as they are": (
    engine,
  ) => {
    let current: Socket | undefined;
    return withCompression(
      engine,
      ({ target }, socket) => {
        current = socket;
        const type = target === "/events" ? "text/event-stream" : "text/html";
        const head = pageHead("Transfer-Encoding: chunked").replace("text/html", type);
        socket.write(head + chunk(`first of ${target}`));
      },
      async ({ port }) => {
        for (const target of ["/page", "/events"]) {
          const client = await RawClient.connect(port);
          client.send(get(undefined, target));
          const text = () => streamedText(client.received, target === "/page");
          await until(async () => (await text()).includes(`first of ${target}`), "the first piece");
          current?.write(chunk("second"));
          await until(async () => (await text()).includes("second"), "the second piece");
          current?.write("0\r\n\r\n");
          const response = await client.readResponse();
          const body = target === "/page" ? gunzipSync(response.body) : response.body;
          expect(body.toString()).toBe(`first of ${target}second`);
          client.destroy();
        }
      },
    );
  },

  "does not let a client take a part of a compressed response for all of it": (engine) => {
    let current: Socket | undefined;
    return withCompression(
      engine,
      (_, socket) => {
        current = socket;
        socket.write(pageHead("Content-Length: 1000000") + page);
      },
      async ({ port, ended }) => {
        const client = await RawClient.connect(port);
        client.send(get());
        await until(() => client.received.length > 0, "the start of the response");
        current?.destroy();
        await until(() => client.isClosed || client.isEnded, "the end of the connection");
        expect(client.received.toString("latin1")).not.toEndWith("0\r\n\r\n");
        client.destroy();
        await until(() => ended.length === 1, "the attempt to end");
        expect(ended[0]?.outcome).toMatchObject({ kind: "failure", reason: "body_truncated" });
      },
    );
  },

  "reads no more of a response than its client takes, and all of it in the end": async (engine) => {
    const block = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    const [blocks, limit] = [384, 18 * 1_048_576];
    let sent = 0;
    await withCompression(
      engine,
      (_, socket) => {
        socket.write(pageHead(`Content-Length: ${blocks * block.length}`));
        const send = () => {
          for (; sent < blocks;) {
            sent += 1;
            if (!socket.write(block)) return void socket.once("drain", send);
          }
        };
        send();
      },
      async ({ port }) => {
        const client = await RawClient.connect(port);
        client.socket.pause();
        client.send(get());
        let before = -1;
        await until(
          async () => {
            const isStill = sent === before && sent > 0;
            before = sent;
            await Bun.sleep(150);
            return isStill;
          },
          "the upstream to wait",
          20_000,
        );
        expect(sent * block.length).toBeLessThan(limit);
        client.socket.resume();
        const response = await client.readResponse("GET", 20_000);
        expect(
          gunzipSync(response.body).equals(Buffer.concat(Array.from({ length: blocks }, () => block))),
        ).toBe(true);
        client.destroy();
      },
    );
  },

  "cancels the attempt of a client that leaves during a compressed response": (engine) =>
    withCompression(
      engine,
      (_, socket) => void socket.write(pageHead("Content-Length: 1000000") + page),
      async ({ port, ended }) => {
        const client = await RawClient.connect(port);
        client.send(get());
        await until(() => client.received.length > 0, "the start of the response");
        client.destroy();
        await until(() => ended.length === 1, "the attempt to end");
        expect(ended[0]?.outcome.kind).toBe("cancelled");
      },
    ),

  "compresses a response whose status was retried in vain": (engine) => {
    const busy = respondWith(page, [html]).toString().replace("200 OK", "503 Service Unavailable");
    return withCompression(
      engine,
      (_, socket) => void socket.write(busy),
      async ({ port }) => {
        const response = await sendRequest(port, get());
        expect([response.status, response.header("content-encoding")]).toEqual([503, "gzip"]);
        expect(gunzipSync(response.body).toString()).toBe(page);
      },
      { destination: { retryStatuses: new Set([503]) } },
    );
  },
};

/** The text of what has arrived of a response in chunks. */
async function streamedText(received: Buffer, isCompressed: boolean): Promise<string> {
  const start = received.indexOf("\r\n\r\n");
  if (start < 0) return "";
  const pieces: Buffer[] = [];
  for (let at = start + 4; at < received.length;) {
    const lineEnd = received.indexOf("\r\n", at);
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    if (lineEnd < 0 || !(size > 0)) break;
    pieces.push(received.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
  const bytes = Buffer.concat(pieces);
  if (!isCompressed) return bytes.toString();
  const gunzip = createGunzip();
  let text = "";
  gunzip.on("data", (piece: Buffer) => (text += piece.toString()));
  gunzip.on("error", () => {});
  await new Promise<void>((resolve) => gunzip.write(bytes, () => resolve()));
  return text;
}
