import { describe, expect, test } from "bun:test";

import {
  ParsedResponse,
  type Progress,
  ResponseReader,
  type ResponseSink,
} from "../../../../src/engine/wire/http1/response-reader.ts";
import { trimResponseInPlace, writeResponseHead } from "../../../../src/engine/wire/http1/response-writer.ts";
import { bytesOf, oneByOne } from "./parse-result.ts";
import { responseLimits } from "./limits.ts";

interface Expectation {
  readonly isHead?: boolean;
  readonly upgrades?: boolean;
}

interface Read {
  readonly interims: number[];
  readonly status: number;
  readonly body: string;
  readonly progress: Progress;
  readonly keepsAlive: boolean;
  readonly keepAliveSeconds: number;
  /** Whether the end of the connection completes it. */
  readonly endsCleanly: boolean;
}

function read(segments: readonly Buffer[], expectation: Expectation = {}): Read {
  const reader = new ResponseReader(new ParsedResponse(responseLimits));
  const seen = { interims: [] as number[], status: 0, body: "" };
  const sink: ResponseSink = {
    request: { isHead: expectation.isHead ?? false, upgrades: expectation.upgrades ?? false },
    interim: (head) => void seen.interims.push(head.parser.status),
    responseHead(head, stop) {
      seen.status = head.parser.status;
      seen.body += head.bytes.toString("latin1", head.parser.end, stop);
    },
    responseBody: (piece) => void (seen.body += piece.toString("latin1")),
    switchProtocols: (head) => void (seen.status = head.parser.status),
  };
  reader.begin();
  let progress: Progress = "more";
  for (const segment of segments) if (progress === "more") progress = reader.read(sink, segment);
  const { keepsAlive, keepAliveSeconds } = reader;
  return { ...seen, progress, keepsAlive, keepAliveSeconds, endsCleanly: reader.ended() };
}

const head = (headers: string, start = "HTTP/1.1 200 OK") => `${start}\r\n${headers}\r\n`;
const chunks = "5\r\nhello\r\n0\r\n\r\n";

describe("an upstream's response is rejected:", () => {
  const table: ReadonlyArray<readonly [name: string, response: string, expectation?: Expectation]> = [
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["a request instead of a response", head("Host: a\r\n", "GET / HTTP/1.1")],
    ["HTTP/2.0", head("", "HTTP/2.0 200 OK")],
    ["a status of two digits", head("", "HTTP/1.1 20 OK")],
    ["a status of four digits", head("", "HTTP/1.1 2000 OK")],
    ["a status that is no number", head("", "HTTP/1.1 2x0 OK")],
    ["a status above 599", head("", "HTTP/1.1 600 OK")],
    ["a status below 100", head("", "HTTP/1.1 099 OK")],
    ["two spaces before the status", head("", "HTTP/1.1  200 OK")],
    ["a control character in the reason", head("", "HTTP/1.1 200 O\x01K")],
    ["LF after the status line", `HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n`],
    ["LF after a header", head("Content-Length: 0\n")],
    ["a folded field", head("X: a\r\n b\r\nContent-Length: 0\r\n")],
    ["a space before the colon", head("Content-Length : 0\r\n")],
    ["two different lengths", `${head("Content-Length: 5\r\nContent-Length: 6\r\n")}hello`],
    ["the same length twice", `${head("Content-Length: 5\r\nContent-Length: 5\r\n")}hello`],
    ["both framings", head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + chunks],
    ["a length with plus", `${head("Content-Length: +5\r\n")}hello`],
    ["a coding that we do not know", head("Transfer-Encoding: gzip, chunked\r\n") + chunks],
    ["chunked twice", head("Transfer-Encoding: chunked, chunked\r\n") + chunks],
    ["chunks on HTTP/1.0", head("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK") + chunks],
    ["a bad chunk size", `${head("Transfer-Encoding: chunked\r\n")}0x5\r\nhello\r\n0\r\n\r\n`],
    [
      "an unasked 101",
      head("Connection: Upgrade\r\nUpgrade: websocket\r\n", "HTTP/1.1 101 Switching Protocols"),
    ],
    [
      "a 101 without Connection",
      head("Upgrade: websocket\r\n", "HTTP/1.1 101 Switching Protocols"),
      { upgrades: true },
    ],
    ["a head above 64 KiB", head(`X: ${"a".repeat(65_536)}\r\n`)],
    ["more than 256 header fields", head("X: a\r\n".repeat(257))],
  ];
  for (const [name, response, expectation] of table) {
    test(name, () => {
      expect(read([bytesOf(response)], expectation).progress).toBe("headInvalid");
      expect(read(oneByOne(bytesOf(response)), expectation).progress).toMatch(/Invalid/);
    });
  }
});

describe("an upstream's response is read the same however it is cut:", () => {
  const table: ReadonlyArray<readonly [name: string, response: string, expected: Partial<Read>, expectation?: Expectation]> = [
    ["by length", `${head("Content-Length: 5\r\n")}hello`, { status: 200, body: "hello", progress: "complete", keepsAlive: true }],
    ["by chunks", head("Transfer-Encoding: chunked\r\n") + chunks, { body: chunks, progress: "complete", keepsAlive: true }],
    ["until the end", `${head("")}hello`, { body: "hello", progress: "more", endsCleanly: true, keepsAlive: false }],
    ["cut short by length", `${head("Content-Length: 6\r\n")}hello`, { progress: "more", endsCleanly: false }],
    ["cut short by chunks", `${head("Transfer-Encoding: chunked\r\n")}5\r\nhel`, { progress: "more", endsCleanly: false }],
    ["cut short in the head", "HTTP/1.1 200 OK\r\nConte", { progress: "more", endsCleanly: false }],
    ["to HEAD", head("Content-Length: 5\r\n"), { body: "", progress: "complete", keepsAlive: true }, { isHead: true }],
    ["204 with a length", head("Content-Length: 5\r\n", "HTTP/1.1 204 No Content"), { progress: "complete", keepsAlive: true }],
    ["304 with a length", head("Content-Length: 5\r\n", "HTTP/1.1 304 Not Modified"), { progress: "complete" }],
    ["without a reason", head("Content-Length: 0\r\n", "HTTP/1.1 200"), { status: 200, progress: "complete" }],
    ["after 100 and 103", `${head("", "HTTP/1.1 100 Continue")}${head("Link: a\r\n", "HTTP/1.1 103 Early Hints")}${head("Content-Length: 2\r\n")}ok`, { interims: [100, 103], status: 200, body: "ok", progress: "complete" }],
    ["1.0 that closes", `${head("Content-Length: 2\r\n", "HTTP/1.0 200 OK")}ok`, { progress: "complete", keepsAlive: false }],
    ["1.0 that stays", `${head("Connection: keep-alive\r\nContent-Length: 2\r\n", "HTTP/1.0 200 OK")}ok`, { keepsAlive: true }],
    ["Connection: close", `${head("Connection: close\r\nContent-Length: 2\r\n")}ok`, { keepsAlive: false }],
    ["Keep-Alive", `${head("Keep-Alive: max=5, timeout=7\r\nContent-Length: 2\r\n")}ok`, { keepAliveSeconds: 7 }],
    ["an asked 101", head("Connection: upgrade\r\nUpgrade: x\r\n", "HTTP/1.1 101 Switching Protocols"), { status: 101, progress: "switched" }, { upgrades: true }],
  ]; // prettier-ignore
  for (const [name, response, expected, expectation] of table) {
    test(name, () => {
      const bytes = bytesOf(response);
      expect(read([bytes], expectation)).toMatchObject(expected);
      expect(read(oneByOne(bytes), expectation)).toMatchObject(expected);
      for (let at = 1; at < bytes.length; at++) {
        expect(read([bytes.subarray(0, at), bytes.subarray(at)], expectation)).toMatchObject(expected);
      }
    });
  }

  test("bytes after it make the connection unusable", () =>
    expect(read([bytesOf(`${head("Content-Length: 2\r\n")}okHTTP/1.1 200 OK\r\n`)])).toMatchObject({
      body: "ok",
      progress: "complete",
      keepsAlive: false,
    }));
});

describe("the response to a client", () => {
  const target = Buffer.alloc(32_768);
  const rewrite = { closes: false, isHttp10: false, upgrades: false };
  function written(
    response: string,
    how: Partial<typeof rewrite> = {},
    expectation: Expectation = {},
  ): string {
    const parsed = new ParsedResponse(responseLimits);
    const bytes = bytesOf(response);
    parsed.parser.beginResponse(0);
    parsed.parser.parse(bytes, bytes.length);
    expect(parsed.validate(bytes, { isHead: false, upgrades: false, ...expectation })).toBe("");
    const writtenOut = target.toString(
      "latin1",
      0,
      writeResponseHead(target, parsed, { ...rewrite, ...how }),
    );
    const inPlace = trimResponseInPlace(parsed, { ...rewrite, ...how });
    if (inPlace >= 0) expect(bytes.toString("latin1", inPlace, parsed.parser.end)).toBe(writtenOut);
    return writtenOut;
  }

  test("is the same when rewritten in place, whatever is dropped", () => {
    const lines = [
      "A: 1\r\n",
      "Connection: x-b\r\n",
      "Bb: 22\r\n",
      "X-B: 3\r\n",
      "Keep-Alive: timeout=9\r\n",
    ];
    for (let i = 0; i < lines.length ** 4; i++) {
      const headers = [1, 5, 25, 125].map((step) => lines[Math.floor(i / step) % lines.length]);
      for (const start of ["HTTP/1.1 200 OK", "HTTP/1.0 404"]) {
        const kept = headers.filter(
          (line) =>
            line === lines[0] || line === lines[2] || (!headers.includes(lines[1]) && line === lines[3]),
        );
        expect(written(head(headers.join(""), start))).toBe(
          `${start.replace("1.0", "1.1")}\r\n${kept.join("")}\r\n`,
        );
      }
    }
  });

  test("is the upstream's bytes without hop-by-hop headers", () => {
    const response =
      "HTTP/1.1 201 Cr\xe9ated  ok\r\nServer: x\r\nset-cookie: a\r\nSet-Cookie:  b \r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\ncontent-length: 2\r\n\r\n";
    expect(written(response)).toBe(
      "HTTP/1.1 201 Cr\xe9ated  ok\r\nServer: x\r\nset-cookie: a\r\nSet-Cookie:  b \r\ncontent-length: 2\r\n\r\n",
    );
  });

  test("contains Connection where the default does not apply", () => {
    const response = head("Content-Length: 0\r\n", "HTTP/1.0 200 OK");
    expect(written(response)).toBe("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect(written(response, { closes: true })).toEndWith("Connection: close\r\n\r\n");
    expect(written(response, { isHttp10: true })).toEndWith("Connection: keep-alive\r\n\r\n");
  });

  test("has no framing if the status has no body, and no chunks for HTTP/1.0", () => {
    expect(written(head("Content-Length: 5\r\n", "HTTP/1.1 204 No Content"))).not.toContain("Length");
    expect(written(head("Content-Length: 5\r\n", "HTTP/1.1 304 Not Modified"))).toContain(
      "Content-Length: 5",
    );
    expect(written(head("Transfer-Encoding: chunked\r\n"), { isHttp10: true })).not.toContain("chunked");
    expect(written(head("Transfer-Encoding: chunked\r\n"))).toContain("Transfer-Encoding: chunked");
  });

  test("keeps the upgrade of a 101", () =>
    expect(
      written(
        head("Connection: upgrade, x\r\nUpgrade: a\r\nX: 1\r\n", "HTTP/1.1 101 Go"),
        { upgrades: true },
        { upgrades: true },
      ),
    ).toBe("HTTP/1.1 101 Go\r\nUpgrade: a\r\nConnection: Upgrade\r\n\r\n"));
});
