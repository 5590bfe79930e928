import { describe, expect, test } from "bun:test";
import {
  dryRunRequestOf,
  emptyForm,
  parseDryRunForm,
} from "../../../src/dashboard/requests/dry-run-page.tsx";
import { parseEvents } from "../../../src/client/sse-reader.ts";
import { segmentsOf } from "../../../src/dashboard/requests/timing.tsx";
import { scoringOf } from "../../../src/dashboard/requests/decisions.tsx";
import { requestsUrl, listQuery, parseRequestFilter } from "../../../src/dashboard/requests/filter.tsx";
import { addressText, formatBytes, remarksOf, requestTone } from "../../../src/dashboard/requests/row.tsx";
import { lastUpstreamOf } from "../../../src/requests/request-filter.ts";
import { retriedRequest, someAttempt, someRequest } from "../../support/requests-fixture.ts";

describe("the filter", () => {
  test("has the same form in the page's address and in the admin API's query", () => {
    const filter = parseRequestFilter(
      new URLSearchParams("which=failed&pool=main&method=get&status=5xx&before=70&odd=1"),
      0,
    );
    expect(requestsUrl(filter)).toBe("/requests?which=failed&pool=main&method=GET&status=5xx&before=70");
    expect(String(listQuery(filter, 50))).toBe(
      "which=failed&pool=main&method=GET&status=5xx&limit=50&before=70",
    );
  });

  test("defaults to all recent requests for invalid values", () => {
    const filter = parseRequestFilter(new URLSearchParams("which=best&pool=&before=-3"), 0);
    expect(requestsUrl(filter)).toBe("/requests");
  });
});

describe("the form of a dry run", () => {
  const form = { ...emptyForm, host: "shop.example" };

  test("joins header lines of one name, cookies with a semicolon", () => {
    const headers = "Cookie: a=1\nX-Team: red\r\ncookie:b=2\nx-team:  blue \n\n";
    const parsed = dryRunRequestOf({ ...form, headers });
    expect("request" in parsed && parsed.request.headers).toEqual({
      cookie: "a=1; b=2",
      "x-team": "red, blue",
    });
  });

  test("reports every problem at once", () => {
    const parsed = dryRunRequestOf({ ...emptyForm, target: "cart", headers: "no colon here" });
    expect("problems" in parsed && parsed.problems).toEqual([
      'a header line must be "Name: value" (received "no colon here")',
      "the host is missing",
      'the target must begin with / (received "cart")',
    ]);
  });

  test("has defaults for missing fields", () => {
    expect(parseDryRunForm(new URLSearchParams("host=a&method=post"))).toEqual({
      ...emptyForm,
      host: "a",
      method: "POST",
    });
  });
});

describe("the events of a stream", () => {
  test("are parsed completely from chunks of any size", () => {
    const text =
      ':\n\nevent: request\nid: 7\ndata: {"a":1}\n\nevent: missed\r\ndata: x\r\ndata: y\r\n\r\ndata: rest';
    for (let size = 1; size <= text.length; size++) {
      const received: string[] = [];
      let waiting = "";
      for (let from = 0; from < text.length; from += size) {
        waiting = parseEvents(waiting + text.slice(from, from + size), (name, data) => {
          received.push(`${name} ${data}`);
        });
      }
      expect([size, received, waiting]).toEqual([size, ['request {"a":1}', "missed x\ny"], "data: rest"]);
    }
  });
});

describe("the phases of an attempt", () => {
  const spans = (change: Parameters<typeof someAttempt>[1]) =>
    segmentsOf(someAttempt("a", { startMs: 10, ...change })).map(
      ({ phase, fromMs, toMs }) => `${phase} ${fromMs}-${toMs}`,
    );

  test("follow each other from its start to its end", () => {
    expect(spans({ connectMs: 2, headMs: 7, endMs: 9 })).toEqual([
      "connect 10-12",
      "wait 12-17",
      "body 17-19",
    ]);
  });

  test("have no connect on a reused connection, and no body without response headers", () => {
    expect(spans({ connectMs: null, headMs: null, endMs: 5 })).toEqual(["wait 10-15"]);
  });

  test("are only a connect after a connect timeout", () => {
    const failed = { outcome: "failure", phase: "connect", reason: "connect_timeout", status: 0 } as const;
    expect(spans({ ...failed, connectMs: null, headMs: null, endMs: 3 })).toEqual(["connect 10-13"]);
  });
});

describe("scores", () => {
  const candidate = { upstream: "a", inFlight: 3, weight: 2, latencyMs: 10 };

  test("use the pool's policy for the first attempt", () => {
    expect(scoringOf("p2c", false).scoreOf?.(candidate)).toBe(20);
    expect(scoringOf("p2c", false).scoreOf?.({ ...candidate, latencyMs: null })).toBeNull();
    expect(scoringOf("p2c", false).scoreOf?.({ ...candidate, latencyMs: null, inFlight: 0 })).toBe(0);
    expect(scoringOf("least-connections", false).scoreOf?.(candidate)).toBe(1.5);
  });

  test("do not exist if the policy compares nothing or is not known", () => {
    expect(scoringOf("round-robin", false).scoreOf).toBeUndefined();
    expect(scoringOf("of-tomorrow", false).scoreOf).toBeUndefined();
    expect(scoringOf("constructor", false).scoreOf).toBeUndefined();
    expect(scoringOf(undefined, false).text).toBe("");
  });

  test("are the load alone for a retry, whatever the policy", () => {
    expect(scoringOf("p2c", true).scoreOf?.(candidate)).toBe(1.5);
  });
});

describe("the text of a request", () => {
  test("contains the retry, the upstream that responded, and no reason twice", () => {
    const retried = retriedRequest(1, { reason: "connect_refused", queuedMs: 0 });
    expect(remarksOf(retried)).toEqual(["retried: connect_refused"]);
    expect(lastUpstreamOf(retried)).toBe("localhost:8083");
    expect(requestTone(retried)).toBe("warn");
  });

  test("has tone bad for a 5xx or no response, and at most warn if the client disconnected", () => {
    expect(requestTone(someRequest(1, { status: 503 }))).toBe("bad");
    expect(requestTone(someRequest(1, { status: 0 }))).toBe("bad");
    expect(requestTone(someRequest(1, { status: 0, isClientGone: true }))).toBe("warn");
    expect(remarksOf(someRequest(1, { isClientGone: true }))).toEqual(["client gone"]);
    const refused = someRequest(1, { method: "", reason: "request_invalid", complaint: "no Host field" });
    expect(remarksOf(refused)).toEqual(["request_invalid: no Host field"]);
    expect(addressText(refused)).toBe("invalid request from 192.0.2.14");
  });

  test("has bytes in readable units", () => {
    const shown = [0, 999, 1_000, 9_960, 999_499, 999_600, 1.2e12].map((bytes) => formatBytes(bytes));
    expect(shown.map((text) => text.replace("\u00a0", " "))).toEqual([
      ...["0 B", "999 B", "1.0 kB", "10 kB", "999 kB", "1.0 MB", "1.2 TB"],
    ]);
  });
});
