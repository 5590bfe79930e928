import { describe, expect, test } from "bun:test";

import {
  ParsedResponse,
  ResponseReader,
  type ResponseSink,
} from "../../../../src/engine/wire/http1/response-reader.ts";
import { writeResponseHead } from "../../../../src/engine/wire/http1/response-writer.ts";
import { framing as framings } from "../../../../src/engine/wire/http1/body.ts";
import { isWhole } from "../../../../src/engine/wire/http1/head-parser.ts";
import { type Random, randomIndex, seededRandom } from "../../../../src/lib/random.ts";
import { careless, countRequests } from "./lenient.ts";
import { bytesOf, oneByOne, readStream } from "./parse-result.ts";
import { passedCases, refusedCases } from "./strictness.ts";
import { responseLimits } from "./limits.ts";

const refusedSeeds = refusedCases.map(({ request }) => request).filter((request) => request.length < 1_000);
const passedSeeds = passedCases.map(([, request]) => request).filter((request) => request.length < 1_000);
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/** Fragments that attackers insert. */
const splinters = [
  "\r", "\n", "\r\n", "\n\n", "\r\n\r\n", "\0", " ", "\t", ":", ",", ";", "\x0b", "\x0c", "\x7f", "\x85", "\xa0", "0", "5", "x", "+", "-", "_",
  "0\r\n\r\n", "Content-Length: 5\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: x\r\n",
  "Transfer-Encoding : chunked\r\n", "Connection: content-length\r\n", "Expect: 100-continue\r\n", "Host: b\r\n", "HTTP/1.0", "HTTP/1.1", smuggled,
]; // prettier-ignore

function mutate(text: string, random: Random): string {
  let mutated = text;
  for (let i = 1 + randomIndex(random, 3); i > 0; i--) {
    const at = randomIndex(random, mutated.length + 1);
    const length = randomIndex(random, 4);
    const splinter = splinters[randomIndex(random, splinters.length)] ?? "";
    const kind = randomIndex(random, 4);
    if (kind === 0) mutated = mutated.slice(0, at) + mutated.slice(at + length);
    else if (kind === 1) mutated = mutated.slice(0, at) + splinter + mutated.slice(at);
    else if (kind === 2) mutated = mutated.slice(0, at) + splinter + mutated.slice(at + length);
    else
      mutated = mutated.slice(0, at) + String.fromCharCode(randomIndex(random, 256)) + mutated.slice(at + 1);
  }
  return mutated;
}

/** Half of the mutants come from requests that pass. */
function mutant(random: Random): string {
  const seeds = random() < 0.5 ? passedSeeds : refusedSeeds;
  return mutate(seeds[randomIndex(random, seeds.length)] ?? "", random);
}

/** Cuts bytes at a few random places. */
function cutUp(bytes: Buffer, random: Random): Buffer[] {
  const cuts = Array.from({ length: randomIndex(random, 6) }, () => randomIndex(random, bytes.length + 1));
  const places = [0, ...cuts.sort((one, other) => one - other), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

describe("a stream of mutated requests", () => {
  const mutants = 60_000;

  test("passes nothing that a careless server reads as another number of requests", () => {
    const random = seededRandom(20_26);
    let passed = 0;
    for (let i = 0; i < mutants; i++) {
      const bytes = bytesOf(mutant(random) + (i % 2 === 0 ? smuggled : ""));
      const reading = readStream(cutUp(bytes, random));
      const complete = reading.isPending ? reading.passed.slice(0, -1) : reading.passed;
      const refusedInBody =
        reading.statuses.at(-1) !== 0 && reading.statuses.length === reading.passed.length;
      for (const request of refusedInBody ? complete.slice(0, -1) : complete) {
        passed += 1;
        for (const habits of careless) {
          const count = countRequests(request, habits);
          if (count !== 1)
            throw new Error(
              `${habits.name} sees ${count} requests in ${JSON.stringify(request.toString("latin1"))}`,
            );
        }
      }
    }
    expect(passed).toBeGreaterThan(mutants / 20);
  });

  test("would fool the careless servers if it were passed unchanged", () => {
    for (const habits of careless.slice(1)) {
      const fooled = refusedSeeds.filter((seed) => countRequests(bytesOf(seed + smuggled), habits) !== 2);
      expect([habits.name, fooled.length > 0]).toEqual([habits.name, true]);
    }
  });

  test("is read the same however it is cut", () => {
    const random = seededRandom(7);
    for (let i = 0; i < mutants / 10; i++) {
      const bytes = bytesOf(mutant(random) + smuggled);
      const whole = readStream([bytes]);
      const single = readStream(oneByOne(bytes));
      expect(single.statuses).toEqual(whole.statuses);
      const refused = whole.statuses.at(-1) !== 0;
      const passedWhole = whole.passed.map(String);
      const passedSingle = single.passed.map(String);
      // A part of a request whose body is refused later may have reached an upstream.
      expect(refused ? passedSingle.slice(0, passedWhole.length) : passedSingle).toEqual(passedWhole);
    }
  });
});

describe("a mutated response", () => {
  const responses = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 304\r\nETag: x\r\n\r\n",
  ];

  const oddResponses = [
    "\r\nHTTP/1.1  200 OK\nContent-Length : 5\nX:\n a\n\nhello",
    "HTTP/1.1 200\r\nContent-Length: 5, 5\r\nContent-Length:\t05\r\n\r\nhello",
    "HTTP/1.2 426 Up\r\nUpgrade: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 103 A\nLink:\n\tb\n\nHTTP/1.0 200 OK\r\nConnection: x\r\nX : 1\r\nDate: y\r\n\r\n",
  ];

  test("neither crashes the reader nor is read in two ways, whole or byte by byte", () => {
    const random = seededRandom(11);
    for (let i = 0; i < 20_000; i++) {
      const bytes = bytesOf(mutate(responses[randomIndex(random, responses.length)] ?? "", random));
      const whole = readAnswer([Buffer.from(bytes)]);
      const single = readAnswer(oneByOne(bytes));
      const isBad = /refused|notHttp/.test(whole.at(-1) ?? "");
      if (isBad ? whole.at(-1) !== single.at(-1) : single.join() !== whole.join()) {
        throw new Error(`${JSON.stringify(bytes.toString("latin1"))}: ${whole.join()} or ${single.join()}`);
      }
    }
  });

  test("reaches the client in a form that has no irregularity, with the framing that was read", () => {
    const random = seededRandom(13);
    const target = Buffer.alloc(65_536);
    const clientHead = new ParsedResponse(responseLimits);
    const expectation = { isHead: false, upgrades: false };
    let irregular = 0;
    const check = (head: ParsedResponse, source: Buffer) => {
      if (head.needsRewrite) irregular += 1;
      const { framing, contentLength } = head;
      const { status } = head.parser;
      const length = writeResponseHead(target, head, { closes: false, isHttp10: false, upgrades: false });
      clientHead.parser.beginResponse(0);
      const problem =
        clientHead.parser.parse(target, length) === isWhole
          ? clientHead.validate(target, expectation)
          : clientHead.parser.violation.text;
      const isSame =
        clientHead.parser.status === status &&
        (head.isInterim || clientHead.hasDate) &&
        clientHead.parser.end === length &&
        !clientHead.needsRewrite &&
        clientHead.framing === framing &&
        // Also false where both framings were left.
        clientHead.keepsAlive === (framing !== framings.untilClose) &&
        (framing !== framings.length || clientHead.contentLength === contentLength);
      if (problem !== "" || !isSame)
        throw new Error(
          `${JSON.stringify(source.toString("latin1"))} became ${JSON.stringify(target.toString("latin1", 0, length))}: ${problem}`,
        );
    };
    for (let i = 0; i < 40_000; i++) {
      const seed = [...responses, ...oddResponses][
        randomIndex(random, responses.length + oddResponses.length)
      ];
      const bytes = bytesOf(mutate(seed ?? "", random));
      const reader = new ResponseReader(new ParsedResponse(responseLimits));
      const sink: ResponseSink = {
        request: expectation,
        interim: (head) => check(head, bytes),
        responseHead: (head) => check(head, bytes),
        responseBody() {},
        switchProtocols() {},
      };
      reader.begin();
      reader.read(sink, Buffer.from(bytes));
    }
    expect(irregular).toBeGreaterThan(3_000);
  });

  /** The statuses, the body and the last progress. */
  function readAnswer(segments: readonly Buffer[]): string[] {
    const reader = new ResponseReader(new ParsedResponse(responseLimits));
    const seen: string[] = [];
    let body = "";
    const sink: ResponseSink = {
      request: { isHead: false, upgrades: false },
      interim: ({ parser: { status } }) => void seen.push(`${status}`),
      responseHead(head, stop) {
        seen.push(`${head.parser.status}`);
        body += head.bytes.toString("latin1", head.parser.end, stop);
      },
      responseBody: (piece) => void (body += piece.toString("latin1")),
      switchProtocols: () => void seen.push("switched"),
    };
    reader.begin();
    let progress = "more";
    for (const segment of segments) {
      if (progress !== "more") break;
      progress = reader.read(sink, segment);
    }
    return [...seen, body, progress];
  }
});
