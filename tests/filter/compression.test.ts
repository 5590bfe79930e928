import { describe, expect, test } from "bun:test";

import { acceptedCoding, createCompression, defaultTypes } from "../../src/filter/compression.ts";
import { type CompressibleResponse, contentCodings } from "../../src/proxy/compression.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";

type Fields = Readonly<Record<string, string>>;

function requestWith(headers: Fields = {}, method = "GET"): RequestHead {
  const all: Fields = { "accept-encoding": "gzip", ...headers };
  return {
    ...{ method, target: "/", host: "a", peerAddress: "::1", clientAddress: "::1", scheme: "http" },
    listener: "main",
    header: (name) => all[name],
  };
}

function responseWith(headers: Fields = {}, more: Partial<CompressibleResponse> = {}): CompressibleResponse {
  const all: Fields = { "content-type": "text/html; charset=utf-8", ...headers };
  return { status: 200, bodyBytes: 10_000, header: (name) => all[name], ...more };
}

const settings = { types: defaultTypes, minBytes: 1_024, codings: contentCodings };
const compression = createCompression(settings);

describe("the coding that a client accepts", () => {
  test.each([
    ["gzip", "gzip"],
    ["br", "br"],
    ["gzip, deflate, br, zstd", "zstd"],
    ["GZIP , BR", "br"],
    ["x-gzip", "gzip"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["gzip;q=0.8, br;q=0.9, zstd;q=0.1", "br"],
    ["gzip;q=0", undefined],
    ["gzip;q=0.000, br", "br"],
    ["*", "zstd"],
    ["*;q=0", undefined],
    ["zstd;q=0, *", "br"],
    ["gzip, *;q=0", "gzip"],
    ["identity, gzip;q=0.5", undefined],
    ["identity;q=0.5, gzip", "gzip"],
    ["identity", undefined],
    ["deflate, compress", undefined],
    ["", undefined],
    [undefined, undefined],
    // A weight that is none is not a wish.
    ["gzip;q=2", undefined],
    ["gzip;q=-1", undefined],
    ["gzip;q=high", undefined],
    ["gzip;q=0.1234", undefined],
    ["gzip;q=0, gzip", undefined],
    ["gzip;level=3;q=0.5", "gzip"],
    [", ,;q=1,gzip", "gzip"],
    ["brotli, gzipped, zstd2", undefined],
  ] as const)("%p is %p", (header, coding) => expect(acceptedCoding(header, contentCodings)).toBe(coding));

  test("is the first of the configuration where the client has no preference", () => {
    expect(acceptedCoding("zstd, br, gzip", ["gzip", "br"])).toBe("gzip");
    expect(acceptedCoding("zstd", ["gzip", "br"])).toBeUndefined();
  });

  test("takes linear time on a hostile field", () => {
    const startedAt = performance.now();
    acceptedCoding("gzip;q=0;".repeat(100_000) + ",a".repeat(100_000), contentCodings);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe("a response", () => {
  test.each([
    ["HEAD", requestWith({}, "HEAD"), responseWith()],
    ["a request with Range", requestWith({ range: "bytes=0-1" }), responseWith()],
    ["no-transform of the client", requestWith({ "cache-control": "no-transform" }), responseWith()],
    ["Content-Range", requestWith(), responseWith({ "content-range": "bytes 0-1/2" })],
    ["a coding", requestWith(), responseWith({ "content-encoding": "gzip" })],
    ["the coding identity", requestWith(), responseWith({ "content-encoding": "identity" })],
    ["no-transform", requestWith(), responseWith({ "cache-control": "public, no-transform" })],
    ["No-Transform", requestWith(), responseWith({ "cache-control": "No-Transform,max-age=1" })],
    ["announced trailers", requestWith(), responseWith({ trailer: "X-Sum" })],
    ["events", requestWith(), responseWith({ "content-type": "text/event-stream;charset=utf-8" })],
    ["gRPC", requestWith(), responseWith({ "content-type": "application/grpc+json" })],
    ["an image", requestWith(), responseWith({ "content-type": "image/png" })],
    ["no type", requestWith(), responseWith({ "content-type": "" })],
    ["a type that only begins so", requestWith(), responseWith({ "content-type": "text/" })],
    ["a small body", requestWith(), responseWith({}, { bodyBytes: 1_023 })],
    ["an empty body", requestWith(), responseWith({}, { bodyBytes: 0 })],
    ...[101, 103, 204, 205, 206, 226, 304].map(
      (status) => [`status ${status}`, requestWith(), responseWith({}, { status })] as const,
    ),
  ])("with %s does not change", (_, request, response) =>
    expect(compression.decide(request, response)).toBeUndefined(),
  );

  test.each([200, 201, 203, 302, 404, 410, 500, 503])("with status %p is compressed", (status) =>
    expect(compression.decide(requestWith(), responseWith({}, { status }))?.plan?.coding).toBe("gzip"),
  );

  test.each([
    "text/plain",
    "Text/HTML;charset=utf-8",
    "application/json",
    "application/problem+json; a=b",
    "application/atom+xml",
    "image/svg+xml",
    "application/wasm",
  ])("of type %p is compressed", (type) =>
    expect(compression.decide(requestWith(), responseWith({ "content-type": type }))?.plan).toBeDefined(),
  );

  test("of unknown length is compressed", () =>
    expect(compression.decide(requestWith(), responseWith({}, { bodyBytes: undefined }))?.plan).toEqual({
      coding: "gzip",
      level: 5,
    }));

  test("says what it was compressed with, that others may get another form, and drops what is not true any more", () => {
    const decision = compression.decide(requestWith(), responseWith({ etag: '"a"' }));
    expect(decision?.added).toEqual([
      ["Content-Encoding", "gzip"],
      ["Vary", "Accept-Encoding"],
      ["ETag", 'W/"a"'],
    ]);
    for (const name of ["Accept-Ranges", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest", "ETag"])
      expect([name, decision?.removed.has(name)]).toEqual([name, true]);
    for (const name of ["Content-Type", "Cache-Control", "Vary", "Last-Modified"])
      expect([name, decision?.removed.has(name)]).toEqual([name, false]);
  });

  test.each([
    ['W/"a"', '"a"', 'W/"a"'],
    ['"b", W/"a"', '"a"', 'W/"a"'],
    ['"a"', '"a"', undefined],
    ["*", '"a"', undefined],
    [undefined, '"a"', undefined],
    ['W/"ab"', '"a"', undefined],
    ['W/"a"', 'W/"a"', undefined],
    ['W/"a"', undefined, undefined],
  ])("names in a 304 to If-None-Match: %s of %s the ETag %p", (ifNoneMatch, etag, sent) => {
    const request = requestWith(ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch });
    const response = responseWith(etag === undefined ? {} : { etag }, { status: 304, bodyBytes: 0 });
    const decision = compression.decide(request, response);
    expect(decision?.plan).toBeUndefined();
    expect(new Map(decision?.added).get("ETag")).toBe(sent);
    expect(new Map(decision?.added).get("Vary")).toBe(sent && "Accept-Encoding");
    expect(decision?.removed.has("ETag")).toBe(sent === undefined ? undefined : true);
  });

  test("keeps a weak ETag, and a Vary that names the field already", () => {
    const decision = compression.decide(
      requestWith(),
      responseWith({ etag: 'W/"a"', vary: "Origin, accept-encoding" }),
    );
    expect(decision?.added).toEqual([["Content-Encoding", "gzip"]]);
    expect(decision?.removed.has("etag")).toBe(false);
    expect(compression.decide(requestWith(), responseWith({ vary: "*" }))?.added).toHaveLength(1);
    expect(compression.decide(requestWith(), responseWith({ vary: "Origin" }))?.added).toContainEqual([
      "Vary",
      "Accept-Encoding",
    ]);
  });

  test("that would be compressed for another client says so to caches", () => {
    for (const accepted of ["gzip;q=0", "identity", "deflate"]) {
      const decision = compression.decide(requestWith({ "accept-encoding": accepted }), responseWith());
      expect(decision?.plan).toBeUndefined();
      expect(decision?.added).toEqual([["Vary", "Accept-Encoding"]]);
      expect(decision?.removed.has("etag")).toBe(false);
    }
    const named = responseWith({ vary: "Accept-Encoding" });
    expect(compression.decide(requestWith({ "accept-encoding": "" }), named)).toBeUndefined();
  });

  test("follows types, sizes, codings and level of the configuration", () => {
    const own = createCompression({
      types: ["font/*", "text/css"],
      minBytes: 0,
      codings: ["br", "gzip"],
      level: 11,
    });
    const decide = (type: string, accepted = "gzip, br") =>
      own.decide(
        requestWith({ "accept-encoding": accepted }),
        responseWith({ "content-type": type }, { bodyBytes: 1 }),
      )?.plan;
    expect(decide("font/ttf")).toEqual({ coding: "br", level: 11 });
    expect(decide("font/ttf", "gzip")).toEqual({ coding: "gzip", level: 9 });
    expect(decide("text/css")).toBeDefined();
    expect(decide("text/html")).toBeUndefined();
    const events = createCompression({ ...settings, types: ["text/event-stream", "application/*"] });
    for (const type of ["text/event-stream", "application/grpc", "application/grpc-web+proto"])
      expect(events.decide(requestWith(), responseWith({ "content-type": type }))).toBeUndefined();
  });

  test("is decided as the first time whenever types and codings come again, and each route for itself", () => {
    const brotli = createCompression({ ...settings, types: ["image/*"], codings: ["br"] });
    for (let i = 0; i < 3; i++)
      for (const [type, accepted, coding, ofBrotli] of [
        ["text/html", "gzip, br", "br", undefined],
        ["image/png", "gzip, br", undefined, "br"],
        ["text/html", "gzip", "gzip", undefined],
        ["image/png", "gzip", undefined, undefined],
      ] as const) {
        const [request, response] = [
          requestWith({ "accept-encoding": accepted }),
          responseWith({ "content-type": type }),
        ];
        expect(compression.decide(request, response)?.plan?.coding).toBe(coding as never);
        expect(brotli.decide(request, response)?.plan?.coding).toBe(ofBrotli as never);
      }
  });

  test("of which the size decides is not asked for a field", () => {
    const small = responseWith({}, { bodyBytes: 100, header: () => expect.unreachable() });
    expect(compression.decide(requestWith(), small)).toBeUndefined();
  });
});
