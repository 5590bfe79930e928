import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { AccessLogConfig } from "../../src/config/config.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import type { EndedExchange, RequestRecord } from "../../src/proxy/record.ts";
import { combinedLine, commonLine, jsonLine } from "../../src/telemetry/access-log-format.ts";
import { type AccessLog, maxSharedChars, openAccessLog } from "../../src/telemetry/access-log.ts";
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
  debug: quiet,
  info: quiet,
  error: quiet,
  warn: (message: string, fields?: object) => void warnings.push({ message, ...fields }),
};

function open(config: Partial<AccessLogConfig> = {}, random: Random = seededRandom(1)): AccessLog {
  const to = join(folder, "access.log");
  return openAccessLog({
    config: { to, format: "json", share: 1, ...config },
    isShared: false,
    clock: systemClock,
    schedule: systemSchedule,
    random,
    log,
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

/** Characters that end a line, a string or an escape in some program, in all texts that clients choose. */
const hostileText = 'a"b\\c\n{"status":200}\r\n\u0085\u2028\u2029\u0000\u001b[31m\u00ff reason=- \ud800';
const hostile: RequestRecord = {
  ...goodRecord,
  method: hostileText,
  user: hostileText,
  target: hostileText,
  host: hostileText,
  clientAddress: hostileText,
  peerAddress: hostileText,
  pool: hostileText,
  status: 503,
  reason: "no_upstream",
  attempts: [{ ...completedAttempt, upstream: hostileText }],
};

describe("a JSON line of the access log", () => {
  test("has stable names for the facts of the exchange", async () => {
    const [line = ""] = await linesOf([goodRecord]);
    const { "@timestamp": written, ...fields } = JSON.parse(line) as Record<string, unknown>;
    expect(written).toBe("2026-11-24T00:12:30.280Z");
    expect(fields).toEqual({
      level: "INFO",
      message: "request",
      logger: "evenkeel.access",
      time: "2026-11-24T00:12:30.250Z",
      requestId: "r-1",
      traceId: null,
      client: "192.0.2.1",
      peer: "192.0.2.1",
      method: "GET",
      target: "/cart?item=7",
      host: "shop.example",
      userAgent: null,
      referer: null,
      user: null,
      scheme: "http",
      listener: "main",
      protocol: "http/1.1",
      route: "routes[0]",
      pool: "shop",
      upstream: "api-1",
      attempts: 1,
      status: 200,
      reason: null,
      filter: null,
      complaint: null,
      notRetried: null,
      bytesIn: 90,
      bytesOut: 512,
      durationMs: 30.5,
      queuedMs: 0,
      connectMs: null,
      firstByteMs: 20,
    });
  });

  test("lists the attempts if there was more than one, and has the first-byte time from the start", async () => {
    const [line = ""] = await linesOf([retried]);
    expect(JSON.parse(line)).toMatchObject({
      attempts: 2,
      upstream: "api-1",
      connectMs: 0.25,
      firstByteMs: 21,
      tries: [
        { upstream: "api-2", status: 0, reason: "connect_refused", startMs: 0, durationMs: 1 },
        { upstream: "api-1", status: 200, reason: null, startMs: 1, durationMs: 30.5 },
      ],
    });
  });

  test("has the reason client_gone if there is no other reason", async () => {
    const [line = ""] = await linesOf([{ ...goodRecord, status: 0, isClientGone: true }]);
    expect(JSON.parse(line)).toMatchObject({ status: 0, reason: "client_gone" });
  });

  test("stays one line with the same fields, for any input", async () => {
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

  test("has the names of the documentation", () => {
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
  test("starts with the common fields, followed by pairs", async () => {
    const [line] = await linesOf([retried], { format: "common" });
    expect(line).toBe(
      '192.0.2.1 - - [24/Nov/2026:00:12:30 +0000] "GET /cart?item=7" 200 512 upstream=api-1 pool=shop attempts=2 ' +
        "reason=- not_retried=- duration_ms=30.5 queued_ms=0 connect_ms=0.25 first_byte_ms=21 bytes_in=90 " +
        'scheme=http host="shop.example" id=r-1 trace=- peer=192.0.2.1 complaint=- listener=main protocol=http/1.1 route=routes[0] filter=- user_agent=- referer=-',
    );
  });

  test("quotes the rule that a refused request breaks", async () => {
    const refused = { ...goodRecord, status: 400, complaint: "no Host header" };
    const [line] = await linesOf([refused], { format: "common" });
    expect(line).toContain(' complaint="no Host header" ');
  });

  test("cannot be forged: quotes, spaces and line ends of clients are escaped", async () => {
    const lines = await linesOf([hostile], { format: "common" });
    expect(lines).toHaveLength(1);
    const [line = ""] = lines;
    expect(line).toMatch(/^[ -~]+$/);
    expect(line.match(/"/g)).toHaveLength(4);
    // Outside the quoted strings there are only the fields of the format.
    const unquoted = line.replace(/"[^"]*"/g, "_");
    expect(unquoted.split(" ").filter((part) => part.startsWith("reason="))).toEqual(["reason=no_upstream"]);
    expect(unquoted.split(" ")).toHaveLength(8 + 22);
  });
});

describe("an access log with a share", () => {
  test("samples that share of all requests, and accepts all failed ones", () => {
    const { sink } = open({ share: 0.25 });
    const wanted = Array.from({ length: 4_000 }, () => sink.wants()).filter(Boolean).length;
    expect(wanted).toBeGreaterThan(900);
    expect(wanted).toBeLessThan(1_100);
    expect(sink.wantsFailed()).toBe(true);
    expect(sink.wantsSlow(60_000)).toBe(false);
  });

  test("of 0 accepts only failed requests, of 1 accepts all", () => {
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
  test("fit into an atomic write, for input of any length and characters", () => {
    const escaped = "\u00ff".repeat(96);
    const longest: RequestRecord = {
      ...hostile,
      method: escaped,
      target: escaped,
      host: escaped,
      user: escaped,
      requestId: "r".repeat(128),
      traceId: "f".repeat(32),
      clientAddress: "f".repeat(45),
      peerAddress: "f".repeat(45),
      pool: "p".repeat(64),
      attempts: Array.from({ length: 5 }, () => ({ ...refusedAttempt, upstream: "u".repeat(64) })),
    };
    for (const lineOf of [jsonLine, commonLine, combinedLine]) {
      const long = {
        ...longest,
        method: escaped.repeat(9),
        target: escaped.repeat(9),
        host: escaped.repeat(9),
      };
      const ended = { ...endedWith(long), userAgent: long.target, referer: long.target };
      expect(lineOf(ended).length).toBeGreaterThan(4_096);
      expect(lineOf(ended, maxSharedChars).length).toBeLessThan(4_096);
    }
  });
});

describe("a line in the combined format", () => {
  const line = (change: Partial<EndedExchange>) => combinedLine({ ...endedWith(goodRecord), ...change });

  test("is exactly that of NGINX", () => {
    const given = { user: "ann", referer: "https://shop.example/", userAgent: "curl/8.5" };
    expect(line(given)).toBe(
      '192.0.2.1 - ann [24/Nov/2026:00:12:30 +0000] "GET /cart?item=7 HTTP/1.1" 200 512 "https://shop.example/" "curl/8.5"',
    );
    expect(line({ protocol: "h2" })).toEndWith('"GET /cart?item=7 HTTP/2.0" 200 512 "-" "-"');
    expect(line({ protocol: null })).toContain(' HTTP/1.1" ');
  });

  test("is read by a parser of the format, whatever clients send", () => {
    const nasty = 'a" 200 1 "b\\ \u00e9\u2028\n';
    const forged = line({ method: nasty, target: nasty, user: nasty, referer: nasty, userAgent: nasty });
    const format = /^\S+ - \S+ \[[^\]]+\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*"$/;
    expect(forged).toMatch(format);
    expect(forged).toMatch(/^[ -~]+$/);
  });
});
