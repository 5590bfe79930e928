import { describe, expect, test } from "bun:test";
import { askOf, emptyForm, formIn } from "../../../src/dashboard/requests/dry-run-page.tsx";
import { parseEvents } from "../../../src/client/sse-reader.ts";
import { segmentsOf } from "../../../src/dashboard/requests/timing.tsx";
import { scoringOf } from "../../../src/dashboard/requests/decisions.tsx";
import { requestsUrl, listQuery, parseRequestFilter } from "../../../src/dashboard/requests/filter.tsx";
import {
  addressText,
  formatBytes,
  remarksOf,
  requestTone,
  lastUpstream,
} from "../../../src/dashboard/requests/row.tsx";
import { retriedRequest, someAttempt, someRequest } from "../../support/requests-fixture.ts";

describe("what is sought", () => {
  test("is in the address of the page and in the question to the admin API alike", () => {
    const sought = parseRequestFilter(
      new URLSearchParams("which=failed&pool=main&method=get&status=5xx&before=70&odd=1"),
    );
    expect(requestsUrl(sought)).toBe("/requests?which=failed&pool=main&method=GET&status=5xx&before=70");
    expect(String(listQuery(sought, 50))).toBe(
      "which=failed&pool=main&method=GET&status=5xx&limit=50&before=70",
    );
  });

  test("is everything recent where nothing sensible is asked for", () => {
    const sought = parseRequestFilter(new URLSearchParams("which=best&pool=&before=-3"));
    expect(requestsUrl(sought)).toBe("/requests");
  });
});

describe("the form of a dry run", () => {
  const form = { ...emptyForm, host: "shop.example" };

  test("joins header lines of one name, cookies in their own way", () => {
    const headers = "Cookie: a=1\nX-Team: red\r\ncookie:b=2\nx-team:  blue \n\n";
    const asked = askOf({ ...form, headers });
    expect("ask" in asked && asked.ask.headers).toEqual({ cookie: "a=1; b=2", "x-team": "red, blue" });
  });

  test("tells every mistake at once", () => {
    const asked = askOf({ ...emptyForm, target: "cart", headers: "no colon here" });
    expect("problems" in asked && asked.problems).toEqual([
      'a header line needs a name and a colon, received "no colon here"',
      "the host is missing",
      'the target begins with /, received "cart"',
    ]);
  });

  test("takes what is not typed as usual", () => {
    expect(formIn(new URLSearchParams("host=a&method=post"))).toEqual({
      ...emptyForm,
      host: "a",
      method: "POST",
    });
  });
});

describe("the events of a stream", () => {
  test("are heard whole, in pieces of any size", () => {
    const text =
      ':\n\nevent: request\nid: 7\ndata: {"a":1}\n\nevent: missed\r\ndata: x\r\ndata: y\r\n\r\ndata: rest';
    for (let size = 1; size <= text.length; size++) {
      const heard: string[] = [];
      let waiting = "";
      for (let from = 0; from < text.length; from += size) {
        waiting = parseEvents(waiting + text.slice(from, from + size), (name, data) => {
          heard.push(`${name} ${data}`);
        });
      }
      expect([size, heard, waiting]).toEqual([size, ['request {"a":1}', "missed x\ny"], "data: rest"]);
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

  test("have no connect on a kept connection, and no body without a head", () => {
    expect(spans({ connectMs: null, headMs: null, endMs: 5 })).toEqual(["wait 10-15"]);
  });

  test("are only a connect where nobody answered the knock", () => {
    const failed = { outcome: "failure", phase: "connect", reason: "connect_timeout", status: 0 } as const;
    expect(spans({ ...failed, connectMs: null, headMs: null, endMs: 3 })).toEqual(["connect 10-13"]);
  });
});

describe("scores", () => {
  const candidate = { upstream: "a", inFlight: 3, weight: 2, latencyMs: 10 };

  test("are those of the pool's policy at first", () => {
    expect(scoringOf("p2c", false).scoreOf?.(candidate)).toBe(20);
    expect(scoringOf("p2c", false).scoreOf?.({ ...candidate, latencyMs: null })).toBeNull();
    expect(scoringOf("p2c", false).scoreOf?.({ ...candidate, latencyMs: null, inFlight: 0 })).toBe(0);
    expect(scoringOf("least-connections", false).scoreOf?.(candidate)).toBe(1.5);
  });

  test("are none where a policy compares nothing, or is not known", () => {
    expect(scoringOf("round-robin", false).scoreOf).toBeUndefined();
    expect(scoringOf("of-tomorrow", false).scoreOf).toBeUndefined();
    expect(scoringOf("constructor", false).scoreOf).toBeUndefined();
    expect(scoringOf(undefined, false).text).toBe("");
  });

  test("are the load alone for a further attempt, whatever the policy", () => {
    expect(scoringOf("p2c", true).scoreOf?.(candidate)).toBe(1.5);
  });
});

describe("a request in words", () => {
  test("says that it was retried, by whom it was answered, and no reason twice", () => {
    const retried = retriedRequest(1, { reason: "connect_refused", queuedMs: 0 });
    expect(remarksOf(retried)).toEqual(["retried: connect_refused"]);
    expect(lastUpstream(retried)).toBe("localhost:8083");
    expect(requestTone(retried)).toBe("warn");
  });

  test("is bad with a 5xx or without an answer, and no worse than a warning for a client that left", () => {
    expect(requestTone(someRequest(1, { status: 503 }))).toBe("bad");
    expect(requestTone(someRequest(1, { status: 0 }))).toBe("bad");
    expect(requestTone(someRequest(1, { status: 0, isClientGone: true }))).toBe("warn");
    expect(remarksOf(someRequest(1, { isClientGone: true }))).toEqual(["client gone"]);
    const refused = someRequest(1, { method: "", reason: "request_invalid", complaint: "no Host field" });
    expect(remarksOf(refused)).toEqual(["request_invalid: no Host field"]);
    expect(addressText(refused)).toBe("no acceptable request, from 192.0.2.14");
  });

  test("has its bytes in units that people read", () => {
    const shown = [0, 999, 1_000, 9_960, 999_499, 999_600, 1.2e12].map((bytes) => formatBytes(bytes));
    expect(shown.map((words) => words.replace("\u00a0", " "))).toEqual([
      ...["0 B", "999 B", "1.0 kB", "10 kB", "999 kB", "1.0 MB", "1.2 TB"],
    ]);
  });
});
