import { describe, expect, test } from "bun:test";

import { explainRequest } from "../../src/requests/explanation.ts";
import { attempt, recordOf } from "./recent-requests.test.ts";

const candidate = (upstream: string) => ({ upstream, inFlight: 0, weight: 1, latencyMs: null });

describe("the account of a request", () => {
  test("tells of one that went well", () => {
    const choices = [{ chosen: "a", candidates: ["a", "b", "c"].map(candidate), fit: 3 }];
    expect(explainRequest(recordOf("r", { choices }))).toEqual([
      "Its route leads to pool main.",
      "a was chosen among 3 that were fit, beside b and c.",
      "At 0 ms it went to a, which answered with 200 after 4 ms and was done after 5 ms.",
      "The client got 200.",
      "All of it took 5 ms: 4 ms until the head, 1 ms for the body.",
    ]);
  });

  test("tells of one that was queued, refused by one upstream and answered by another", () => {
    const attempts = [
      attempt("a", {
        ...{ startMs: 20, headMs: null, endMs: 1, status: 0 },
        ...{ outcome: "failure", phase: "connect", reason: "connect_refused" },
      }),
      attempt("b", { startMs: 21, connectMs: 0.5, headMs: 30, endMs: 1_500 }),
    ];
    const request = recordOf("r", {
      ...{ attempts, retried: ["connect_refused"], queuedMs: 20, durationMs: 1_521, key: "10.0.0.1" },
    });
    expect(explainRequest(request)).toEqual([
      'Its route leads to pool main; its key there is "10.0.0.1".',
      "It waited 20 ms for a place.",
      "At 20 ms it went to a, which failed after 1 ms: connect_refused (connect).",
      "Because of connect_refused it was tried elsewhere.",
      "At 21 ms it went to b, over a new connection that took 0.5 ms, which answered with 200 after 30 ms and was done after 1.5 s.",
      "The client got 200.",
      "All of it took 1.5 s: 20 ms in the queue, 1 ms on attempts before the last, 30 ms until the head, 1.5 s for the body.",
    ]);
  });

  test("says why one was not tried again, and that the answer is the balancer's own", () => {
    const attempts = [
      attempt("a", {
        ...{ headMs: null, status: 0, outcome: "failure", phase: "head", reason: "upstream_reset" },
      }),
    ];
    const account = explainRequest(
      recordOf("r", { attempts, status: 502, reason: "upstream_reset", notRetried: "method_not_idempotent" }),
    );
    expect(account).toContain(
      "It was not tried again: its method is not idempotent, and it may have been processed.",
    );
    expect(account).toContain("The client got 502 from the balancer: upstream_reset.");
  });

  for (const [more, sentence] of [
    [
      { method: "", pool: null, attempts: [], reason: "request_invalid", complaint: "no Host field" },
      "It was not acceptable: no Host field. The client",
    ],
    [
      { attempts: [], status: 408, reason: "request_invalid", complaint: "the body did not come in time" },
      "It was refused: the body did not come in time. The client",
    ],
    [
      { method: "", pool: null, attempts: [], status: 503, reason: "too_many_clients" },
      "Its head was not looked at.",
    ],
    [{ pool: null, attempts: [], status: 404, reason: "no_route" }, "No route matches it."],
    [{ isClientGone: true, status: 0 }, "The client left before it had the whole answer."],
    [{ status: 0, attempts: [] }, "The client got no answer."],
  ] as const) {
    test(`says "${sentence}"`, () => {
      expect(explainRequest(recordOf("r", more)).join(" ")).toContain(sentence);
    });
  }
});
