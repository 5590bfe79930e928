import { describe, expect, test } from "bun:test";

import { alertRoutes } from "../../src/admin/alert-routes.ts";
import { problem } from "../../src/admin/responses.ts";
import { alertListSchema, alertTestSchema, silenceSchema } from "../../src/admin/schemas/alert.ts";
import { schemaErrors } from "../../src/config/schema-kit.ts";
import { AlertReceiver } from "../support/alert-receiver.ts";
import { AlertStand, receiverOf } from "../support/alerts.ts";
import { problemOf } from "../support/problems.ts";
import { until } from "../support/wait.ts";

function appOf(stand: AlertStand) {
  const app = alertRoutes(stand.dispatcher, {
    eventFilter: (query) =>
      query.pool === "nothing" ? problem(404, "pool_unknown", "No such pool.") : query,
    poolOf: (id) => (id === "a" ? "main" : undefined),
  });
  return async (method: string, path: string, body?: object) => {
    const response = await app.handle(
      new Request(`http://admin${path}`, {
        method,
        ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      }),
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
}

describe("GET /api/alerts", () => {
  test("matches its schema, and has no secret", async () => {
    await using receiver = await AlertReceiver.start();
    const slack = "https://hooks.slack.com/services/XXXXXXXX";
    using stand = new AlertStand([
      receiverOf(receiver),
      receiverOf(slack, {
        name: "slack",
        format: "slack",
        isUrlSecret: true,
        level: "critical",
        kinds: ["queue"],
      }),
    ]);
    const ask = appOf(stand);
    stand.dispatcher.silence({
      kind: "queue",
      pool: null,
      upstream: null,
      until: stand.now + 1e6,
      by: "ann",
      why: "x",
    });
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => receiver.received.length === 1 && stand.dispatcher.receivers[0]?.counts.sent === 1);
    const { status, body } = await ask("GET", "/api/alerts");
    expect([status, schemaErrors(alertListSchema, body).errors]).toEqual([200, []]);
    expect(JSON.stringify(body)).not.toContain("XXXXXXXX");
    expect(JSON.stringify(body)).not.toContain("0123456789abcdef");
    expect(body).toMatchObject({
      receivers: [
        { name: "ops", last: { status: 200 } },
        { name: "slack", address: "hooks.slack.com/…" },
      ],
      sent: [{ state: "sent", problem: { id: "p-aaaaa" } }],
      silences: [{ kind: "queue", by: "ann" }],
    });
  });
});

describe("POST /api/alerts/test", () => {
  test("says what the receiver answered, also an error", async () => {
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [(response) => void response.writeHead(403).end("go\naway\u0007"), 200];
    using stand = new AlertStand([receiverOf(receiver)]);
    const ask = appOf(stand);
    const refused = await ask("POST", "/api/alerts/test", { receiver: "ops" });
    expect(schemaErrors(alertTestSchema, refused.body).errors).toEqual([]);
    expect(refused.body).toMatchObject({
      kind: "failed",
      status: 403,
      answer: "status 403",
      text: "go away",
    });
    expect((await ask("POST", "/api/alerts/test", { receiver: "ops" })).body).toMatchObject({ kind: "sent" });
    expect(receiver.received.map(({ json }) => [json["event"], json["title"]])).toEqual(
      Array(2).fill(["test", "Test by api: alerts of fra-1 arrive here"]),
    );
    // A test is no alert.
    expect(stand.dispatcher.snapshot.sent).toEqual([]);
  });

  test("closes what it opened at PagerDuty", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver, { format: "pagerduty", secret: "key" })]);
    await appOf(stand)("POST", "/api/alerts/test", { receiver: "ops" });
    expect(receiver.received.map(({ json }) => [json["event_action"], json["dedup_key"]])).toEqual([
      ["trigger", "evenkeel/fra-1/p-test"],
      ["resolve", "evenkeel/fra-1/p-test"],
    ]);
  });

  test("lets what waits go at once when it succeeds", async () => {
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [(response) => void response.writeHead(503, { "Retry-After": "86400" }).end(), 200];
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.nextTryAt);
    await appOf(stand)("POST", "/api/alerts/test", { receiver: "ops" });
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1, "the alert", 1_000);
    expect(stand.dispatcher.receivers[0]?.failing).toBe(null);
  });

  test("is one at a time, and for receivers that there are", async () => {
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [() => {}];
    using stand = new AlertStand([receiverOf(receiver)]);
    const ask = appOf(stand);
    const first = ask("POST", "/api/alerts/test", { receiver: "ops" });
    await until(() => receiver.received.length === 1);
    expect((await ask("POST", "/api/alerts/test", { receiver: "ops" })).body["reason"]).toBe("test_running");
    expect((await first).body).toMatchObject({ kind: "failed", reason: "timeout" });
    expect(await ask("POST", "/api/alerts/test", { receiver: "nothing" })).toMatchObject({
      status: 404,
      body: {
        reason: "receiver_unknown",
        detail: 'No receiver is named "nothing": the configuration has ops.',
      },
    });
    expect((await ask("POST", "/api/alerts/test", {})).body["reason"]).toBe("receiver_invalid");
  });
});

describe("silences", () => {
  test("are created and ended", async () => {
    using stand = new AlertStand([]);
    const ask = appOf(stand);
    const body = { upstream: "web-11", for: "2h", reason: "kernel\nupdate" };
    const { status, body: silence } = await ask("POST", "/api/silences", body);
    expect([status, schemaErrors(silenceSchema, silence).errors]).toEqual([201, []]);
    expect(silence).toMatchObject({
      kind: null,
      pool: null,
      upstream: "web-11",
      by: "api",
      why: "kernel update",
    });
    expect(Number(silence["until"]) - Number(silence["at"])).toBeWithin(7_199_000, 7_200_001);
    expect(await ask("DELETE", `/api/silences/${String(silence["id"])}`)).toMatchObject({ status: 200 });
    expect((await ask("DELETE", `/api/silences/${String(silence["id"])}`)).body["reason"]).toBe(
      "silence_unknown",
    );
  });

  test.each([
    [{ for: "1h", reason: "x" }, "Cannot silence: set kind, pool or upstream, to say what is silent."],
    [{ pool: "main", reason: "x" }, "Cannot silence: set one of for and until."],
    [{ pool: "main", for: "1h", until: "2099-01-01T00:00:00Z", reason: "x" }, "set one of for and until"],
    [{ pool: "main", for: "1h", reason: " " }, "Cannot silence: set reason, so that others know why."],
    [{ pool: "main", for: "1h" }, "Cannot use reason: expected a text"],
    [{ pool: "main", for: "31d", reason: "x" }, 'expected an end in at most 30 days (received "31d")'],
    [{ pool: "main", for: "0", reason: "x" }, "expected an end in the future"],
    [{ pool: "main", until: "2001-01-01T00:00:00Z", reason: "x" }, "expected an end in the future"],
    [{ pool: "main", until: "tomorrow", reason: "x" }, "expected until to be a time"],
    [{ pool: "main", for: "1h", reason: "\u200b \u202e" }, "set reason, so that others know why"],
    [{ kind: "balancer_gone", for: "1h", reason: "x" }, "Cannot use kind: expected a kind of problems"],
    [
      { pool: "shop", upstream: "a", for: "1h", reason: "x" },
      'Cannot silence: upstream a is in pool main (received "shop").',
    ],
    [{ pool: "nothing", for: "1h", reason: "x" }, "No such pool."],
    [{ kind: "upstream_eror", for: "1h", reason: "x" }, 'did you mean "upstream_errors"?'],
  ])("are refused: %j", async (body, detail) => {
    using stand = new AlertStand([]);
    const answer = await appOf(stand)("POST", "/api/silences", body);
    expect(answer.status).toBeWithin(400, 405);
    expect(String(answer.body["detail"])).toContain(detail);
    expect(stand.dispatcher.silences).toEqual([]);
  });

  test("are bounded", async () => {
    using stand = new AlertStand([]);
    const ask = appOf(stand);
    const create = () => ask("POST", "/api/silences", { pool: "main", for: "1h", reason: "x" });
    for (let i = 0; i < 100; i++) expect((await create()).status).toBe(201);
    expect((await create()).body["reason"]).toBe("silences_full");
  });
});
