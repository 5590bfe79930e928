import { describe, expect, test } from "bun:test";

import { maxBodyBytes, requestOf } from "../../src/alerts/formats.ts";
import type { Alert, AlertFormat } from "../../src/extension/alert-format.ts";
import { extensionsIn, Extensions } from "../../src/extension/extensions.ts";
import { extensionFailures } from "../../src/lib/extension-failures.ts";
import { receiverOf } from "../support/alerts.ts";
import { closed, problemOf } from "../support/problems.ts";

const hostile = `<!channel> <https://evil.test|click> & "quoted" \`code\``;

function alertOf(given: Partial<Alert> = {}): Alert {
  return {
    ...{ type: "problem.opened", key: "fra-1/p-aaaaa/1", balancer: "fra-1", at: "2026-11-29T14:12:32Z" },
    ...{ url: "https://lb.example.com/?p=p-aaaaa", problem: problemOf("p-aaaaa") },
    ...given,
  };
}

const context = { extensions: new Extensions(), userAgent: "evenkeel/1", at: 1_795_961_554_000 };

function bodyOf(alert: Alert, format: "json" | "slack" | "pagerduty", secret = "routing-key") {
  const { body } = requestOf(alert, receiverOf("http://127.0.0.1:1/", { format, secret }), context);
  return JSON.parse(body) as Record<string, unknown>;
}

describe("the format slack", () => {
  test("has a line, who is hit, why, what to do, and a button", () => {
    const { text, blocks } = bodyOf(alertOf(), "slack") as { text: string; blocks: readonly object[] };
    expect(text).toBe("Opened, critical: p-aaaaa answers 30 % of its requests with 500");
    expect(blocks).toEqual([
      section(":red_circle: *Opened, critical:* p-aaaaa answers 30 % of its requests with 500"),
      section("*Who is hit:* 1 in 40 requests, 13,020 so far\nshop.example.com/pay"),
      section("*Why:* Not known yet."),
      section("*What to do:* Drain it.\n`evenkeel drain checkout-07 --wait 30s`"),
      {
        type: "context",
        elements: [
          {
            type: "mrkdwn",
            text: "pool checkout · upstream checkout-07 · since 2026-11-29 14:12:02 UTC · fra-1 · p-aaaaa",
          },
        ],
      },
      {
        type: "actions",
        elements: [
          {
            type: "button",
            text: { type: "plain_text", text: "Open the dashboard" },
            url: "https://lb.example.com/?p=p-aaaaa",
          },
        ],
      },
    ]);
  });

  test("is short for the end, and has no button without an address", () => {
    const alert = alertOf({ type: "problem.closed", url: null, problem: closed(problemOf("p-aaaaa")) });
    const { blocks } = bodyOf(alert, "slack") as { blocks: readonly object[] };
    expect(blocks).toHaveLength(2);
    expect(JSON.stringify(blocks)).toContain(":white_check_mark: *Closed after 17 min:* p-aaaaa");
  });

  test("escapes what Slack reads as markup, and cuts what is too long", () => {
    const long = "x".repeat(10_000);
    const { hits } = problemOf("p");
    const problem = problemOf("p-aaaaa", {
      title: hostile,
      hits: { ...hits, words: long, routes: [hostile] },
    });
    const text = JSON.stringify(bodyOf(alertOf({ problem }), "slack"));
    expect(text).not.toMatch(/<(!|https)/);
    expect(text).toContain("&lt;!channel&gt;");
    for (const [part] of text.matchAll(/"text":"[^"]*"/g)) expect(part.length).toBeLessThan(3_000);
  });
});

function section(text: string): object {
  return { type: "section", text: { type: "mrkdwn", text } };
}

describe("the format pagerduty", () => {
  test("triggers one incident for a problem, and resolves it", () => {
    expect(bodyOf(alertOf(), "pagerduty")).toMatchObject({
      ...{ routing_key: "routing-key", event_action: "trigger", dedup_key: "evenkeel/fra-1/p-aaaaa" },
      payload: {
        ...{
          summary: "p-aaaaa answers 30 % of its requests with 500",
          source: "fra-1",
          severity: "critical",
        },
        ...{ component: "checkout-07", group: "checkout", class: "upstream_errors" },
        timestamp: "2026-11-29T14:12:02.000Z",
      },
      client_url: "https://lb.example.com/?p=p-aaaaa",
    });
    expect(bodyOf(alertOf({ type: "problem.closed" }), "pagerduty")).toEqual({
      ...{ routing_key: "routing-key", event_action: "resolve", dedup_key: "evenkeel/fra-1/p-aaaaa" },
    });
  });

  test("keeps to the limits of the API", () => {
    const problem = problemOf("p-aaaaa", { title: "x".repeat(5_000), level: "notice" });
    const { payload, dedup_key: key } = bodyOf(
      alertOf({ key: `${"b".repeat(500)}/p-aaaaa/1`, problem }),
      "pagerduty",
    );
    const { summary, severity } = payload as { summary: string; severity: string };
    expect([summary.length, String(key).length, severity]).toEqual([1_024, 255, "info"]);
  });

  test("has no signature: its secret is no key for one", () => {
    const { headers } = requestOf(alertOf(), receiverOf("http://a.test/", { format: "pagerduty" }), context);
    expect(Object.keys(headers)).not.toContain("Evenkeel-Signature");
  });
});

describe("a format of an extension", () => {
  const sentBy = (format: AlertFormat) =>
    requestOf(alertOf(), receiverOf("http://a.test/", { format: "extension:mine", secret: "s".repeat(32) }), {
      ...context,
      extensions: new Extensions({ alertFormats: { mine: format } }),
    });

  test("makes body and headers, and cannot replace those that prove who sends", () => {
    const { body, headers } = sentBy(({ problem }, { secret }) => ({
      body: `title=${problem.title}`,
      contentType: "text/plain",
      headers: {
        Authorization: `GenieKey ${secret}`,
        "Idempotency-Key": "mine",
        "evenkeel-signature": "mine",
      },
    }));
    expect(body).toBe("title=p-aaaaa answers 30 % of its requests with 500");
    expect(headers).toMatchObject({
      ...{ Authorization: `GenieKey ${"s".repeat(32)}`, "Content-Type": "text/plain" },
      ...{ "Idempotency-Key": "fra-1/p-aaaaa/1", "Evenkeel-Signature": expect.stringMatching(/^t=\d+,v1=/) },
    });
    expect(Object.keys(headers)).not.toContain("evenkeel-signature");
  });

  const throwsLater: unknown[] = [];
  const original = globalThis.queueMicrotask;
  const failing = (format: unknown) => {
    globalThis.queueMicrotask = (task) =>
      original(() => {
        try {
          task();
        } catch (error) {
          throwsLater.push(error);
        }
      });
    try {
      return sentBy(format as AlertFormat);
    } finally {
      globalThis.queueMicrotask = original;
    }
  };

  test("that fails costs an alert its form and nothing else, and is counted", async () => {
    const before = extensionFailures.counts["mine"] ?? 0;
    const formats: readonly unknown[] = [
      () => {
        throw new Error("no title");
      },
      () => undefined,
      () => Promise.resolve({ body: "{}" }),
      () => ({ body: 7 }),
      () => ({ body: "{}", headers: { "X-A": "b\r\nX-C: d" } }),
      () => ({ body: "{}", headers: { "X A": "b" } }),
      () => ({ body: "{}", contentType: "text/plain\n" }),
    ];
    for (const format of formats) {
      const { body, headers } = failing(format);
      expect(JSON.parse(body)).toMatchObject({ event: "problem.opened", id: "p-aaaaa" });
      expect(headers["Content-Type"]).toBe("application/json");
    }
    await Promise.resolve();
    expect((extensionFailures.counts["mine"] ?? 0) - before).toBe(formats.length);
    expect(throwsLater).toHaveLength(formats.length);
  });

  test("of which the body is too long is replaced too", () => {
    const { body } = sentBy(() => ({ body: "x".repeat(maxBodyBytes + 1) }));
    expect(JSON.parse(body)).toMatchObject({ id: "p-aaaaa" });
  });

  test("must be a function", () => {
    const found = extensionsIn({ default: { alertFormats: { mine: {} } } });
    expect(found).toEqual({ why: "its alert format mine is not a function" });
  });
});
