/** What the log says of each request that is refused: the cases of `strictness.ts` by the rule that they break. */

import { expect, test } from "bun:test";

import { until } from "../../../support/wait.ts";
import { bytesOf, oneByOne, readStream } from "./reading.ts";
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
  "Transfer-Encoding is not chunked": [
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
  "a Transfer-Encoding besides chunked": ["gzip, chunked"],
  "unusual white space around Content-Length or Transfer-Encoding": [
    "a tab before chunked",
    "a space and a tab before chunked",
    "a tab behind chunked",
    "a space behind chunked",
    "a tab before a length",
    "a tab behind a length",
    "a space behind a length",
  ],
  "a control character in the value of a field": [
    "a form feed before chunked",
    "a vertical tab before chunked",
    "NUL in Transfer-Encoding",
    "a vertical tab before a length",
    "NUL in a value",
    "DEL in a value",
    "a bell in a value",
  ],
  "chunks on HTTP/1.0": ["chunked on HTTP/1.0"],
  "Content-Length is no number": [
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
    "a length padded with zeros",
  ],
  "a malformed or too large chunk size": [
    "a chunk size with 0x",
    "a chunk size with an underscore",
    "a chunk size with plus",
    "a chunk size with minus",
    "an empty chunk size",
    "a chunk size with a space before",
    "a chunk size with a space behind",
    "a chunk size that overflows",
    "a chunk size of 13 digits",
    "a chunk size that ends with LF",
    "a chunk size that ends with CR",
    "a last chunk of LF alone",
    "CR in a chunk extension",
  ],
  "the data of a chunk does not end where its size says": [
    "chunk data that ends with LF",
    "chunk data that ends with CR",
    "chunk data that is too long",
  ],
  "a malformed trailer, or one that only a head may have": [
    "LF after the last chunk",
    "CR CR LF after the last chunk",
    "Content-Length in the trailers",
    "Transfer-Encoding in the trailers",
    "Host in the trailers",
    "X-Forwarded-For in the trailers",
    "white space before a trailer's colon",
    "a folded trailer",
    "LF after a trailer",
  ],
  "a malformed or too long chunk extension": [
    "LF in a chunk extension",
    "an empty chunk extension",
    "NUL in a chunk extension",
  ],
  "a line that does not end in CR LF": [
    "LF after the request line",
    "CR after the request line",
    "LF after a field",
    "LF LF at the end",
    "CR in a value",
    "CR CR LF",
  ],
  "white space before the colon of a field": ["a space before the colon", "a tab before the colon"],
  "a field name that is empty or has a byte that no name has": [
    "an empty name",
    "a name with a bracket",
    "a name with a byte above 0x7f",
    "NUL in a name",
  ],
  "a field without a colon": ["a field without a colon"],
  "a field that is folded, or begins with white space": [
    "a space before the first field",
    "a line folded with a space",
    "a line folded with a tab",
  ],
  "no Host field": ["no Host", "no Host on HTTP/1.0"],
  "more than one Host field": ["two Hosts", "the same Host twice"],
  "the Host field is not a name or address, with a port or without": [
    "an empty Host",
    "a Host with a space",
    "a list of Hosts",
    "a Host with a path",
    "a Host with a user",
    "a Host with a port that is none",
    "a Host with a port of six digits",
    "a Host that is only a port",
    "a Host with an open bracket",
    "a Host with something behind the bracket",
  ],
  "the target names another host than the Host field": [
    "an absolute target with another authority",
    "an absolute target with another port",
    "an absolute target with a user",
    "an absolute target without authority",
  ],
  "the target is neither a path nor an absolute URL of http": [
    "another scheme",
    "a target without a slash",
    "a star without OPTIONS",
  ],
  "the target is empty, or has a byte that must be encoded": [
    "a fragment",
    "a control character in the target",
    "a tab in the target",
    "an empty target",
  ],
  "no HTTP version where it belongs": [
    "two spaces before the version",
    "a space behind the version",
    "a request without version",
    "lower-case http",
    "a version with two digits",
  ],
  "it does not begin with a method": [
    "a method that is no token",
    "a method with a byte above 0x7f",
    "a space before the method",
    "two empty lines before the request",
    "LF before the request",
    "a TLS hello",
  ],
  "a known method that is not in capitals": ["a known method in lower case", "a known method in mixed case"],
  "unknown version of HTTP": ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0"],
  "CONNECT and TRACE are not served": ["CONNECT", "TRACE"],
  "the target is longer than 8192 bytes": ["a target above 8 KiB"],
  "the head is larger than 16384 bytes": ["a head above 16 KiB"],
  "the head has more than 100 fields": ["more than 100 fields"],
  "Connection names too many fields": ["more names in Connection than fields allowed"],
};

test("each request that is refused has its complaint, however it is cut", () => {
  const found: Record<string, string[]> = {};
  for (const { name, request } of refusedCases) {
    const bytes = bytesOf(request);
    const { complaint: violation } = readStream([bytes]);
    (found[violation] ??= []).push(name);
    expect([name, readStream(oneByOne(bytes)).complaint]).toEqual([name, violation]);
  }
  expect(found).toEqual(casesOf as Record<string, string[]>);
});

test("the log, the record and the client hear the complaint and never what the client said", () => {
  const lines: object[] = [];
  return wireScene(
    () => {},
    async ({ client, stage }) => {
      const one = await client();
      one.send("GET /\x01evil HTTP/1.1\r\nHost: a\r\n\r\n");
      const violation = "the target is empty, or has a byte that must be encoded";
      const { status, body } = await one.readResponse();
      expect(status).toBe(400);
      expect(body.toString()).toStartWith(
        `400 request_invalid: The request is not acceptable: ${violation}. (request `,
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
    { engine: { log: { bug() {}, warn: (message, fields) => void lines.push({ message, ...fields }) } } },
  );
});

test("a head or a body that does not come in time is told apart", () =>
  wireScene(
    () => {},
    async ({ client, stage }) => {
      (await client()).send("GET /");
      (await client()).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
      await until(() => stage.records.length === 2);
      expect(
        stage.records.map(({ status, complaint: violation }) => `${status} ${violation}`).toSorted(),
      ).toEqual(["408 the body did not come in time", "408 the head did not come in time"]);
    },
    { clientTimeouts: { headMs: 100, bodyIdleMs: 100 } },
  ));

test("a request that goes well has none", () =>
  wireScene(
    (_, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    async ({ client, stage }) => {
      await (await client()).send(get()).readResponse();
      await until(() => stage.records.length > 0);
      expect(stage.records[0]?.complaint).toBeNull();
    },
  ));
