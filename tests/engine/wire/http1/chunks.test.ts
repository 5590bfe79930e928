/** What passes of chunk lines and trailers, however they are cut: only what every parser reads alike. */

import { describe, expect, test } from "bun:test";

import { BodyFraming, framing } from "../../../../src/engine/wire/http1/body.ts";
import { type Random, randomIndex, seededRandom } from "../../../../src/lib/random.ts";
import { until } from "../../../support/wait.ts";
import { get, wireScene } from "../fixture.ts";
import { bytesOf, oneByOne } from "./parse-result.ts";
import { readStrictly } from "./strict-chunks.ts";

/** @returns what passes of a body, and what follows it; undefined if it is refused */
function pass(segments: readonly Buffer[]): { passed: string; isWhole: boolean; rest: string } | undefined {
  const body = new BodyFraming();
  body.begin(framing.chunked, 0);
  let passed = "";
  let rest = "";
  for (const segment of segments) {
    const stop = body.decode(segment, 0, segment.length);
    if (stop < 0) return undefined;
    passed += (body.rewritten ?? segment.subarray(0, stop)).toString("latin1");
    rest += segment.toString("latin1", stop);
  }
  return { passed, isWhole: body.isComplete, rest };
}

/** All ways to cut bytes in two, and all bytes alone. */
function* cutsOf(bytes: Buffer): Generator<Buffer[]> {
  yield [bytes];
  yield oneByOne(bytes);
  const step = Math.ceil(bytes.length / 400);
  for (let at = 1; at < bytes.length; at += step) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

const sized = (line: string) => `${line}\r\nhello\r\n0\r\n\r\n`;
const trailing = (trailers: string) => `5\r\nhello\r\n0\r\n${trailers}\r\n`;

/** A chunk line, and the line that passes. */
const lines: ReadonlyArray<readonly [sent: string, passed: string]> = [
  ["5", "5"],
  ["5;a", "5;a"],
  ["5;a=b", "5;a=b"],
  ["5;a=b;c;d=e", "5;a=b;c;d=e"],
  ['5;a="b ; c=\\"d\\""', '5;a="b ; c=\\"d\\""'],
  ['5;a="";b', '5;a="";b'],
  ['5;a="caf\xe9"', '5;a="caf\xe9"'],
  [`5;chunk-signature=${"a".repeat(64)}`, `5;chunk-signature=${"a".repeat(64)}`],
  ["5; a=b", "5"],
  ["5 ;a=b", "5"],
  ["5 ; a = b", "5"],
  ["5\t;\ta\t=\tb\t", "5"],
  ["5;a = b", "5"],
  ["5;a= b", "5"],
  ["5;a=b ", "5"],
  ['5 ; a = "b ; c" ; d', "5"],
  ["5;a=b ;c=d", "5"],
  ["5 ", "5"],
  ["5\t ", "5"],
  ["5;", "5"],
  ["5;;a", "5"],
  ["5;a=", "5"],
  ["5;a=;b", "5"],
  ["5;=b", "5"],
  ["5;a=b/c", "5"],
  ["5;a=b=c", "5"],
  ['5;a="b"c', "5"],
  ['5;a"b"', "5"],
  ["05", "05"],
  ["00005", "00005"],
  ["000005", "00005"],
  ["000000000000000000000000000000005", "00005"],
  [`${"0".repeat(4_000)}5;a`, "00005;a"],
  ["0000000000000005 ; a", "00005"],
];

const refusedLines: readonly string[] = [
  "", " 5", "\t5", "+5", "-5", "0x5", "5x", "5 5", "5 x", "5 =", "5,5", ";a", "5\v", "5\0", "5;a\0", "5;a\x7f", "5;a\n", "5;a\r",
  '5;a="b', '5;a="b\\"', '5;a="b\0"', '5;a="b\\\n"', '5;a"b', '5; "', "1000000000005", "FFFFFFFFFFFFF", "_5", "5_0",
  `5;${"a".repeat(4_096)}`, `5;a="${"b".repeat(4_096)}"`, `5${" ".repeat(4_096)}`, `${"0".repeat(4_096)}5`,
]; // prettier-ignore

/** Trailers, and those that pass. */
const trailers: ReadonlyArray<readonly [sent: string, passed: string]> = [
  ["X-Sum: 5\r\n", "X-Sum: 5\r\n"],
  ["grpc-status: 0\r\ngrpc-message:\r\n", "grpc-status: 0\r\ngrpc-message:\r\n"],
  ['Server-Timing: db;dur=5\r\nETag: "a"\r\n', 'Server-Timing: db;dur=5\r\nETag: "a"\r\n'],
  ["X-Request-Id: a\r\n", ""],
  ["X-Sum: 5\r\nx-request-id: a\r\nX-More: 6\r\n", "X-Sum: 5\r\nX-More: 6\r\n"],
  ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHOST: b\r\nX: 1\r\n", "X: 1\r\n"],
  ["Content_Length: 5\r\nX: 1\r\n", "X: 1\r\n"],
  ["X-Forwarded-For: 6.6.6.6\r\nx_forwarded_proto: a\r\nForwarded: for=a\r\nX-Real-IP: a\r\n", ""],
  ["X-Forwarded-For-Some-Very-Long-Reason-Of-Its-Own: a\r\n", ""],
  ["X-Forwarder-For-Some-Very-Long-Reason: a\r\n", "X-Forwarder-For-Some-Very-Long-Reason: a\r\n"],
  ["Authorization: a\r\nCookie: a\r\nSet-Cookie: a\r\nProxy-Authorization: a\r\n", ""],
  ["Connection: close\r\nUpgrade: a\r\nTE: a\r\nTrailer: a\r\nKeep-Alive: 5\r\n", ""],
  ["Content-Type: a\r\nContent-Encoding: gzip\r\nContent-Range: bytes 1-2/3\r\n", ""],
  ["Cache-Control: a\r\nExpect: 100-continue\r\nRange: a\r\nIf-Match: a\r\nMax-Forwards: 1\r\n", ""],
  ["Host:\r\n", ""],
  [`Host: ${"a".repeat(20_000)}\r\nX: 1\r\n`, ""],
  ["X: 1\r\n".repeat(101), "X: 1\r\n".repeat(100)],
  [`${"Host: a\r\n".repeat(99)}X: 1\r\nY: 2\r\n`, "X: 1\r\n"],
];

const refusedTrailers: readonly string[] = [
  "X-Sum : 5\r\n", "X-Sum: 5\r\n 6\r\n", "X-Sum: 5\n", "X-Sum: 5\r", "\n", "\r\r\n", ": 5\r\n", "X-Sum\r\n", "X(: 5\r\n", "X: \0\r\n",
  "Host : b\r\n", "Host: b\r\n c\r\n", "Host: b\n", `X: ${"a".repeat(66_000)}\r\n`, `Host: ${"a".repeat(66_000)}\r\n`,
]; // prettier-ignore

describe("of a chunked body passes", () => {
  for (const [sent, passed] of lines) {
    test(`${JSON.stringify(passed)} of the line ${JSON.stringify(sent.slice(0, 60))}, however it is cut`, () => {
      const bytes = bytesOf(`${sized(sent)}GET`);
      for (const cut of cutsOf(bytes))
        expect(pass(cut)).toEqual({ passed: sized(passed), isWhole: true, rest: "GET" });
      expect(readStrictly(sized(passed))).toBe("hello");
    });
  }

  for (const [sent, passed] of trailers) {
    test(`${JSON.stringify(passed.slice(0, 40))} of the trailers ${JSON.stringify(sent.slice(0, 60))}`, () => {
      const bytes = bytesOf(`${trailing(sent)}GET`);
      for (const cut of cutsOf(bytes))
        expect(pass(cut)).toEqual({ passed: trailing(passed), isWhole: true, rest: "GET" });
      expect(readStrictly(trailing(passed))).toBe("hello");
    });
  }

  test("an extension of 64 bytes on each of 10,000 chunks", () => {
    const body = `${`1;chunk-signature=${"a".repeat(64)}\r\nx\r\n`.repeat(10_000)}0\r\n\r\n`;
    expect(pass([bytesOf(body)])?.passed).toBe(body);
  });

  test("every last chunk with extensions and trailers to drop", () => {
    const body = "1 ; a\r\nx\r\n2;b=c\r\nyz\r\n0 ; d = e\r\nHost: a\r\nX: 1\r\n\r\n";
    for (const cut of cutsOf(bytesOf(body)))
      expect(pass(cut)?.passed).toBe("1\r\nx\r\n2;b=c\r\nyz\r\n0\r\nX: 1\r\n\r\n");
  });
});

describe("a chunked body is refused for", () => {
  for (const line of refusedLines)
    test(`the line ${JSON.stringify(line.slice(0, 60))}`, () => {
      for (const cut of cutsOf(bytesOf(sized(line)))) expect(pass(cut)).toBeUndefined();
    });
  for (const sent of refusedTrailers)
    test(`the trailer ${JSON.stringify(sent.slice(0, 60))}`, () => {
      for (const cut of cutsOf(bytesOf(trailing(sent)))) expect(pass(cut)).toBeUndefined();
    });
});

test("what passes of mutated chunks is read alike by a strict parser", () => {
  const random = seededRandom(4);
  let whole = 0;
  for (let i = 0; i < 40_000; i++) {
    const cut = cutUp(bytesOf(mutant(random)), random);
    const result = pass(cut);
    if (!result?.isWhole) continue;
    whole += 1;
    const data = readStrictly(result.passed);
    if (data === undefined || result.passed !== pass([Buffer.concat(cut)])?.passed)
      throw new Error(JSON.stringify(cut.map((part) => part.toString("latin1"))));
  }
  expect(whole).toBeGreaterThan(2_000);
});

const splinters = [
  " ",
  "\t",
  ";",
  "=",
  '"',
  "\\",
  "0",
  "5",
  "a",
  "\r",
  "\n",
  "\r\n",
  ":",
  "Host: a\r\n",
  "X: 1\r\n",
  " ; a = b",
];

function mutant(random: Random): string {
  const pick = <Item>(items: readonly Item[]): Item => items[randomIndex(random, items.length)] as Item;
  let text = `${pick(lines)[0].slice(0, 100)}\r\nhello\r\n${pick(lines)[0].slice(0, 100).replaceAll("5", "0")}\r\n${pick(trailers)[0].slice(0, 200)}\r\n`;
  for (let i = randomIndex(random, 3); i > 0; i--) {
    const at = randomIndex(random, text.length);
    text = text.slice(0, at) + pick(splinters) + text.slice(at + randomIndex(random, 2));
  }
  return text;
}

function cutUp(bytes: Buffer, random: Random): Buffer[] {
  const cuts = Array.from({ length: randomIndex(random, 6) }, () => randomIndex(random, bytes.length + 1));
  const places = [0, ...cuts.toSorted((one, other) => one - other), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

const oddBody = "2 ; a = b\r\nhe\r\n3;c\r\nllo\r\n0 \r\nX-Request-Id: a\r\nX-Sum: 5\r\n\r\n";
const plainBody = "2\r\nhe\r\n3;c\r\nllo\r\n0\r\nX-Sum: 5\r\n\r\n";

test("a request's odd chunks and trailers reach the upstream in one reading, in one piece or in many", () => {
  let received = "";
  return wireScene(
    {
      respond: (_, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
      onConnect: (socket) =>
        void socket.on("data", (bytes: Buffer) => (received += bytes.toString("latin1"))),
    },
    async ({ client }) => {
      const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
      const one = await client();
      one.send(head + oddBody + head + oddBody);
      for (let i = 0; i < 2; i++) expect((await one.readResponse()).status).toBe(200);
      expect(received.split(plainBody)).toHaveLength(3);
      const two = await client();
      two.send(head + oddBody.slice(0, 15));
      await until(() => received.endsWith("\r\n2\r\nhe\r\n"), "the first part");
      two.send(oddBody.slice(15, 27));
      await until(() => received.endsWith("\r\nllo\r\n0"), "the second part");
      two.send(oddBody.slice(27));
      expect((await two.readResponse()).status).toBe(200);
      expect(received.split(plainBody)).toHaveLength(4);
      expect(received).not.toContain("X-Request-Id: a\r\n");
    },
  );
});

test("an upstream's odd chunks and trailers reach the client in one reading, and its connection is used again", () => {
  const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const pieces = (request: number) =>
    request === 1
      ? [head + oddBody]
      : [head + oddBody.slice(0, 15), oddBody.slice(15, 27), oddBody.slice(27)];
  let sent = 0;
  let next = () => {};
  return wireScene(
    ({ target }, socket) => {
      const rest = pieces(target === "/1" ? 1 : 2);
      next = () => void ((sent += 1), socket.write(rest.shift() ?? ""));
      next();
    },
    async ({ client, origin }) => {
      const one = await client();
      const body = () => one.received.toString("latin1").split("\r\n\r\n").slice(1).join("\r\n\r\n");
      one.send(get("/1"));
      await until(() => body() === plainBody, "the response in one piece");
      await one.readResponse();
      one.send(get("/2"));
      await until(() => body() === plainBody.slice(0, 7), "the first part");
      next();
      await until(() => body() === plainBody.slice(0, 18), "the second part");
      next();
      await until(() => body() === plainBody, "the response");
      await one.readResponse();
      expect([origin.connections(), sent]).toEqual([1, 4]);
    },
  );
});
