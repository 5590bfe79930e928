import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { CertificateIssuer, type IssuerObserver } from "../../src/acme/certificate-issuer.ts";
import { OrderFailure } from "../../src/acme/failure.ts";
import type { AcmeSettings } from "../../src/acme/settings.ts";
import { AcmeStorage } from "../../src/acme/storage.ts";
import { type CertificatePair, readPair } from "../../src/tls/certificate-pair.ts";
import { TestAuthority } from "../support/acme-authority.ts";
import { FakeTime } from "../support/fake-time.ts";
import { temporaryFolder } from "../support/folder.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** The wall clock when the fake time is 0. */
const base = Date.UTC(2030, 0, 1);

const folder = temporaryFolder("acme-issuer");
let counter = 0;

/** For a.test, from a day on for as many days. */
const pairs = new Map<string, CertificatePair>();
let placeholder: CertificatePair;

async function makePair(authority: TestAuthority, fromDay: number, days: number): Promise<CertificatePair> {
  const validity = {
    notBefore: new Date(base + fromDay * dayMs),
    notAfter: new Date(base + (fromDay + days) * dayMs),
  };
  const pair = readPair({ ...(await authority.pair("a.test", validity)), source: `${fromDay} ${days}` });
  if ("why" in pair) throw new Error(pair.why);
  return pair;
}

beforeAll(async () => {
  const authority = await TestAuthority.create();
  for (const [from, days] of [
    [0, 90],
    [50, 90],
    [5, 90],
    [-200, 90],
  ] as const)
    pairs.set(`${from} ${days}`, await makePair(authority, from, days));
  placeholder = { ...(await makePair(authority, 0, 365)), source: "placeholder" };
});

const stops: (() => void)[] = [];
afterEach(() => stops.splice(0).forEach((stop) => stop()));

type Outcome = string | OrderFailure;

function setUp(time: FakeTime, outcomes: readonly Outcome[], path = folder(`case-${counter++}`)) {
  const events: string[] = [];
  const shown: string[][] = [];
  const orders: number[] = [];
  const left = [...outcomes];
  const storage = new AcmeStorage(path, process.pid);
  const settings: AcmeSettings = {
    hosts: ["a.test"],
    directory: "https://ca.test/directory",
    challenge: "http-01",
    storage: path,
  };
  const observer: IssuerObserver = {
    placeholderShown() {},
    adopted: ({ host }) => events.push(`adopted ${host}`),
    issued: ({ host, isRenewal, isEarly }) =>
      events.push(`${isRenewal ? "renewed" : "issued"} ${host}${isEarly ? " early" : ""}`),
    failed: ({ failure, failures, isRenewal }) =>
      events.push(`${isRenewal ? "renewal" : "order"} failed ${failures} ${failure.reason}`),
  };
  const issuer = new CertificateIssuer({
    storageAt: () => storage,
    async issue(host) {
      orders.push(time.clock());
      const next = left.shift() ?? new OrderFailure("refused", "no more outcomes");
      if (next instanceof OrderFailure) throw next;
      const pair = pairs.get(next);
      if (!pair) throw new Error(`Cannot go on: no pair ${next}`);
      storage.saveCertificate(host, pair);
      return { ...pair, source: next };
    },
    placeholder: () => placeholder,
    publish: (list) => void shown.push(list.map(({ source }) => (source.includes("/") ? "stored" : source))),
    observer,
    wallClock: () => base + time.clock(),
    schedule: time.schedule,
    random: () => 0.5,
  });
  stops.push(() => issuer.stop());
  return { issuer, events, shown, orders, storage, settings, path };
}

describe("a host without a certificate", () => {
  test("shows a self-signed one at once, and the first of the authority when it comes", async () => {
    const time = new FakeTime();
    const { issuer, shown, events, settings } = setUp(time, ["0 90"]);
    issuer.configure([settings]);
    expect(shown).toEqual([["placeholder"]]);
    expect(issuer.certificates).toMatchObject([{ host: "a.test", expiresAt: null, failure: null }]);
    issuer.start();
    await time.advance(0);
    expect(shown.at(-1)).toEqual(["0 90"]);
    expect(events).toEqual(["issued a.test"]);
    expect(issuer.certificates[0]?.expiresAt).toBe(base + 90 * dayMs);
  });

  test("is repeated after 1, 5 and 30 minutes and every 6 hours", async () => {
    const time = new FakeTime();
    const failure = new OrderFailure("challenge_failed", "nobody home");
    const { issuer, orders, events, settings } = setUp(time, [
      ...Array<OrderFailure>(5).fill(failure),
      "0 90",
    ]);
    issuer.configure([settings]);
    issuer.start();
    await time.advance(dayMs);
    const waits = orders.slice(1).map((at, index) => at - (orders[index] ?? 0));
    expect(waits).toEqual([minuteMs, 5 * minuteMs, 30 * minuteMs, 6 * hourMs, 6 * hourMs]);
    expect(events.at(-2)).toBe("order failed 5 challenge_failed");
    expect(events.at(-1)).toBe("issued a.test");
    expect(issuer.certificates).toMatchObject([{ failures: 0, failure: null }]);
    expect(Object.fromEntries(issuer.orders)).toMatchObject({ issued: 1, challenge_failed: 5, refused: 0 });
  });

  test("waits as long as the authority asks", async () => {
    const time = new FakeTime();
    const limited = new OrderFailure("rate_limited", "too many", { retryAfterMs: 3 * hourMs });
    const { issuer, orders, settings } = setUp(time, [limited, "0 90"]);
    issuer.configure([settings]);
    issuer.start();
    await time.advance(dayMs);
    expect(orders).toEqual([0, 3 * hourMs]);
  });

  test("is not ordered at once by each of many restarts", async () => {
    const time = new FakeTime();
    const failure = new OrderFailure("refused", "no");
    const first = setUp(time, [failure, failure]);
    first.issuer.configure([first.settings]);
    first.issuer.start();
    await time.advance(2 * minuteMs);
    first.issuer.stop();
    expect(first.orders).toEqual([0, minuteMs]);
    const second = setUp(time, ["0 90"], first.path);
    second.issuer.configure([second.settings]);
    expect(second.issuer.certificates).toMatchObject([{ failures: 2, failure: { reason: "refused" } }]);
    second.issuer.start();
    await time.advance(minuteMs);
    // A minute after the failure, and not five: the operator may have restarted it because the cause is mended.
    expect(second.orders).toEqual([2 * minuteMs]);
  });
});

describe("a stored certificate", () => {
  test("is presented after a restart, without an order", async () => {
    const time = new FakeTime();
    const first = setUp(time, ["0 90"]);
    first.issuer.configure([first.settings]);
    first.issuer.start();
    await time.advance(0);
    first.issuer.stop();
    const { issuer, shown, orders, settings } = setUp(time, [], first.path);
    issuer.configure([settings]);
    expect(shown).toEqual([["stored"]]);
    issuer.start();
    await time.advance(50 * dayMs);
    expect(orders).toEqual([]);
  });

  test("is renewed after two thirds of its life", async () => {
    const time = new FakeTime();
    const { issuer, orders, events, shown, settings } = setUp(time, ["0 90", "50 90"]);
    issuer.configure([settings]);
    issuer.start();
    await time.advance(70 * dayMs);
    expect(events).toEqual(["issued a.test", "renewed a.test"]);
    expect((orders[1] ?? 0) / (90 * dayMs)).toBeWithin(2 / 3 - 0.05, 2 / 3 + 0.05);
    expect(shown.at(-1)).toEqual(["50 90"]);
  });

  test("stays while its renewal fails", async () => {
    const time = new FakeTime();
    const failure = new OrderFailure("unreachable", "away");
    const { issuer, events, shown, settings } = setUp(time, ["0 90", failure, failure, failure, "50 90"]);
    issuer.configure([settings]);
    issuer.start();
    await time.advance(65 * dayMs);
    expect(events).toEqual([
      "issued a.test",
      "renewal failed 1 unreachable",
      "renewal failed 2 unreachable",
      "renewal failed 3 unreachable",
      "renewed a.test",
    ]);
    expect(shown.slice(1)).toEqual([["0 90"], ["50 90"]]);
  });

  test("of another authority is shown until there is one of the right authority", async () => {
    const time = new FakeTime();
    const first = setUp(time, ["0 90"]);
    first.issuer.configure([first.settings]);
    first.issuer.start();
    await time.advance(0);
    first.issuer.stop();
    const { issuer, shown, settings } = setUp(time, ["50 90"], first.path);
    issuer.configure([{ ...settings, directory: "https://other.test/" }]);
    expect(shown).toEqual([["stored"]]);
    issuer.start();
    await time.advance(50 * dayMs);
    expect(shown.at(-1)).toEqual(["50 90"]);
  });

  test("with another key is ordered anew", async () => {
    const time = new FakeTime();
    const { issuer, shown, settings, storage, path } = setUp(time, ["0 90"]);
    storage.saveCertificate("a.test", pairs.get("5 90") as CertificatePair);
    writeFileSync(`${path}/a.test/key.pem`, placeholder.key);
    issuer.configure([settings]);
    expect(shown).toEqual([["placeholder"]]);
    issuer.start();
    await time.advance(0);
    expect(shown.at(-1)).toEqual(["0 90"]);
  });
});

describe("a clock that is wrong", () => {
  test("and ahead does not order again and again", async () => {
    const time = new FakeTime();
    const { issuer, orders, events, settings } = setUp(time, Array<string>(9).fill("-200 90"));
    issuer.configure([settings]);
    issuer.start();
    await time.advance(6 * hourMs);
    expect(orders).toEqual([0, minuteMs, 6 * minuteMs, 36 * minuteMs]);
    expect(events[0]).toBe("renewal failed 1 clock_skewed");
  });

  test("and behind presents the old certificate until the new one is valid", async () => {
    const time = new FakeTime();
    const { issuer, shown, events, settings, storage } = setUp(time, ["5 90"]);
    storage.saveCertificate("a.test", pairs.get("0 90") as CertificatePair);
    storage.saveMeta("a.test", { directory: "https://other.test/" });
    issuer.configure([settings]);
    issuer.start();
    await time.advance(0);
    expect(events).toEqual(["renewed a.test early"]);
    expect(shown.at(-1)).toEqual(["stored", "5 90"]);
    await time.advance(6 * dayMs);
    expect(shown.at(-1)).toEqual(["5 90"]);
  });
});

describe("two balancers with one folder", () => {
  test("order one certificate, and both present it", async () => {
    const time = new FakeTime();
    const one = setUp(time, ["0 90", "50 90"]);
    const other = setUp(time, ["50 90", "0 90"], one.path);
    for (const { issuer, settings } of [one, other]) issuer.configure([settings]);
    one.issuer.start();
    other.issuer.start();
    await time.advance(minuteMs);
    expect(other.shown.at(-1)).toEqual(["stored"]);
    await time.advance(70 * dayMs);
    // Either may be the one that renews.
    expect(one.orders.length + other.orders.length).toBe(2);
    expect([one, other].map(({ issuer }) => issuer.certificates[0]?.expiresAt)).toEqual([
      base + 140 * dayMs,
      base + 140 * dayMs,
    ]);
    expect([...one.events, ...other.events]).toEqual(["issued a.test", "renewed a.test"]);
  });

  test("wait together after a failure of one", async () => {
    const time = new FakeTime();
    const limited = new OrderFailure("rate_limited", "too many", { retryAfterMs: hourMs });
    const one = setUp(time, [limited]);
    const other = setUp(time, ["0 90"], one.path);
    for (const { issuer, settings } of [one, other]) issuer.configure([settings]);
    one.issuer.start();
    await time.advance(1_000);
    other.issuer.start();
    await time.advance(59 * minuteMs);
    expect([one.orders, other.orders]).toEqual([[0], []]);
    one.issuer.stop();
    await time.advance(2 * minuteMs);
    expect(other.orders).toEqual([hourMs]);
  });
});

test("A folder that cannot be written is a failure with a reason", async () => {
  const time = new FakeTime();
  const path = folder(`case-${counter++}`);
  mkdirSync(path);
  writeFileSync(`${path}/a.test`, "a file");
  const { issuer, events, settings } = setUp(time, [], path);
  issuer.configure([settings]);
  issuer.start();
  await time.advance(0);
  expect(events.at(-1)).toContain("storage_failed");
  rmSync(`${path}/a.test`);
});

test("The state of failures has no secrets in it", async () => {
  const time = new FakeTime();
  const { issuer, settings, path } = setUp(time, [new OrderFailure("refused", "no")]);
  issuer.configure([settings]);
  issuer.start();
  await time.advance(0);
  expect(readFileSync(`${path}/a.test/meta.json`, "utf8")).not.toContain("KEY");
  expect(JSON.stringify(issuer.certificates)).not.toContain("KEY");
});
