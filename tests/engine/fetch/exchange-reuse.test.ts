/** The fetch engine's exchanges serve again, but only where nothing of the last request goes on. */

import { describe, expect, test } from "bun:test";

import { AttemptRace } from "../../../src/engine/fetch/attempt-race.ts";
import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import type { Attempt } from "../../../src/pool/attempt.ts";
import { engineScene } from "../../support/engine-scene.ts";
import { type OriginOptions, respondWith } from "../../support/origin.ts";
import { until } from "../../support/wait.ts";

const small = respondWith("ok", ["Content-Type: text/plain"]);
const get = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const post = "POST /posted HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

const setUp = (options: OriginOptions) => engineScene(fetchEngine, options);

describe("an exchange of the fetch engine", () => {
  test("serves one request after another, and keeps nothing of the last one", async () => {
    await using setup = await setUp({ respond: (_, socket) => void socket.write(small) });
    const { fixture } = setup;
    const client = await setup.client();
    for (const request of [get, post, get, post, get]) {
      const { status } = await client.send(request).readResponse();
      expect(status).toBe(200);
    }
    await until(() => fixture.records.length === 5);
    expect(fixture.created()).toBe(1);
    expect(fixture.records.map(({ target }) => target)).toEqual([
      "/next",
      "/posted",
      "/next",
      "/posted",
      "/next",
    ]);
    for (const { attempts, retried } of fixture.records) {
      expect(attempts).toMatchObject([{ outcome: "response", status: 200 }]);
      expect(retried).toEqual([]);
    }
  });

  test("serves no other request while the rest of its request's body arrives", async () => {
    const earlyResponse = (_: unknown, socket: { write(bytes: Buffer): unknown }) => {
      socket.write(small);
      return true;
    };
    await using setup = await setUp({
      respond: (_, socket) => void socket.write(small),
      onHead: (request, socket) => request.method === "POST" && earlyResponse(request, socket),
    });
    const { fixture } = setup;
    const uploading = await setup.client();
    uploading.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    expect((await uploading.readResponse()).status).toBe(200);
    await until(() => fixture.records.length === 1);
    const other = await setup.client();
    expect((await other.send(get).readResponse()).status).toBe(200);
    expect(fixture.created()).toBe(2);
  });

  test("serves no other request while it streams a response", async () => {
    let finish = () => {};
    await using setup = await setUp({
      respond: ({ target }, socket) => {
        if (target === "/next") return void socket.write(small);
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        finish = () => void socket.write("0\r\n\r\n");
      },
    });
    const { fixture } = setup;
    const streaming = await setup.client();
    streaming.send(get.replace("/next", "/stream"));
    await until(() => streaming.received.includes("abc"));
    const other = await setup.client();
    expect((await other.send(get).readResponse()).status).toBe(200);
    expect(fixture.created()).toBe(2);
    finish();
    expect((await streaming.readResponse()).body.toString()).toBe("abc");
    await until(() => fixture.records.length === 2);
    expect(fixture.records.map(({ target }) => target)).toEqual(["/next", "/stream"]);
  });
});

describe("a race of attempts", () => {
  test("has settled when the attempt that lost has ended too", async () => {
    const [first, second] = [{ upstream: { id: "a" } }, { upstream: { id: "b" } }] as unknown as [
      Attempt,
      Attempt,
    ];
    const ends = new Map([first, second].map((attempt) => [attempt, Promise.withResolvers<number>()]));
    const race: AttemptRace<number> = new AttemptRace(async (attempt) => ends.get(attempt)?.promise);
    race.run(first);
    race.run(second);
    ends.get(second)?.resolve(200);
    expect(await race.next()).toEqual({ upstream: "b", result: 200 });
    expect(race.isSettled).toBe(false);
    ends.get(first)?.resolve(0);
    await race.next();
    expect(race.isSettled).toBe(true);
  });
});
