/** The configured limits of heads apply, and nothing of their size is allocated before it is needed. */

import { expect, test } from "bun:test";

import { HeadLimits } from "../../../src/engine/wire/http1/head-limits.ts";
import { HeadParser, isMalformed, isWhole, needsMore } from "../../../src/engine/wire/http1/head-parser.ts";
import { respondWith } from "../../support/origin.ts";
import { sendRequest } from "../../support/raw-client.ts";
import { get, wireScene } from "./fixture.ts";

const fields = (count: number) => "X: a\r\n".repeat(count);

test("a request may be as large as configured, and no larger", () =>
  wireScene(
    (_, socket) => void socket.write(respondWith("ok")),
    async ({ stage }) => {
      const statuses = async (...requests: readonly string[]) => {
        const responses = await Promise.all(requests.map((request) => sendRequest(stage.port, request)));
        return responses.map(({ status }) => status);
      };
      expect(
        await statuses(
          get("/", fields(19)),
          get("/", fields(20)),
          get("/", `X: ${"a".repeat(50_000)}\r\n`),
          get("/", `X: ${"a".repeat(70_000)}\r\n`),
          get(`/${"a".repeat(19_999)}`),
          get(`/${"a".repeat(20_000)}`),
        ),
      ).toEqual([200, 431, 200, 431, 200, 414]);
    },
    { limits: { requestHeadBytes: 65_536, requestFields: 20, requestTargetBytes: 20_000 } },
  ));

test("a response may be as large as configured, and no larger", () => {
  let response = "";
  return wireScene(
    (_, socket) => void socket.write(`HTTP/1.1 200 OK\r\n${response}Content-Length: 0\r\n\r\n`),
    async ({ stage }) => {
      for (const [headers, status] of [
        [fields(299), 200],
        [fields(300), 502],
        [`X: ${"a".repeat(190_000)}\r\n`, 200],
        [`X: ${"a".repeat(200_000)}\r\n`, 502],
      ] as const) {
        response = headers;
        expect((await sendRequest(stage.port, get())).status).toBe(status);
      }
    },
    { limits: { responseHeadBytes: 200_000, responseFields: 300 } },
  );
});

test("a parser makes room for headers only as they arrive", () => {
  const parser = new HeadParser(new HeadLimits(65_536, 1_000, 8_192));
  const bytes = Buffer.from(`GET / HTTP/1.1\r\n${fields(1_000)}\r\n`);
  parser.beginRequest(0);
  expect(parser.parse(bytes, 40)).toBe(needsMore);
  expect(parser.headers.byteLength).toBeLessThan(2_000);
  expect(parser.parse(bytes, bytes.length)).toBe(isWhole);
  expect([parser.count, parser.headers.length]).toEqual([1_000, 5_000]);
  const more = Buffer.from(`GET / HTTP/1.1\r\n${fields(1_001)}\r\n`);
  parser.beginRequest(0);
  expect(parser.parse(more, more.length)).toBe(isMalformed);
  expect(parser.violation.text).toBe("more than 1000 header fields");
});
