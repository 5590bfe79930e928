import { describe, expect, test } from "bun:test";

import {
  ParsedResponse,
  type Progress,
  ResponseReader,
  type ResponseSink,
} from "../../../../src/engine/wire/http1/response-reader.ts";
import {
  maxAddedBytes,
  listenerHeaders,
  type ResponseRewrite,
  trimResponseInPlace,
  writeResponseHead,
} from "../../../../src/engine/wire/http1/response-writer.ts";
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
  readonly inBody: boolean;
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
  const { keepsAlive, keepAliveSeconds, inBody } = reader;
  return { ...seen, progress, inBody, keepsAlive, keepAliveSeconds, endsCleanly: reader.ended() };
}

/** Two pieces, each a copy: a reader may write into them. */
const cut = (bytes: Buffer, at: number) => [
  Buffer.from(bytes.subarray(0, at)),
  Buffer.from(bytes.subarray(at)),
];

const head = (headers: string, start = "HTTP/1.1 200 OK") => `${start}\r\n${headers}\r\n`;
const chunks = "5\r\nhello\r\n0\r\n\r\n";

describe("what is no HTTP response at all, however it is cut:", () => {
  for (const [name, bytes] of [
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["a request instead of a response", head("Host: a\r\n", "GET / HTTP/1.1")],
    ["a TLS alert", "\x15\x03\x01\x00\x02\x02\x28"],
    ["lower-case http", head("", "http/1.1 200 OK")],
    ["a response of Shoutcast", head("", "ICY 200 OK")],
    ["a response without a status line", "hello"],
    ["empty lines without end", "\r\n".repeat(9)],
  ] as const) {
    test(name, () => {
      expect(read([bytesOf(bytes)]).progress).toBe("notHttp");
      expect(read(oneByOne(bytesOf(bytes))).progress).toBe("notHttp");
    });
  }
});

describe("an upstream's response is refused:", () => {
  const table: ReadonlyArray<readonly [name: string, response: string, expectation?: Expectation]> = [
    ["HTTP/2.0", head("", "HTTP/2.0 200 OK")],
    ["HTTP/0.9", head("", "HTTP/0.9 200 OK")],
    ["a version without minor", head("", "HTTP/1 200 OK")],
    ["a status of two digits", head("", "HTTP/1.1 20 OK")],
    ["a status of four digits", head("", "HTTP/1.1 2000 OK")],
    ["a status that is no number", head("", "HTTP/1.1 2x0 OK")],
    ["a status below 100", head("", "HTTP/1.1 099 OK")],
    ["no status", head("", "HTTP/1.1 ")],
    ["NUL in the reason", head("", "HTTP/1.1 200 O\0K")],
    ["CR in the reason", head("", "HTTP/1.1 200 O\rK")],
    ["NUL in a value", head("X: a\0b\r\nContent-Length: 0\r\n")],
    ["CR in a value", head("X: a\rb\r\nContent-Length: 0\r\n")],
    ["CR at the end of a value", head("X: a\r\r\nContent-Length: 0\r\n")],
    ["CR after the head", "HTTP/1.1 204 No Content\r\n\rX"],
    ["an empty name", head(": a\r\nContent-Length: 0\r\n")],
    ["a name with a bracket", head("X(y): a\r\nContent-Length: 0\r\n")],
    ["a space inside a name", head("X y: a\r\nContent-Length: 0\r\n")],
    ["a line without a colon", head("Nonsense\r\nContent-Length: 0\r\n")],
    ["a line without a colon and with a space", head("Nonsense \r\nContent-Length: 0\r\n")],
    ["a space before the first header", head(" X: a\r\nContent-Length: 0\r\n")],
    ["two different lengths", `${head("Content-Length: 5\r\nContent-Length: 6\r\n")}hello`],
    ["a list of different lengths", `${head("Content-Length: 5, 6\r\n")}hello`],
    ["a list and another length", `${head("Content-Length: 5, 5\r\nContent-Length: 6\r\n")}hello`],
    ["a list with an empty length", `${head("Content-Length: 5,\r\n")}hello`],
    ["an empty length", `${head("Content-Length:\r\n")}hello`],
    ["a length with plus", `${head("Content-Length: +5\r\n")}hello`],
    ["a length with minus", `${head("Content-Length: -5\r\n")}hello`],
    ["a length with a space inside", `${head("Content-Length: 5 5\r\n")}hello`],
    ["an overlong length", `${head("Content-Length: 99999999999999999999\r\n")}hello`],
    ["a coding that we do not know", head("Transfer-Encoding: gzip, chunked\r\n") + chunks],
    ["identity", head("Transfer-Encoding: identity\r\n") + chunks],
    ["chunked twice with an empty element", head("Transfer-Encoding: chunked,,chunked\r\n") + chunks],
    ["an empty coding and another", head("Transfer-Encoding:\r\nTransfer-Encoding: gzip\r\n") + chunks],
    ["chunked twice", head("Transfer-Encoding: chunked, chunked\r\n") + chunks],
    ["chunked in two fields", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + chunks],
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
    ["interim responses of more than 64 KiB", head("", "HTTP/1.1 103 Early Hints").repeat(2_500)],
    [
      "HTTP/2.0 after an interim response",
      head("", "HTTP/1.1 103 Early Hints") + head("", "HTTP/2.0 200 OK"),
    ],
  ];
  for (const [name, response, expectation] of table) {
    test(name, () => {
      const bytes = bytesOf(response);
      expect(read([Buffer.from(bytes)], expectation)).toMatchObject({ progress: "refused", inBody: false });
      expect(read(oneByOne(bytes), expectation).progress).toBe("refused");
      const step = bytes.length > 1_000 ? 997 : 1;
      for (let at = 1; at < bytes.length; at += step) {
        expect(read(cut(bytes, at), expectation).progress).toBe("refused");
      }
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
    ["a status of 600", `${head("Content-Length: 2\r\n", "HTTP/1.1 600 Odd")}ok`, { status: 600, body: "ok", progress: "complete", keepsAlive: true }],
    ["a status of 999 without a reason", `${head("Content-Length: 2\r\n", "HTTP/1.1 999")}ok`, { status: 999, body: "ok", keepsAlive: true }],
    ["an interim response of 199", `${head("", "HTTP/1.1 199 Odd")}${head("Content-Length: 2\r\n")}ok`, { interims: [199], status: 200 }],
    ["HTTP/1.2", `${head("Content-Length: 2\r\n", "HTTP/1.2 200 OK")}ok`, { body: "ok", progress: "complete", keepsAlive: true }],
    ["HTTP/1.9 by chunks", head("Transfer-Encoding: chunked\r\n", "HTTP/1.9 200 OK") + chunks, { body: chunks, keepsAlive: true }],
    ["an odd reason", `${head("Content-Length: 2\r\n", "HTTP/1.1 200 caf\xe9 \x01\tok")}ok`, { body: "ok", keepsAlive: true }],
    ["control characters in a value", `${head("X: a\x01\x0b\x7fb\r\nContent-Length: 2\r\n")}ok`, { body: "ok", keepsAlive: true }],
    ["two spaces before the status", `${head("Content-Length: 2\r\n", "HTTP/1.1  200 OK")}ok`, { status: 200, body: "ok", keepsAlive: false }],
    ["an empty line before it", `\r\n${head("Content-Length: 2\r\n")}ok`, { status: 200, body: "ok", progress: "complete", keepsAlive: false }],
    ["four empty lines before it", `\r\n\n\r\n\n${head("Content-Length: 2\r\n")}ok`, { status: 200, body: "ok", keepsAlive: false }],
    ["an empty line after an interim response", `${head("", "HTTP/1.1 103 Early Hints")}\r\n${head("Content-Length: 2\r\n")}ok`, { interims: [103], body: "ok", keepsAlive: false }],
    ["lines that end with LF", "HTTP/1.1 200 OK\nContent-Length: 2\nX: a\n\nok", { status: 200, body: "ok", progress: "complete", keepsAlive: false }],
    ["LF after the status line only", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok", { body: "ok", progress: "complete", keepsAlive: false }],
    ["LF after the head only", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", { body: "ok", progress: "complete", keepsAlive: false }],
    ["LF without a reason", "HTTP/1.1 200\nContent-Length: 2\n\nok", { body: "ok", keepsAlive: false }],
    ["a folded field", `${head("X: a\r\n b\r\nContent-Length: 2\r\n")}ok`, { body: "ok", progress: "complete", keepsAlive: false }],
    ["a folded length", `${head("Content-Length:\r\n\t2\r\n \r\n")}ok`, { body: "ok", progress: "complete", keepsAlive: false }],
    ["a fold of many lines that end with LF", "HTTP/1.1 200 OK\nX: a\n b\n\tc\nContent-Length: 2\n\nok", { body: "ok", keepsAlive: false }],
    ["a space before the colon", `${head("Content-Length \t: 2\r\n")}ok`, { body: "ok", progress: "complete", keepsAlive: false }],
    ["whitespace around the length", `${head("Content-Length:\t 2 \t\r\n")}ok`, { body: "ok", progress: "complete", keepsAlive: true }],
    ["whitespace around chunked", head("Transfer-Encoding:\tchunked \r\n") + chunks, { body: chunks, keepsAlive: true }],
    ["the same length twice", `${head("Content-Length: 2\r\nContent-Length: 2\r\n")}ok`, { body: "ok", progress: "complete", keepsAlive: true }],
    ["a list of equal lengths", `${head("Content-Length: 2 ,2,\t2\r\n")}ok`, { body: "ok", progress: "complete", keepsAlive: true }],
    ["equal lengths in lists", `${head("Content-Length: 2, 2\r\nX: a\r\ncontent-length: 02\r\n")}ok`, { body: "ok", progress: "complete" }],
    ["chunks, in a list with empty elements", head("Transfer-Encoding: , chunked ,,\r\n") + chunks, { body: chunks, keepsAlive: true }],
    ["a length beside an empty coding", head("Content-Length: 5\r\nTransfer-Encoding: ,\r\n") + "hello", { body: "hello", progress: "complete", keepsAlive: false }],
    ["the end of the connection beside an empty coding", head("Transfer-Encoding:\r\n") + "hello", { body: "hello", endsCleanly: true, keepsAlive: false }],
    ["both framings", head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + chunks, { body: chunks, progress: "complete", keepsAlive: false }],
    ["both framings, the chunks first", head("Transfer-Encoding: chunked\r\nContent-Length: 300\r\n") + chunks, { body: chunks, progress: "complete", keepsAlive: false }],
    ["chunks on HTTP/1.0", head("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK") + chunks, { body: chunks, progress: "complete", keepsAlive: false }],
    ["after 500 interim responses", `${head("", "HTTP/1.1 102 Processing").repeat(500)}${head("Content-Length: 2\r\n")}ok`, { status: 200, body: "ok", keepsAlive: true }],
    ["a field of 20,000 bytes", `${head(`X: ${"a".repeat(20_000)}\r\nContent-Length: 2\r\n`)}ok`, { body: "ok", keepsAlive: true }],
    ["256 header fields", `${head(`${"X: a\r\n".repeat(255)}Content-Length: 2\r\n`)}ok`, { body: "ok", keepsAlive: true }],
    ["an asked 101", head("Connection: upgrade\r\nUpgrade: x\r\n", "HTTP/1.1 101 Switching Protocols"), { status: 101, progress: "switched" }, { upgrades: true }],
  ]; // prettier-ignore
  for (const [name, response, expected, expectation] of table) {
    test(name, () => {
      const bytes = bytesOf(response);
      expect(read([Buffer.from(bytes)], expectation)).toMatchObject(expected);
      expect(read(oneByOne(bytes), expectation)).toMatchObject(expected);
      const step = bytes.length > 1_000 ? 97 : 1;
      for (let at = 1; at < bytes.length; at += step) {
        expect(read(cut(bytes, at), expectation)).toMatchObject(expected);
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
  const rewrite: ResponseRewrite = { closes: false, isHttp10: false, upgrades: false };
  const date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
  const dated = (headers: string, start?: string) => head(date + headers, start);
  function written(
    response: string,
    how: Partial<ResponseRewrite> = {},
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
    if (inPlace >= 0) {
      const trimmed = bytes.toString("latin1", inPlace, parsed.parser.end);
      // "Connection: close" takes the place of the upstream's Connection, and is the last line of the other.
      if (how.closes) expect(withCloseLast(trimmed)).toBe(writtenOut);
      else expect(trimmed).toBe(writtenOut);
    }
    return writtenOut;
  }

  function withCloseLast(text: string): string {
    const line = "Connection: close\r\n";
    expect(text.split(line)).toHaveLength(2);
    return text.replace(line, "").replace(/\r\n$/, `${line}\r\n`);
  }

  test("has the Strict-Transport-Security of the listener instead of the upstream's", () => {
    const own = listenerHeaders("max-age=9", undefined);
    const theirs = "A: 1\r\nstrict-transport-SECURITY: max-age=1\r\nB: 2\r\n";
    const expected = `HTTP/1.1 200 OK\r\n${date}A: 1\r\nB: 2\r\nStrict-Transport-Security: max-age=9\r\n\r\n`;
    expect(written(dated(theirs), { listenerHeaders: own })).toBe(expected);
    expect(written(dated(theirs.replace("Y:", "Y :")), { listenerHeaders: own })).toBe(expected);
    expect(written(dated("A: 1\r\nB: 2\r\n"), { listenerHeaders: own })).toBe(expected);
    expect(written(dated(theirs))).toContain("max-age=1");
    expect(written(dated(theirs, "HTTP/1.1 103 Early Hints"), { listenerHeaders: own })).not.toContain(
      "max-age=9",
    );
  });

  test("is the same when rewritten in place, whatever is dropped", () => {
    const lines = [
      "A: 1\r\n",
      "Connection: x-b\r\n",
      "Bb: 22\r\n",
      "X-B: 3\r\n",
      "Keep-Alive: timeout=9\r\n",
      "Connection: keep-alive\r\n",
      "Connection: close\r\n",
    ];
    for (let i = 0; i < lines.length ** 4; i++) {
      const headers = [0, 1, 2, 3].map(
        (place) => lines[Math.floor(i / lines.length ** place) % lines.length],
      );
      for (const start of ["HTTP/1.1 200 OK", "HTTP/1.0 404"]) {
        const kept = headers.filter(
          (line) =>
            line === lines[0] || line === lines[2] || (!headers.includes(lines[1]) && line === lines[3]),
        );
        const expected = `${start.replace("1.0", "1.1")}\r\n${date}${kept.join("")}`;
        expect(written(dated(headers.join(""), start))).toBe(`${expected}\r\n`);
        expect(written(dated(headers.join(""), start), { closes: true })).toBe(
          `${expected}Connection: close\r\n\r\n`,
        );
      }
    }
  });

  test("says in place that it closes where the upstream's Connection has room for that", () => {
    const inPlace = (connection: string) => {
      const parsed = new ParsedResponse(responseLimits);
      const bytes = bytesOf(dated(`A: 1\r\n${connection}B: 2\r\n`));
      parsed.parser.beginResponse(0);
      parsed.parser.parse(bytes, bytes.length);
      expect(parsed.validate(bytes, { isHead: false, upgrades: false })).toBe("");
      return trimResponseInPlace(parsed, { ...rewrite, closes: true });
    };
    expect(inPlace("Connection: close\r\n")).toBe(0);
    expect(inPlace("Connection: keep-alive\r\n")).toBe("keep-alive".length - "close".length);
    expect(inPlace("Connection: x-b\r\n")).toBe(-1);
    expect(inPlace("")).toBe(-1);
  });

  test("is the upstream's bytes without hop-by-hop headers", () => {
    const response =
      "HTTP/1.1 201 Cr\xe9ated  ok\r\nDate: x\r\nServer: x\r\nset-cookie: a\r\nSet-Cookie:  b \r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\ncontent-length: 2\r\n\r\n";
    expect(written(response)).toBe(
      "HTTP/1.1 201 Cr\xe9ated  ok\r\nDate: x\r\nServer: x\r\nset-cookie: a\r\nSet-Cookie:  b \r\ncontent-length: 2\r\n\r\n",
    );
  });

  test("contains Connection where the default does not apply", () => {
    const response = dated("Content-Length: 0\r\n", "HTTP/1.0 200 OK");
    expect(written(response)).toBe(`HTTP/1.1 200 OK\r\n${date}Content-Length: 0\r\n\r\n`);
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

  test("gets a Date of now where it has none, and no other change", () => {
    const now = /\r\nDate: ([A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)\r\n\r\n$/;
    const response = written(head("X: 1\r\nContent-Length: 0\r\n"));
    expect(response).toMatch(now);
    expect(Math.abs(Date.parse(now.exec(response)?.[1] ?? "") - Date.now())).toBeLessThan(3_000);
    expect(response.replace(now, "\r\n\r\n")).toBe(head("X: 1\r\nContent-Length: 0\r\n"));
    expect(written(head("", "HTTP/1.1 304 Not Modified"))).toMatch(now);
    expect(written(head("Authorization: a\r\n"))).toMatch(now);
    expect(written(head("Connection: date\r\nDATE: x\r\n"))).toBe(head("DATE: x\r\n"));
    expect(written(head("Link: a\r\n", "HTTP/1.1 103 Early Hints"))).not.toContain("Date");
    expect(written(dated("Date: b\r\n"))).toBe(dated("Date: b\r\n"));
  });

  test("has framing headers without whitespace and zeros that some clients do not strip", () => {
    for (const headers of ["Content-Length:\t5\r\n", "Content-Length: 5 \r\n", "Content-Length: 0005\r\n"])
      expect(written(dated(`${headers}X:\t1 \r\n`))).toBe(dated("Content-Length: 5\r\nX: 1\r\n"));
    expect(written(dated("Content-Length: 000\r\n"))).toBe(dated("Content-Length: 0\r\n"));
    expect(written(dated("Transfer-Encoding: \tchunked\t\r\n"))).toBe(
      dated("Transfer-Encoding: chunked\r\n"),
    );
    expect(written(dated("content-length:5\r\nX:\t1 \r\n"))).toBe(dated("content-length:5\r\nX:\t1 \r\n"));
  });

  test("has one Content-Length, or the chunks alone", () => {
    const length = dated("Content-Length: 5\r\nX: 1\r\n");
    expect(written(dated("Content-Length: 5\r\nX: 1\r\ncontent-length: 05\r\n"))).toBe(length);
    expect(written(dated("Content-Length: \t5 ,\t5\r\nX: 1\r\nContent-Length: 5, 5\r\n"))).toBe(length);
    for (const headers of [
      ["Transfer-Encoding: ,chunked,\r\n"],
      ["Transfer-Encoding: ,\r\n", "Transfer-Encoding:chunked\t ,\r\n"],
      ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"],
      ["Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n", "Content-Length: 5\r\n"],
    ]) {
      expect(written(dated(headers.join("")))).toBe(dated("Transfer-Encoding: chunked\r\n"));
    }
  });

  test("is written in its usual form where the upstream's has another one", () => {
    const usual = `HTTP/1.1 200 OK\r\n${date}X-One: 1\r\nX-Two: 2   3\r\nX-Empty: \r\n\r\n`;
    for (const odd of [
      `\r\n\r\nHTTP/1.1 200 OK\r\n${date}X-One: 1\r\nX-Two: 2   3\r\nX-Empty: \r\n\r\n`,
      `HTTP/1.1   200 OK\r\n${date}X-One:1\r\nX-Two:\t2   3 \r\nX-Empty:\r\n\r\n`,
      `HTTP/1.1 200 OK\n${date}X-One: 1\nX-Two: 2   3\nX-Empty:\n\n`,
      `HTTP/1.1 200 OK\r\n${date}X-One:\r\n 1\r\nX-Two: 2\r\n 3\r\nX-Empty:\r\n \r\n\r\n`,
      `HTTP/1.0 200 OK\r\n${date}X-One \t: 1\r\nX-Two: 2   3\r\nX-Empty:\r\nConnection: a\r\n\r\n`,
    ])
      expect(written(odd)).toBe(usual);
    expect(written(`HTTP/1.1 404\n${date}\n`)).toBe(`HTTP/1.1 404\r\n${date}\r\n`);
    expect(written(head("Link : a\r\n", "HTTP/1.1 103 Early Hints"))).toBe(
      head("Link: a\r\n", "HTTP/1.1 103 Early Hints"),
    );
  });

  test("is never longer than the room for it", () => {
    const short = `HTTP/1.1 426\nUpgrade:x\n${"X:a\n".repeat(250)}\n`;
    const grown = written(short, { closes: true }).length - short.length;
    expect(grown).toBeGreaterThan(2 * 250 + 60);
    expect(grown).toBeLessThanOrEqual(maxAddedBytes(251));
  });

  test("keeps the upgrade of a 426 and no other", () => {
    const upgrade = "Connection: y, upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nX: 1\r\n";
    expect(written(dated(upgrade, "HTTP/1.1 426 Upgrade Required"))).toBe(
      `HTTP/1.1 426 Upgrade Required\r\n${date}Upgrade: TLS/1.0, HTTP/1.1\r\nX: 1\r\nConnection: Upgrade\r\n\r\n`,
    );
    expect(written(dated("Upgrade: a\r\n", "HTTP/1.1 426"), { closes: true })).toEndWith(
      "Upgrade: a\r\nConnection: Upgrade\r\nConnection: close\r\n\r\n",
    );
    expect(written(dated("", "HTTP/1.1 426 Upgrade Required"))).not.toContain("Connection");
    expect(written(dated("Connection: upgrade\r\nUpgrade: h2\r\n"))).toBe(dated(""));
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
