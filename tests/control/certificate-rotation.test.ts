import { describe, expect, test } from "bun:test";

import { CertificateRotation } from "../../src/control/certificate-rotation.ts";
import type { NewEvent } from "../../src/control/event-log.ts";
import type { CertificateEntry } from "../../src/tls/certificate-files.ts";
import { CertificateStore } from "../../src/tls/certificate-store.ts";
import { selfSigned } from "../../src/tls/self-signed.ts";
import { FakeTime } from "../support/fake-time.ts";

const [first, second, third] = [selfSigned("a.test", ""), selfSigned("a.test", ""), selfSigned("b.test", "")];
const expired = selfSigned("a.test", "", { days: -1 });

function startRotation(files: Record<string, string>, entries: CertificateEntry[], isLive = true) {
  const time = new FakeTime();
  const start = Date.now();
  const wallClock = () => start + time.clock();
  const store = new CertificateStore(wallClock);
  const events: NewEvent[] = [];
  const lines: string[] = [];
  const write = (message: string) => void lines.push(message);
  const list = (folder: string) => {
    const inside = Object.keys(files).filter((path) => path.startsWith(`${folder}/`));
    return [...new Set(inside.map((path) => path.slice(folder.length + 1).split("/")[0] ?? ""))];
  };
  const rotation = new CertificateRotation({
    store,
    entries: () => entries,
    reader: { read: (path) => files[path], list },
    isLive,
    eventLog: { add: (event) => ({ ...event, seq: events.push(event), at: 0 }) },
    log: { debug: write, info: write, warn: write, error: write },
    wallClock,
    schedule: time.schedule,
  });
  rotation.load();
  rotation.start();
  const takeEvents = () => events.splice(0).map(({ to, by, detail }) => `${to} by ${by}: ${detail}`);
  const shown = () => store.all.map(({ source, cert }) => `${source} ${nameOf(cert)}`);
  return { rotation, store, time, takeEvents, shown };
}

const known = { first, second, third, expired };

function nameOf(cert: string): string {
  return Object.entries(known).find(([, pair]) => pair.cert === cert)?.[0] ?? "unknown";
}

const day = (at: number) => new Date(at).toISOString().slice(0, 10);
const named = [{ certPath: "/c", keyPath: "/k" }];

test("a changed pair is taken within a minute, and the event says so", async () => {
  const files: Record<string, string> = { "/c": first.cert, "/k": first.key };
  const { time, takeEvents, shown, store } = startRotation(files, named);
  let changes = 0;
  store.onChange(() => (changes += 1));
  await time.advance(120_000);
  expect([shown(), takeEvents(), changes]).toEqual([["/c first"], [], 0]);
  Object.assign(files, { "/c": second.cert, "/k": second.key });
  await time.advance(60_000);
  expect(shown()).toEqual(["/c second"]);
  expect(takeEvents()).toEqual([`replaced by balancer: /c: for a.test, expires on ${day(second.expiresAt)}`]);
  expect(changes).toBe(1);
});

describe("what cannot be used leaves the certificate in place:", () => {
  const stays = `the current certificate stays and expires on ${day(first.expiresAt)}`;
  test.each([
    [
      "half a file",
      { "/c": second.cert.slice(0, 200) },
      `/c: the file contains no PEM certificate; ${stays}`,
    ],
    ["a key that does not fit", { "/k": second.key }, `/k: the key does not match the certificate; ${stays}`],
    ["no key", { "/k": "" }, `/k: the file contains no PEM private key; ${stays}`],
    [
      "a certificate that is over",
      { "/c": expired.cert, "/k": expired.key },
      `/c: the certificate has expired; ${stays}`,
    ],
  ])("%s", (_, change, detail) => {
    const files: Record<string, string> = { "/c": first.cert, "/k": first.key };
    const { rotation, takeEvents, shown } = startRotation(files, named);
    Object.assign(files, change);
    const report = rotation.refresh("ann");
    expect(report).toMatchObject({ changed: [], removed: [], refused: [{ source: "/c" }] });
    expect([shown(), takeEvents()]).toEqual([["/c first"], [`refused by ann: ${detail}`]]);
    expect(rotation.refresh("ann").refused).toHaveLength(1);
    expect(takeEvents()).toEqual([]);
    Object.assign(files, { "/c": second.cert, "/k": second.key });
    expect(rotation.refresh("ann")).toEqual({ changed: ["/c"], removed: [], refused: [] });
    expect(shown()).toEqual(["/c second"]);
  });

  test("a missing file, which is reported after a minute", async () => {
    const files: Record<string, string> = { "/c": first.cert, "/k": first.key };
    const { rotation, time, takeEvents, shown } = startRotation(files, named);
    delete files["/k"];
    expect(rotation.refresh("ann").refused).toEqual([]);
    expect([shown(), takeEvents()]).toEqual([["/c first"], []]);
    await time.advance(120_000);
    expect([shown(), takeEvents()]).toEqual([
      ["/c first"],
      [`refused by balancer: /k: file not found; ${stays}`],
    ]);
  });
});

test("pairs of a folder come and go, and half a pair changes nothing", () => {
  const files: Record<string, string> = { "/t/a.crt": first.cert, "/t/a.key": first.key };
  const { rotation, shown } = startRotation(files, [{ folder: "/t" }]);
  files["/t/b/fullchain.pem"] = third.cert;
  expect(rotation.refresh("ann")).toEqual({ changed: [], removed: [], refused: [] });
  files["/t/b/privkey.pem"] = third.key;
  expect(rotation.refresh("ann")).toMatchObject({ changed: ["/t/b/fullchain.pem"] });
  expect(shown()).toEqual(["/t/a.crt first", "/t/b/fullchain.pem third"]);
  delete files["/t/a.crt"];
  delete files["/t/b/privkey.pem"];
  expect(rotation.refresh("ann").removed).toEqual([]);
  expect(shown().toSorted()).toEqual(["/t/a.crt first", "/t/b/fullchain.pem third"]);
  delete files["/t/a.key"];
  expect(rotation.refresh("ann").removed).toEqual(["/t/a.crt"]);
  expect(shown()).toEqual(["/t/b/fullchain.pem third"]);
});

test("an engine that cannot present other certificates keeps those of the start, and the event says so once", () => {
  const files: Record<string, string> = { "/c": first.cert, "/k": first.key };
  const { rotation, takeEvents, shown } = startRotation(files, named, false);
  Object.assign(files, { "/c": second.cert, "/k": second.key });
  for (let i = 0; i < 2; i++)
    expect(rotation.refresh("ann").refused).toMatchObject([
      { why: expect.stringContaining("after a restart") as string },
    ]);
  expect([shown(), takeEvents()]).toEqual([
    ["/c first"],
    [expect.stringMatching(/^refused by ann: \/c: the fetch engine/)],
  ]);
});
