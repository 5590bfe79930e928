/** What engines must do with a second attempt beside a first one: laws like the others, apart because they need a cast of their own. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { abortAttempts } from "../../src/pool/attempt-control.ts";
import { rescueWaiting } from "../../src/pool/attempt-control.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

/** Two upstreams that answer when told. The policy sends everything to the first one. */
interface Cast {
  readonly stage: EngineFixture;
  readonly first: Player;
  readonly second: Player;
}

interface Player {
  readonly origin: Origin;
  /** Connections whose requests wait for an answer. */
  readonly stuck: Socket[];
}

const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n\r\n`;

async function player(): Promise<Player> {
  const stuck: Socket[] = [];
  return { origin: await startOrigin((_, socket) => void stuck.push(socket)), stuck };
}

async function play(
  engine: Engine,
  act: (cast: Cast) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const [first, second] = [await player(), await player()];
  const ports = [first, second].map(({ origin }) => origin.port);
  const set = await startEngine(engine, { ports, policy: "first", hedgeAfterMs: 30, retries: 0, ...options });
  try {
    await act({ stage: set, first, second });
    await until(() => set.pool.upstreams.every(({ inFlight }) => inFlight === 0), "nothing to be left");
    expect(set.bugs).toEqual([]);
  } finally {
    set.close();
    for (const { origin } of [first, second]) await origin.close();
  }
}

const bothWait = ({ first, second }: Cast) =>
  until(() => first.stuck.length === 1 && second.stuck.length === 1, "two attempts to wait");

/** Ids stand for the upstreams, in their order. */
const endsOf = ({ stage, first, second }: Cast) =>
  [first, second].map(({ origin }) =>
    stage.ended.filter(({ upstream }) => upstream.endsWith(`:${origin.port}`)).map(({ outcome }) => outcome),
  );

const outrun = { kind: "cancelled", isSuperseded: true } as const;
const response = { kind: "response" } as const;

export const hedgeLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "asks a second upstream when the first keeps a request waiting, and passes on what comes first": (engine) =>
    play(engine, async (cast) => {
      const { stage, first, second } = cast;
      const client = await RawClient.connect(stage.port);
      client.send(get("/a"));
      await bothWait(cast);
      expect(second.origin.requests[0]?.target).toBe("/a");
      const body = "b".repeat(200_000);
      second.stuck[0]?.write(respondWith(body, ["Content-Type: text/plain"]));
      const answer = await client.readResponse();
      expect(answer.body.toString()).toBe(body);
      await until(() => first.origin.open() === 0, "the first connection to be dropped");
      await until(() => stage.ended.length === 2, "both ends");
      expect(endsOf(cast)).toEqual([[outrun], [response]]);
      expect([stage.retried, stage.hedged]).toEqual([["hedged"], ["won"]]);
      // The client's connection is as good as ever, and the next request has nothing to do with the last one.
      client.send(get("/b"));
      await until(() => first.stuck.length === 2, "the next request");
      first.stuck[1]?.write(respondWith("at once"));
      expect((await client.readResponse()).body.toString()).toBe("at once");
      client.destroy();
    }),

  "drops the second attempt when the first one is answered after all": (engine) =>
    play(engine, async (cast) => {
      const { stage, first, second } = cast;
      const asked = sendRequest(stage.port, get());
      await bothWait(cast);
      first.stuck[0]?.write(respondWith("first"));
      expect((await asked).body.toString()).toBe("first");
      await until(() => second.origin.open() === 0, "the second connection to be dropped");
      await until(() => stage.ended.length === 2, "both ends");
      expect(endsOf(cast)).toEqual([[response], [outrun]]);
      expect(stage.hedged).toEqual(["lost"]);
    }),

  "makes one second attempt and no more, and none for a POST": (engine) =>
    play(
      engine,
      async ({ stage, first, second }) => {
        const posted = sendRequest(
          stage.port,
          "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1\r\n\r\nx",
        );
        await until(() => first.stuck.length === 1, "the POST to wait");
        const asked = sendRequest(stage.port, get());
        await until(() => second.stuck.length === 1, "the second attempt to wait");
        const since = performance.now();
        await until(() => performance.now() - since > 150, "time for more of them");
        expect([first.stuck.length, second.stuck.length]).toEqual([2, 1]);
        for (const socket of first.stuck) socket.write(respondWith("done"));
        expect((await posted).body.toString()).toBe("done");
        expect((await asked).body.toString()).toBe("done");
      },
      { retries: 1 },
    ),

  "goes on with the attempt that is left when the other one fails": async (engine) => {
    for (const leaves of ["first", "second"] as const) {
      await play(engine, async (cast) => {
        const { stage, first, second } = cast;
        const asked = sendRequest(stage.port, get());
        await bothWait(cast);
        const [lost, left] = leaves === "first" ? [second, first] : [first, second];
        lost.stuck[0]?.resetAndDestroy();
        await until(() => stage.ended.length === 1, "the first end");
        left.stuck[0]?.write(respondWith("left"));
        expect((await asked).body.toString()).toBe("left");
        await until(() => stage.ended.length === 2, "both ends");
        expect(stage.ended[0]?.outcome).toMatchObject({ kind: "failure", reason: "upstream_reset" });
        expect(stage.hedged).toEqual([leaves === "first" ? "lost" : "won"]);
      });
    }
  },

  "answers with an error when both attempts fail, once": (engine) =>
    play(engine, async (cast) => {
      const { stage, first, second } = cast;
      const asked = sendRequest(stage.port, get());
      await bothWait(cast);
      first.stuck[0]?.resetAndDestroy();
      await until(() => stage.ended.length === 1, "the first end");
      second.stuck[0]?.resetAndDestroy();
      expect((await asked).status).toBe(502);
      expect(stage.refused).toEqual(["upstream_reset"]);
      expect(stage.ended.length).toBe(2);
    }),

  "lets no answer of 503 win while the other attempt may be answered better": (engine) =>
    play(engine, async (cast) => {
      const { stage, first, second } = cast;
      const asked = sendRequest(stage.port, get());
      await bothWait(cast);
      second.stuck[0]?.write(respondWith("busy", [], "503 Service Unavailable"));
      await until(() => stage.ended.length === 1, "the bad answer to be read");
      // A kept connection that is reset would only be replaced.
      first.stuck[0]?.end(respondWith("well", ["Connection: close"]));
      expect((await asked).body.toString()).toBe("well");
      expect(stage.hedged).toEqual(["lost"]);
      const again = sendRequest(stage.port, get());
      await until(() => first.stuck.length === 2 && second.stuck.length === 2, "two attempts to wait again");
      second.stuck[1]?.write(respondWith("busy", [], "503 Service Unavailable"));
      await until(() => stage.ended.length === 3, "the bad answer to be read again");
      first.stuck[1]?.resetAndDestroy();
      const answer = await again;
      expect([answer.status, answer.body.toString()]).toEqual([503, "busy"]);
    }),

  "moves neither attempt anywhere else when its upstream is found down, and fails neither when it is cut": (
    engine,
  ) =>
    play(engine, async (cast) => {
      const { stage, first, second } = cast;
      const [one, other] = stage.pool.upstreams;
      if (!one || !other) throw new Error("there are two");
      const asked = sendRequest(stage.port, get());
      await bothWait(cast);
      rescueWaiting(one);
      await until(() => first.origin.open() === 0, "the first connection to be dropped");
      expect([one.inFlight, other.inFlight]).toEqual([0, 1]);
      second.stuck[0]?.write(respondWith("second"));
      expect((await asked).body.toString()).toBe("second");
      const again = sendRequest(stage.port, get());
      await until(() => first.stuck.length === 2 && second.stuck.length === 2, "two attempts to wait again");
      expect(abortAttempts(other)).toBe(1);
      first.stuck[1]?.write(respondWith("first"));
      expect((await again).body.toString()).toBe("first");
      expect(stage.hedged).toEqual(["won", "lost"]);
    }),

  "ends both attempts, and blames nobody, when the client leaves": (engine) =>
    play(engine, async (cast) => {
      const { stage, first, second } = cast;
      const client = await RawClient.connect(stage.port);
      client.send(get());
      await bothWait(cast);
      client.destroy();
      await until(() => first.origin.open() + second.origin.open() === 0, "both connections to be dropped");
      // The origins may see that before the engine has been told of it.
      await until(() => endsOf(cast).every(({ length }) => length === 1), "both attempts to end");
      expect(endsOf(cast)).toEqual([[{ kind: "cancelled" }], [{ kind: "cancelled" }]]);
      expect(stage.hedged).toEqual(["lost"]);
    }),
};
