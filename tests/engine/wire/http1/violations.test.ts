import { expect, test } from "bun:test";

import type { Outcome } from "../../../../src/pool/outcome.ts";
import { until } from "../../../support/wait.ts";
import { get, wireScene } from "../fixture.ts";

const head = (headers: string, start = "HTTP/1.1 200 OK") => `${start}\r\n${headers}\r\n`;

const table: readonly (readonly [response: string, violation: string])[] = [
  ["HTTP/1.1 20 OK\r\n", "invalid status code"],
  [head("", "HTTP/2.0 200 OK"), "unsupported HTTP version"],
  [head(`X: ${"a".repeat(65_536)}\r\n`), "the head is larger than 65536 bytes"],
  [head("X: a\r\n".repeat(257)), "more than 256 header fields"],
  [head("Content-Length: x\r\n"), "invalid Content-Length"],
  [head("Content-Length: 1\r\nContent-Length: 2\r\n"), "Content-Length fields that differ"],
  [head("Transfer-Encoding: gzip\r\n"), "Transfer-Encoding must be chunked"],
  [`${head("Transfer-Encoding: chunked\r\n")}x`, "malformed or too large chunk size"],
  [head("Connection: Upgrade\r\n", "HTTP/1.1 101 Go"), "unexpected 101 response"],
  [head("", "HTTP/1.1 103 Early Hints").repeat(2_500), "interim responses of more than 65536 bytes"],
];

test("a response that is refused for its form is a 502 with the rule for client, log and record", () => {
  let response = "";
  return wireScene(
    (_, socket) => void socket.write(response),
    async ({ client, stage, origin }) => {
      for (const [given, violation] of table) {
        response = given;
        const one = await client();
        one.send(get());
        await until(() => one.received.includes("HTTP/1.1 502"), violation);
        await until(() => one.received.includes("(request "), violation);
        const refused = one.received.subarray(one.received.indexOf("HTTP/1.1 502")).toString("latin1");
        expect(refused).toContain(`502 answer_refused: The upstream's response was refused: ${violation}. (`);
        expect(refused).toContain(`error=http_protocol_error; details="answer_refused: ${violation}"\r\n`);
        await until(() => stage.records.length === 1, "the record");
        const outcome = { kind: "failure", phase: "head", reason: "answer_refused", detail: violation };
        expect(stage.ended.pop()?.outcome).toEqual(outcome as Outcome);
        const notRetried = "answer_refused";
        const record = { status: 502, reason: "answer_refused", complaint: violation, notRetried };
        expect(stage.records.pop()).toMatchObject(record);
      }
      expect(origin.requests.length).toBe(table.length);
      expect(stage.pool.upstreams.map(({ outlier }) => outlier.state)).toEqual(["up"]);
    },
    { retries: 2, ejectsAfter: 2 },
  );
});

test("what is no HTTP is a failure of the upstream", () => {
  let response = "";
  return wireScene(
    (_, socket) => void socket.write(response),
    async ({ client, stage }) => {
      for (const given of ["SSH-2.0-OpenSSH_9.2\r\n", "\x15\x03\x01\x00\x02\x02\x28", "ICY 200 OK\r\n\r\n"]) {
        response = given;
        const one = await client();
        one.send(get());
        await until(() => one.received.includes('details="head_invalid"'), given);
        const detail = "the response does not begin with HTTP/";
        expect(stage.ended.pop()?.outcome).toMatchObject({ reason: "head_invalid", detail });
      }
    },
    { retries: 0 },
  );
});

test("a response that becomes malformed behind its head is cut, and its server is not at fault", () =>
  wireScene(
    (_, socket) => {
      socket.write(`${head("Transfer-Encoding: chunked\r\n")}5\r\nhello\r\n`);
      setTimeout(() => socket.write("x"), 20);
    },
    async ({ client, stage }) => {
      for (let i = 0; i < 4; i++) {
        const one = await client();
        one.send(get());
        await until(() => one.isClosed, "the cut");
        expect(one.received.toString()).toEndWith("5\r\nhello\r\n");
      }
      await until(() => stage.records.length === 4, "the records");
      const violation = "malformed or too large chunk size";
      const outcome = { kind: "failure", phase: "body", reason: "answer_refused", detail: violation };
      expect(stage.ended[0]?.outcome).toEqual(outcome as Outcome);
      const record = { status: 200, reason: "answer_refused", complaint: violation };
      expect(stage.records[0]).toMatchObject(record);
      expect(stage.pool.upstreams.map(({ outlier }) => outlier.state)).toEqual(["up"]);
    },
    { ejectsAfter: 2 },
  ));

test("five hundred interim responses pass", () =>
  wireScene(
    (_, socket) =>
      void socket.write(head("", "HTTP/1.1 103 Early Hints").repeat(500) + head("Content-Length: 0\r\n")),
    async ({ client }) => {
      const one = await client();
      one.send(get() + get());
      for (let i = 0; i < 2; i++) {
        for (let interims = 0; interims < 500; interims++)
          expect((await one.readResponse()).status).toBe(103);
        expect((await one.readResponse()).status).toBe(200);
      }
    },
  ));
