import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { AccessLogConfig } from "../../src/config/config.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import type { RequestRecord } from "../../src/proxy/record.ts";
import { commonLine, jsonLine } from "../../src/telemetry/access-log-format.ts";
import { type AccessLog, openAccessLog } from "../../src/telemetry/access-log.ts";
import { completedAttempt, endedWith, goodRecord, refusedAttempt } from "../support/records.ts";

let folder = "";
let warnings: unknown[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-access-"));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const quiet = () => {};
const log = {
  ...{ debug: quiet, info: quiet, error: quiet },
  warn: (message: string, fields?: object) => void warnings.push({ message, ...fields }),
};

function open(config: Partial<AccessLogConfig> = {}, random: Random = seededRandom(1)): AccessLog {
  const to = join(folder, "access.log");
  return openAccessLog({
    config: { to, format: "json", share: 1, ...config },
    ...{ isShared: false, clock: systemClock, schedule: systemSchedule, random, log },
  });
}

async function linesOf(records: readonly RequestRecord[], config: Partial<AccessLogConfig> = {}) {
  const accessLog = open(config);
  for (const record of records) accessLog.sink.accept(endedWith(record));
  await accessLog.close();
  return readFileSync(join(folder, "access.log"), "latin1").split("\n").slice(0, -1);
}

const retried: RequestRecord = {
  ...goodRecord,
  retried: ["connect_refused"],
  attempts: [refusedAttempt, { ...completedAttempt, startMs: 1, connectMs: 0.25 }],
};

const namesIn = (line: string) => Object.keys(JSON.parse(line) as object);

/** Everything that ends a line, a string or an escape somewhere, in all places that others fill. */
const hostileText = 'a"b\\c\n{"status":200}\r\n\u0085\u2028\u2029\u0000\u001b[31m\u00ff reason=- \ud800';
const hostile: RequestRecord = {
  ...goodRecord,
  ...{ method: hostileText, target: hostileText, host: hostileText, clientAddress: hostileText },
  ...{ pool: hostileText, status: 503, reason: "no_upstream" },
  attempts: [{ ...completedAttempt, upstream: hostileText }],
};

describe("a JSON line of the access log", () => {
  test("says by stable names what became of the exchange", async () => {
    const [line = ""] = await linesOf([goodRecord]);
    const { "@timestamp": written, ...fields } = JSON.parse(line) as Record<string, unknown>;
    expect(written).toBe("2026-11-24T00:12:30.280Z");
    expect(fields).toEqual({
      ...{ level: "INFO", message: "request", logger: "evenkeel.access" },
      ...{ time: "2026-11-24T00:12:30.250Z", requestId: "r-1", traceId: null, client: "192.0.2.1" },
      ...{ method: "GET", target: "/cart?item=7", host: "shop.example", scheme: "http", pool: "shop" },
      ...{ upstream: "api-1", attempts: 1, status: 200, reason: null, complaint: null, notRetried: null },
      ...{ bytesIn: 90, bytesOut: 512, durationMs: 30.5, queuedMs: 0, connectMs: null, firstByteMs: 20 },
    });
  });

  test("lists the attempts where there was more than one, and times the last from the start", async () => {
    const [line = ""] = await linesOf([retried]);
    expect(JSON.parse(line)).toMatchObject({
      ...{ attempts: 2, upstream: "api-1", connectMs: 0.25, firstByteMs: 21 },
      tries: [
        { upstream: "api-2", status: 0, reason: "connect_refused", startMs: 0, durationMs: 1 },
        { upstream: "api-1", status: 200, reason: null, startMs: 1, durationMs: 30.5 },
      ],
    });
  });

  test("names the client that left where nothing else is to blame", async () => {
    const [line = ""] = await linesOf([{ ...goodRecord, status: 0, isClientGone: true }]);
    expect(JSON.parse(line)).toMatchObject({ status: 0, reason: "client_gone" });
  });

  test("stays one line with the same fields, whatever others send", async () => {
    const lines = await linesOf([hostile]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[ -~]+$/);
    const parsed = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
    expect(Object.keys(parsed)).toEqual(namesIn(jsonLine(endedWith(goodRecord))));
    const clientText = { method: hostileText.slice(0, 64), target: hostileText, host: hostileText };
    expect(parsed).toMatchObject({
      ...clientText,
      client: hostileText,
      upstream: hostileText,
      pool: hostileText,
    });
    expect(parsed).toMatchObject({ status: 503, reason: "no_upstream" });
  });

  test("has the names that the documentation lists", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/access-log.md"), "utf8");
    const listed = [...page.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name ?? "");
    expect(listed.toSorted()).toEqual(
      namesIn(jsonLine(endedWith(retried)))
        .slice(4)
        .toSorted(),
    );
  });
});

describe("a line in Common Log Format", () => {
  test("begins as that does, and goes on with pairs", async () => {
    const [line] = await linesOf([retried], { format: "common" });
    expect(line).toBe(
      '192.0.2.1 - - [24/Nov/2026:00:12:30 +0000] "GET /cart?item=7" 200 512 upstream=api-1 pool=shop attempts=2 ' +
        "reason=- not_retried=- duration_ms=30.5 queued_ms=0 connect_ms=0.25 first_byte_ms=21 bytes_in=90 " +
        'scheme=http host="shop.example" id=r-1 trace=- complaint=-',
    );
  });

  test("quotes the rule that a refused request breaks", async () => {
    const refused = { ...goodRecord, status: 400, complaint: "no Host field" };
    const [line] = await linesOf([refused], { format: "common" });
    expect(line).toEndWith(' complaint="no Host field"');
  });

  test("cannot be forged: quotes, spaces and line ends of others are escaped", async () => {
    const lines = await linesOf([hostile], { format: "common" });
    expect(lines).toHaveLength(1);
    const [line = ""] = lines;
    expect(line).toMatch(/^[ -~]+$/);
    expect(line.match(/"/g)).toHaveLength(4);
    // Outside of the quoted strings there are only our own fields.
    const unquoted = line.replace(/"[^"]*"/g, "_");
    expect(unquoted.split(" ").filter((part) => part.startsWith("reason="))).toEqual(["reason=no_upstream"]);
    expect(unquoted.split(" ")).toHaveLength(8 + 15);
  });
});

describe("an access log of a share", () => {
  test("wants about that share whatever comes of it, and all that failed", () => {
    const { sink } = open({ share: 0.25 });
    const wanted = Array.from({ length: 4_000 }, () => sink.wants()).filter(Boolean).length;
    expect(wanted).toBeGreaterThan(900);
    expect(wanted).toBeLessThan(1_100);
    expect(sink.wantsFailed()).toBe(true);
    expect(sink.wantsSlow(60_000)).toBe(false);
  });

  test("of 0 wants only what failed, of 1 wants all", () => {
    const lowest = () => 0;
    expect(open({ share: 0 }, lowest).sink.wants()).toBe(false);
    const highest = () => 1 - Number.EPSILON;
    expect(open({ share: 1 }, highest).sink.wants()).toBe(true);
  });
});

describe("an access log that cannot be written", () => {
  test("counts every line, and warns once for many", async () => {
    const accessLog = open({ to: join(folder, "missing", "access.log") });
    for (let i = 0; i < 5; i++) accessLog.sink.accept(endedWith(goodRecord));
    await accessLog.close();
    accessLog.sink.accept(endedWith(goodRecord));
    expect(accessLog.lostLines).toBe(6);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ message: "access log lines lost", lines: 5 });
  });
});

describe("lines for a pipe that several processes write to", () => {
  test("fit into it at once, however long and odd what others send", () => {
    const odd = "\u00ff".repeat(96);
    const longest: RequestRecord = {
      ...hostile,
      ...{ method: odd, target: odd, host: odd, requestId: "r".repeat(128), traceId: "f".repeat(32) },
      ...{ clientAddress: "f".repeat(45), pool: "p".repeat(64) },
      attempts: Array.from({ length: 5 }, () => ({ ...refusedAttempt, upstream: "u".repeat(64) })),
    };
    for (const lineOf of [jsonLine, commonLine]) {
      const long = { ...longest, method: odd.repeat(9), target: odd.repeat(9), host: odd.repeat(9) };
      expect(lineOf(endedWith(long)).length).toBeGreaterThan(4_096);
      expect(lineOf(endedWith(long), 96).length).toBeLessThan(4_096);
    }
  });
});
