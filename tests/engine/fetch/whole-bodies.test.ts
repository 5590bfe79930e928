/** Small responses are read whole, and keep their length and fields. */

import { describe, expect, test } from "bun:test";

import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { engineScene } from "../../support/engine-scene.ts";
import { respondWith } from "../../support/origin.ts";
import { until } from "../../support/wait.ts";

/** Around the length from which Bun writes the head of a plain body in pieces, and the largest that is read whole. */
const lengths = [0, 1, 15_359, 15_360, 16_384, 65_536];
const contentTypes = [["Content-Type: text/plain"], []];

const bodyOf = (length: number) => "0123456789abcdef".repeat(length / 16 + 1).slice(0, length);

describe("a small response of the fetch engine", () => {
  test.each(contentTypes.flatMap((type) => lengths.map((length) => [length, type] as const)))(
    "of %i bytes keeps its length, with the fields %p",
    async (length, type) => {
      const sent = respondWith(bodyOf(length), [...type, "Set-Cookie: a=1", "Set-Cookie: b=2"]);
      await using scene = await engineScene(fetchEngine, (_, socket) => void socket.write(sent));
      const { fixture } = scene;
      const client = await scene.client();
      // Twice: the connection serves the next request.
      for (let turn = 1; turn <= 2; turn++) {
        const response = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").readResponse();
        expect(response.header("content-length")).toBe(String(length));
        expect(response.header("transfer-encoding")).toBeUndefined();
        expect(response.header("content-type")).toBe(type.length > 0 ? "text/plain" : undefined);
        const cookies = response.headers.filter(([name]) => name.toLowerCase() === "set-cookie");
        expect(cookies.map(([, value]) => value)).toEqual(["a=1", "b=2"]);
        expect(response.body.toString()).toBe(bodyOf(length));
        await until(() => fixture.records.length === turn);
        expect(fixture.records.at(-1)).toMatchObject({ status: 200, bytesOut: length });
      }
      expect(fixture.bugs).toEqual([]);
    },
  );

  test("without a Content-Type is a 502 if it breaks off, not a cut response", async () => {
    await using scene = await engineScene(
      fetchEngine,
      (_, socket) => void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    );
    const client = await scene.client();
    const response = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").readResponse();
    expect([response.status, response.header("connection")]).toEqual([502, undefined]);
  });
});
