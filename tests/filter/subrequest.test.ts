import { describe, expect, test } from "bun:test";

import { type OutgoingSubrequest, Subrequests } from "../../src/filter/subrequest.ts";
import type { SubrequestFailure, SubrequestResponse } from "../../src/filter/subrequest-run.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import { rescueWaiting } from "../../src/pool/attempt-control.ts";
import { failure } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { AttemptFilter, Interception } from "../../src/proxy/interception.ts";
import type { Destination, Timeouts } from "../../src/proxy/route.ts";
import { testTimeouts } from "../support/engine-fixture.ts";
import { upstreamsOf } from "../support/upstreams.ts";
import { until } from "../support/wait.ts";
import { requestOf } from "./filtered-request.ts";

type Answer = (outgoing: OutgoingSubrequest) => Promise<Response>;

interface SetUp {
  readonly answer: Answer;
  readonly timeouts?: Partial<Timeouts>;
  readonly intercept?: AttemptFilter["intercept"];
  readonly retryStatuses?: ReadonlySet<number>;
}

/** Answers as an upstream that never does. */
const never: Answer = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
const ok = () => Promise.resolve(new Response("OK"));

function setUp({ answer, timeouts, intercept, retryStatuses }: SetUp) {
  const random = seededRandom(3);
  const upstreams = upstreamsOf([1, 1]);
  const policy = policyEntry("round-robin").create({ random, clock: systemClock });
  const pool = new Pool({ name: "auth", policy, upstreams, random, clock: systemClock });
  for (const upstream of upstreams) pool.recordProbe(upstream, true);
  const destination: Destination = {
    ...{ pool, retries: 1, timeouts: { ...testTimeouts, ...timeouts } },
    ...(retryStatuses && { retryStatuses }),
  };
  const ended: string[] = [];
  const sent: string[] = [];
  const subrequests = new Subrequests({
    clock: systemClock,
    observer: {
      attemptEnded: (_, outcome) =>
        void ended.push(outcome.kind === "failure" ? outcome.reason : outcome.kind),
      ...{ retried() {}, notRetried() {}, hedged() {}, refused() {} },
    },
    ...(intercept && { attemptFilters: [{ intercept }] }),
    sender: {
      async send(outgoing) {
        sent.push(outgoing.headers.get("host") ?? "");
        const response = await answer(outgoing);
        const { status, headers, body } = response;
        return { status, headers, stream: () => body, discard: () => void body?.cancel() };
      },
      failureOf: () => failure("connect", "connect_refused"),
    },
  });
  const client = new AbortController();
  const ask = (timeoutMs = 5_000, usesUpstreamHost = false) => {
    const { head } = requestOf();
    const headers = new Headers({ Host: "shop.example" });
    const more = { requestId: "id-1", maxBodyBytes: 100, client: client.signal };
    return subrequests.ask({ head, headers, usesUpstreamHost, destination, timeoutMs, ...more });
  };
  return { ask, pool, ended, sent, client };
}

const shortOf = (result: SubrequestResponse | SubrequestFailure) =>
  result.kind === "response" ? `${result.status} ${Buffer.from(result.body)}` : result.why;

describe("a request of the balancer itself", () => {
  test("is retried elsewhere after a failed connect, and refused if that fails too", async () => {
    const { ask, ended } = setUp({ answer: () => Promise.reject(new Error("refused")) });
    expect(shortOf(await ask())).toBe("no authorization server could be reached");
    expect(ended).toEqual(["connect_refused", "connect_refused"]);
  });

  test("goes to another upstream when the pool's time for a head is over", async () => {
    let asked = 0;
    const answer: Answer = (outgoing) => ((asked += 1) === 1 ? never(outgoing) : ok());
    const { ask, ended } = setUp({ answer, timeouts: { connectMs: 10, headMs: 20 } });
    expect(shortOf(await ask())).toBe("200 ");
    expect(ended).toEqual(["head_timeout", "response"]);
  });

  test("ends with its own time, whatever is open", async () => {
    const { ask, ended, pool } = setUp({ answer: never });
    expect(shortOf(await ask(20))).toBe("the authorization server did not respond in time");
    expect(ended).toEqual(["head_timeout"]);
    expect(pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });

  test("moves off an upstream that goes down while it waits", async () => {
    let asked = 0;
    const { ask, ended, pool } = setUp({
      answer: (outgoing) => ((asked += 1) === 1 ? never(outgoing) : ok()),
    });
    const result = ask();
    await until(() => asked === 1, "the first attempt");
    const first = pool.upstreams.find(({ inFlight }) => inFlight > 0);
    if (!first) throw new Error("no attempt is open");
    for (let i = 0; i < 5; i++) pool.recordProbe(first, false);
    rescueWaiting(first);
    expect(shortOf(await result)).toBe("200 ");
    expect(ended).toEqual(["rescued", "response"]);
  });

  test("retries the statuses that its pool retries", async () => {
    let asked = 0;
    const answer: Answer = () =>
      Promise.resolve(new Response("x", { status: (asked += 1) === 1 ? 503 : 401 }));
    const { ask } = setUp({ answer, retryStatuses: new Set([503]) });
    expect(shortOf(await ask())).toBe("401 x");
  });

  test("of a large body takes only the head where it is a success, and is refused otherwise", async () => {
    const answer = (status: number) => () => Promise.resolve(new Response("x".repeat(200), { status }));
    expect(shortOf(await setUp({ answer: answer(200) }).ask())).toBe("200 ");
    const refused = setUp({ answer: answer(403) });
    expect(shortOf(await refused.ask())).toBe("the response of the authorization server is too large");
    expect(refused.ended).toEqual(["response"]);
  });

  test("has the Host of the upstream where that is wanted", async () => {
    const { ask, sent, pool } = setUp({ answer: ok });
    await ask();
    await ask(5_000, true);
    const hosts = pool.upstreams.map(({ address }) => (address.port === 80 ? address.hostname : `${address.hostname}:${address.port}`)); // prettier-ignore
    expect(sent[0]).toBe("shop.example");
    expect(hosts).toContain(sent[1] ?? "");
  });

  test("obeys faults: held, failed and answered in place of the upstream", async () => {
    const faults: Interception[] = [
      { delayMs: 5, then: "send", detail: "" },
      { delayMs: 0, then: failure("connect", "connect_refused"), detail: "" },
      { delayMs: 0, then: { kind: "response", status: 503, reason: "rehearsal", detail: "" }, detail: "" },
    ];
    for (const [index, expected] of ["200 ", "200 ", "no authorization server could be reached"].entries()) {
      let isFirst = true;
      const intercept = () => {
        const found = isFirst ? faults[index] : undefined;
        isFirst = false;
        return found;
      };
      expect(shortOf(await setUp({ answer: ok, intercept }).ask())).toBe(expected);
    }
    const held = setUp({ answer: ok, intercept: () => ({ delayMs: 4_000, then: "send", detail: "" }) });
    const result = held.ask();
    held.client.abort();
    expect(shortOf(await result)).toBe("the client has left");
    expect(held.sent).toEqual([]);
  });

  test("of a client that has left asks nothing", async () => {
    const { ask, client, ended } = setUp({ answer: never });
    const result = ask();
    client.abort();
    expect(shortOf(await result)).toBe("the client has left");
    expect(ended).toEqual(["cancelled"]);
  });
});
