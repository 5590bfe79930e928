import { expect, test } from "bun:test";

import { until } from "../../../support/wait.ts";
import { get, wireScene } from "../fixture.ts";

const head = (headers: string, start = "HTTP/1.1 200 OK") => `${start}\r\n${headers}\r\n`;

const table: readonly (readonly [response: string, violation: string])[] = [
  ["SSH-2.0-OpenSSH_9.2\r\n", "missing or malformed HTTP version"],
  ["HTTP/1.1 20 OK\r\n", "invalid status code"],
  [head("", "HTTP/2.0 200 OK"), "unsupported HTTP version"],
  [head(`X: ${"a".repeat(65_536)}\r\n`), "the head is larger than 65536 bytes"],
  [head("X: a\r\n".repeat(257)), "more than 256 header fields"],
  [head("Content-Length: x\r\n"), "invalid Content-Length"],
  [head("Content-Length: 1\r\nContent-Length: 1\r\n"), "more than one Content-Length or Transfer-Encoding"],
  [head("Transfer-Encoding: gzip\r\n"), "Transfer-Encoding must be chunked"],
  [head("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK"), "Transfer-Encoding is not allowed in HTTP/1.0"],
  [`${head("Transfer-Encoding: chunked\r\n")}x`, "malformed chunk"],
  [head("Connection: Upgrade\r\n", "HTTP/1.1 101 Go"), "unexpected 101 response"],
  [head("", "HTTP/1.1 103 Early Hints").repeat(101), "too many interim responses"],
];

test("an invalid response is logged with its violation", () => {
  let response = "";
  return wireScene(
    (_, socket) => void socket.write(response),
    async ({ client, stage }) => {
      for (const [given, violation] of table) {
        response = given;
        const one = await client();
        one.send(get());
        await until(() => one.received.includes("HTTP/1.1 502"), violation);
        expect(stage.ended.pop()?.outcome).toMatchObject({ reason: "head_invalid", detail: violation });
      }
    },
    { retries: 0 },
  );
});

test("a hundred interim responses pass", () =>
  wireScene(
    (_, socket) =>
      void socket.write(head("", "HTTP/1.1 103 Early Hints").repeat(100) + head("Content-Length: 0\r\n")),
    async ({ client }) => {
      const one = await client();
      one.send(get() + get());
      for (let i = 0; i < 2; i++) {
        for (let interims = 0; interims < 100; interims++)
          expect((await one.readResponse()).status).toBe(103);
        expect((await one.readResponse()).status).toBe(200);
      }
    },
  ));
