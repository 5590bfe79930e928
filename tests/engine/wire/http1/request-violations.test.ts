/** The violation that each refused request is logged with: the cases of `strictness.ts` by the rule that they break. */

import { expect, test } from "bun:test";

import { until } from "../../../support/wait.ts";
import { bytesOf, oneByOne, readStream } from "./parse-result.ts";
import { get, wireScene } from "../fixture.ts";
import { refusedCases } from "./strictness.ts";

const casesOf: Readonly<Record<string, readonly string[]>> = {
  "more than one Content-Length or Transfer-Encoding": [
    "Content-Length together with Transfer-Encoding",
    "Transfer-Encoding before Content-Length",
    "chunked twice in two fields",
    "two different lengths",
    "the same length twice",
  ],
  "Transfer-Encoding must be chunked": [
    "chunked twice in a list",
    "chunked in two fields, one identity",
    "identity",
    "gzip alone",
    "chunked, gzip",
    "a leading comma",
    "a trailing comma",
    "xchunked",
    "chunked with a parameter",
    "quoted chunked",
    "a no-break space before chunked",
    "the Kelvin sign in chunked",
    "an empty Transfer-Encoding",
    "gzip, chunked on HTTP/1.0",
  ],
  "unsupported Transfer-Encoding": ["gzip, chunked"],
  "control character in a header value": [
    "a form feed before chunked",
    "a vertical tab before chunked",
    "NUL in Transfer-Encoding",
    "a vertical tab before a length",
    "NUL in a value",
    "DEL in a value",
    "a bell in a value",
  ],
  "Transfer-Encoding is not allowed in HTTP/1.0": ["chunked on HTTP/1.0"],
  "invalid Content-Length": [
    "a list of lengths",
    "a length with plus",
    "a negative length",
    "a hexadecimal length",
    "hexadecimal digits in a length",
    "a length with a point",
    "a length with an underscore",
    "a length with a space inside",
    "an empty length",
    "an overlong length",
    "a length beyond 2^64",
  ],
  "malformed or too large chunk size": [
    "a chunk size with 0x",
    "a chunk size with an underscore",
    "a chunk size with plus",
    "a chunk size with minus",
    "an empty chunk size",
    "a chunk size with a space before",
    "a chunk size that overflows",
    "a chunk size that ends with LF",
    "a chunk size that ends with CR",
    "a last chunk of LF alone",
    "CR in a chunk extension",
    "a chunk size of 13 digits",
    "a second size in a chunk line",
  ],
  "chunk data does not end where its size says": [
    "chunk data that ends with LF",
    "chunk data that ends with CR",
    "chunk data that is too long",
  ],
  "malformed trailer, or too many bytes of trailers": [
    "LF after the last chunk",
    "CR CR LF after the last chunk",
    "whitespace before a trailer's colon",
    "a folded trailer",
    "LF after a trailer",
  ],
  "malformed or too long chunk extension": [
    "LF in a chunk extension",
    "NUL in a chunk extension",
    "an open quote in a chunk extension",
  ],
  "a line does not end with CR LF": [
    "LF after the request line",
    "CR after the request line",
    "LF after a header",
    "LF LF at the end",
    "CR in a value",
    "CR CR LF",
    "CR CR LF before the request",
  ],
  "whitespace before the colon of a header": ["a space before the colon", "a tab before the colon"],
  "empty or invalid header name": [
    "an empty name",
    "a name with a bracket",
    "a name with a byte above 0x7f",
    "NUL in a name",
  ],
  "a header has no colon": ["a header without a colon"],
  "obsolete line folding in a header (RFC 9112 5.2)": [
    "a space before the first header",
    "a line folded with a space",
    "a line folded with a tab",
  ],
  "missing Host header": ["no Host", "an absolute target without Host"],
  "more than one Host header": ["two Hosts", "the same Host twice", "an absolute target and two Hosts"],
  "invalid Host header": [
    "an empty Host",
    "a Host with a space",
    "a list of Hosts",
    "a Host with a path",
    "a Host with a user",
    "a Host with a port that is none",
    "a Host with a port of six digits",
    "a Host that is only a port",
    "a Host with an open bracket",
    "an empty IP literal",
    "a name in brackets",
    "a zone without a name",
    "a zone with a bracket",
    "a literal of a later version without a version",
    "a literal of a later version without an address",
    "a Host with something behind the bracket",
    "an absolute target and an invalid Host",
  ],
  "invalid host in the request target": [
    "an absolute target with a user",
    "an absolute target without authority",
    "an absolute target with an open bracket",
  ],
  "request target must be a path or an absolute http URL": [
    "another scheme",
    "a target without a slash",
    "a star without OPTIONS",
  ],
  "request target is empty or contains an unencoded character": [
    "a fragment",
    "a control character in the target",
    "a tab in the target",
    "an empty target",
  ],
  "missing or malformed HTTP version": [
    "two spaces before the version",
    "a space behind the version",
    "a request without version",
    "lower-case http",
    "a version with two digits",
  ],
  "missing or malformed method": [
    "a method that is no token",
    "a method with a byte above 0x7f",
    "a space before the method",
    "LF before the request",
    "a TLS hello",
  ],
  "method must be upper case": ["a known method in lower case", "a known method in mixed case"],
  "unsupported HTTP version": ["HTTP/0.9", "HTTP/2.1", "HTTP/3.0", "HTTP/2.0"],
  "CONNECT and TRACE are not supported": ["CONNECT", "TRACE"],
  "request target is longer than 8192 bytes": ["a target above 8 KiB"],
  "the head is larger than 32768 bytes": ["a head above 32 KiB"],
  "more than 128 header fields": ["more than 128 header fields"],
};

test("each refused request has its violation, however it is cut", () => {
  const found: Record<string, string[]> = {};
  for (const { name, request } of refusedCases) {
    const bytes = bytesOf(request);
    const { violation } = readStream([bytes]);
    (found[violation] ??= []).push(name);
    expect([name, readStream(oneByOne(bytes)).violation]).toEqual([name, violation]);
  }
  expect(found).toEqual(casesOf as Record<string, string[]>);
});

test("the log, the record and the response contain the violation and never the client's bytes", () => {
  const lines: object[] = [];
  return wireScene(
    () => {},
    async ({ client, stage }) => {
      const one = await client();
      one.send("GET /\x01evil HTTP/1.1\r\nHost: a\r\n\r\n");
      const violation = "request target is empty or contains an unencoded character";
      const { status, body } = await one.readResponse();
      expect(status).toBe(400);
      expect(body.toString()).toStartWith(
        `400 request_invalid: The request is invalid: ${violation}. (request `,
      );
      await until(() => stage.records.length > 0);
      expect(stage.records).toMatchObject([
        {
          status: 400,
          reason: "request_invalid",
          complaint: violation,
          clientAddress: "127.0.0.1",
          method: "",
        },
      ]);
      expect(lines).toMatchObject([
        {
          message: "refused",
          client: "127.0.0.1",
          reason: "request_invalid",
          status: 400,
          complaint: violation,
        },
      ]);
      expect(JSON.stringify(lines)).not.toContain("evil");
    },
    { engine: { log: { bug() {}, warn: (message, headers) => void lines.push({ message, ...headers }) } } },
  );
});

test("timeouts of the head and of the body have different violations", () =>
  wireScene(
    () => {},
    async ({ client, stage }) => {
      (await client()).send("GET /");
      (await client()).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
      await until(() => stage.records.length === 2);
      expect(
        stage.records.map(({ status, complaint: violation }) => `${status} ${violation}`).toSorted(),
      ).toEqual(["408 request body timed out", "408 request headers timed out"]);
    },
    { clientTimeouts: { headMs: 100, bodyIdleMs: 100 } },
  ));

test("a valid request has no violation", () =>
  wireScene(
    (_, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    async ({ client, stage }) => {
      await (await client()).send(get()).readResponse();
      await until(() => stage.records.length > 0);
      expect(stage.records[0]?.complaint).toBeNull();
    },
  ));
