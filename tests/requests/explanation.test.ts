import { describe, expect, test } from "bun:test";

import { explainRequest } from "../../src/requests/explanation.ts";
import { Requests } from "../../src/requests/requests.ts";
import { routeTable } from "../support/routes.ts";
import { attempt, recordOf } from "./recent-requests.test.ts";

const candidate = (upstream: string) => ({ upstream, inFlight: 0, weight: 1, latencyMs: null });

describe("the explanation of a request", () => {
  test("covers one that succeeded", () => {
    const choices = [{ chosen: "a", candidates: ["a", "b", "c"].map(candidate), fit: 3 }];
    expect(explainRequest(recordOf("r", { choices }))).toEqual([
      "The request was routed by routes[0] to pool main.",
      "a was selected from 3 available upstreams; the others were b and c.",
      "At 0 ms it was sent to a; it responded with 200 after 4 ms and finished after 5 ms.",
      "The client got 200.",
      "It took 5 ms: 4 ms to the response headers, 1 ms for the body.",
      "It came over HTTP/1.1 to the listener main.",
    ]);
  });

  test("names the split that chose the pool", () => {
    const split = { pool: "canary", by: "cookie:session", point: 0.5, isFallback: false };
    expect(explainRequest(recordOf("r", { split }))[1]).toBe(
      "The route's split chose pool canary by cookie:session.",
    );
    expect(explainRequest(recordOf("r", { split: { ...split, by: "none", isFallback: true } }))[1]).toBe(
      "The route's split chose pool canary at random, because the chosen one had no available upstream.",
    );
  });

  test("says what became of a sticky client", () => {
    const sentence = (sticky: "kept" | "moved") => explainRequest(recordOf("r", { sticky }))[1];
    expect(sentence("kept")).toBe("It went to the upstream that its cookie names.");
    expect(sentence("moved")).toContain("names another one now");
  });

  test("covers one that was queued, failed on one upstream and succeeded on another", () => {
    const attempts = [
      attempt("a", {
        startMs: 20,
        headMs: null,
        endMs: 1,
        status: 0,
        outcome: "failure",
        phase: "connect",
        reason: "connect_refused",
      }),
      attempt("b", { startMs: 21, connectMs: 0.5, headMs: 30, endMs: 1_500 }),
    ];
    const request = recordOf("r", {
      attempts,
      retried: ["connect_refused"],
      queuedMs: 20,
      durationMs: 1_521,
      key: "10.0.0.1",
    });
    expect(explainRequest(request)).toEqual([
      'The request was routed by routes[0] to pool main with hash key "10.0.0.1".',
      "It waited 20 ms in the queue.",
      "At 20 ms it was sent to a; the attempt failed after 1 ms: connect_refused (connect).",
      "It was retried because of connect_refused.",
      "At 21 ms it was sent to b on a new connection that took 0.5 ms to open; it responded with 200 after 30 ms and finished after 1.5 s.",
      "The client got 200.",
      "It took 1.5 s: 20 ms in the queue, 1 ms in earlier attempts, 30 ms to the response headers, 1.5 s for the body.",
      "It came over HTTP/1.1 to the listener main.",
    ]);
  });

  test.each([
    [
      { protocol: "h2", scheme: "https", listener: "inner" },
      "It came over HTTP/2 and TLS to the listener inner.",
    ],
    [{ protocol: "h2" }, "It came over HTTP/2 to the listener main."],
    [{ protocol: "h3", scheme: "https" }, "It came over HTTP/3 and TLS to the listener main."],
    [{ protocol: "http/1.0" }, "It came over HTTP/1.0 to the listener main."],
    [{ protocol: null, scheme: "https" }, "It came over HTTPS to the listener main."],
  ] as const)("says how it came: %p", (part, sentence) =>
    expect(explainRequest(recordOf("r", part)).at(-1)).toBe(sentence),
  );

  test("says how redirects and unknown hosts were answered", () => {
    const own = { pool: null, route: null, attempts: [] };
    expect(explainRequest(recordOf("r", { ...own, status: 301, reason: "redirected" }))).toContain(
      "Its listener or its route sends clients to another address.",
    );
    expect(explainRequest(recordOf("r", { ...own, status: 421, reason: "unknown_host" }))[0]).toStartWith(
      "No route takes the host",
    );
  });

  test("says who named the client", () => {
    const sentences = explainRequest(recordOf("r", { clientAddress: "192.0.2.9", peerAddress: "10.0.0.1" }));
    expect(sentences[1]).toBe(
      "It came through the trusted proxy 10.0.0.1, which named 192.0.2.9 as its client.",
    );
  });

  test("shows the path that was matched", () => {
    const sentences = explainRequest(recordOf("r", { target: "//a", matchedPath: "/a" }));
    expect(sentences[1]).toBe("Its path was matched as /a.");
  });

  test("has the reason for not retrying, and for a response of the balancer", () => {
    const attempts = [
      attempt("a", {
        headMs: null,
        status: 0,
        outcome: "failure",
        phase: "head",
        reason: "upstream_reset",
      }),
    ];
    const sentences = explainRequest(
      recordOf("r", { attempts, status: 502, reason: "upstream_reset", notRetried: "method_not_idempotent" }),
    );
    expect(sentences).toContain(
      "It was not retried: its method is not idempotent, and it may have been processed.",
    );
    expect(sentences).toContain("The client got 502 from the balancer: upstream_reset.");
  });

  for (const [more, sentence] of [
    [
      { method: "", pool: null, attempts: [], reason: "request_invalid", complaint: "no Host header" },
      "The request was rejected: no Host header. The client",
    ],
    [
      { attempts: [], status: 408, reason: "request_invalid", complaint: "request body timed out" },
      "It was rejected: request body timed out. The client",
    ],
    [
      {
        status: 502,
        reason: "answer_refused",
        complaint: "more than 9 header fields",
        notRetried: "answer_refused",
      },
      "It was not retried: another upstream would respond in the same form. The response was rejected: more than 9 header fields. The client",
    ],
    [
      { method: "", pool: null, attempts: [], status: 503, reason: "too_many_clients" },
      "The request was refused before its headers were read.",
    ],
    [
      { pool: null, route: null, attempts: [], status: 404, reason: "no_route" },
      "No route matches the request. The client",
    ],
    [
      { route: "api", routeConditions: "host shop.example, path /api" },
      "The request was routed by api (host shop.example, path /api) to pool main.",
    ],
    [
      { pool: null, attempts: [], status: 200, reason: "responded", filter: "respond" },
      "The request was routed by routes[0]. Its route has a response of its own. The filter",
    ],
    [{ isClientGone: true, status: 0 }, "The client disconnected before it had the whole response."],
    [{ status: 0, attempts: [] }, "The client got no response."],
  ] as const) {
    test(`says "${sentence}"`, () => {
      expect(explainRequest(recordOf("r", more)).join(" ")).toContain(sentence);
    });
  }
});

test("the route that comes next is named, by the routes of now", () => {
  const accountOf = (change: Parameters<typeof recordOf>[1], name = "api") => {
    const routes = routeTable([
      { host: "shop.example", path: "/", name: "shop" },
      { host: "shop.example", path: "/api", name },
      { host: "shop.example", path: "/api", conditions: { headers: { "x-beta": true } }, name: "beta" },
    ]);
    const requests = new Requests({ registry: { routes, entries: [] }, clock: () => 0, wallClock: () => 0 });
    requests.adopt([recordOf("r", { target: "/api/x", ...change })], false);
    return requests.explain("r")?.account ?? [];
  };
  expect(accountOf({ route: "api" })).toContain("The next best route is shop: its path is less specific.");
  const isSilent = (account: readonly string[]) => !account.some((text) => text.startsWith("The next best"));
  // A header decided, the route has gone, and no other route takes the request.
  expect(isSilent(accountOf({ route: "beta" }))).toBe(true);
  expect(isSilent(accountOf({ route: "api" }, "renamed"))).toBe(true);
  expect(isSilent(accountOf({ route: "shop", target: "/" }))).toBe(true);
});
