/**
 * The configuration that the design of routes was accepted with, asked of both engines with real requests. A dry run must name
 * the same pool, answer or refusal.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { temporaryFolder } from "../support/folder.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { sendRequest } from "../support/raw-client.ts";

const inFolder = temporaryFolder("route-acceptance");
const pools = ["root", "admin", "public", "api", "photos", "me", "wild", "exact"];

/** All pools have one server: a field tells which pool a request is from. */
const configFor = (origin: string) => `
defaults: { requestHeaders: { set: { X-Pool: "\${pool}" } } }
pools: { ${pools.map((name) => `${name}: { upstreams: [{ url: "${origin}", name: ${name}-1 }] }`).join(", ")} }
routes:
  - { host: a.test, path: /, pool: root }
  - { host: a.test, path: /admin, pool: admin }
  - { host: a.test, path: /public, pool: public }
  - { host: a.test, path: /api, stripPrefix: true, pool: api }
  - { host: a.test, path: { exact: /api/health }, respond: { status: 200, text: ok } }
  - { host: a.test, path: "/u/{id}/photos", pool: photos }
  - { host: a.test, path: /u/me, pool: me }
  - { host: "*.b.test", pool: wild }
  - { host: x.b.test, pool: exact }
`;

const ambiguous = "400 path_ambiguous";

/** Target, what the wire engine does, and the fetch engine where the runtime's parser has changed the target before. */
const rows: ReadonlyArray<readonly [target: string, wire: string, fetch?: string]> = [
  ["/", "root /"],
  ["/administrator", "root /administrator"],
  ["/admin", "admin /admin"],
  ["/admin/", "admin /admin/"],
  ["/admin/x?y=/public", "admin /admin/x?y=/public"],
  ["/Admin", "root /Admin"],
  ["/%61dmin", "admin /%61dmin"],
  ["/admin%2F", ambiguous],
  ["/admin%2fx", ambiguous],
  ["/public/../admin", ambiguous, "admin /admin"],
  ["/public/%2e%2e/admin", ambiguous, "admin /admin"],
  ["/public/..%2fadmin", ambiguous],
  ["/public%2f..%2fadmin", ambiguous],
  ["//admin", ambiguous, ""],
  ["/\\admin", ambiguous, ""],
  ["/%5cadmin", ambiguous],
  ["/./admin", ambiguous, "admin /admin"],
  ["/public/..;/admin", ambiguous],
  ["/admin;x=1/y", ambiguous],
  ["/%2561dmin", ambiguous],
  ["/admin%252fx", ambiguous],
  ["/admin%3Fx", ambiguous],
  ["/admin%23x", ambiguous],
  ["/admin%00", "400 request_invalid"],
  ["/x%0", "400 request_invalid"],
  ["/public/%c0%ae%c0%ae/admin", ambiguous],
  ["/api%2e/admin", "root /api%2e/admin"],
  ["/api/%2e%2e/x", ambiguous, "root /x"],
  ["/api/v4/projects/group%2Frepo", "api /v4/projects/group%2Frepo"],
  ["/_matrix/room/%23sd%3Ahost", "root /_matrix/room/%23sd%3Ahost"],
  ["/a//b", "root /a//b"],
  ["/x;jsessionid=1", "root /x;jsessionid=1"],
  ["/wiki/C%2B%2B", "root /wiki/C%2B%2B"],
  ["/api", "api /"],
  ["/api/?a=%2F", "api /?a=%2F"],
  ["/apix", "root /apix"],
  ["/%61pi/x", "api /x"],
  ["/api//evil.test/", ambiguous],
  ["/api/health", "200 respond"],
  ["/api/health/", "api /health/"],
  ["/u/7/photos/1", "photos /u/7/photos/1"],
  ["/u/me/photos", "me /u/me/photos"],
  ["/u//photos", "root /u//photos"],
];

const hosts: ReadonlyArray<readonly [host: string, expected: string]> = [
  ["X.B.Test:8080", "exact /"],
  ["y.b.test", "wild /"],
  ["y.z.b.test", "wild /"],
  ["b.test", "404 no_route"],
  ["a.test.", "root /"],
  ["zz.test", "404 no_route"],
];

describe.each(["wire", "fetch"] as const)("the %s engine", (engine) => {
  const programs = new Programs();
  let origin: Origin;
  let port = 0;
  let admin = "";

  beforeAll(async () => {
    origin = await startOrigin((_, socket) => void socket.write(respondWith("served")));
    const file = inFolder(`${engine}.yaml`);
    writeFileSync(file, configFor(origin.url));
    const listeners = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--state", ":memory:"];
    const proxy = programs.evenkeel("proxy", "--config", file, "--engine", engine, ...listeners);
    port = await proxy.port("balancer");
    admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  }, 30_000);
  afterAll(async () => {
    await programs[Symbol.asyncDispose]();
    await origin.close();
  });

  /** "pool target" of the request that the origin got, or "status reason". */
  async function done(target: string, host: string): Promise<string> {
    const before = origin.requests.length;
    const head = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n\r\n`;
    const response = await sendRequest(port, head);
    const received = origin.requests[before];
    if (received) return `${received.header("x-pool")} ${received.target}`;
    const body = response.body.toString();
    const reason =
      body === "ok" ? "respond" : (JSON.parse(body) as { error: { reason: string } }).error.reason;
    return `${response.status} ${reason}`;
  }

  async function foreseen(target: string, host: string): Promise<string> {
    const response = await fetch(`${admin}/api/requests/dry-run`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ method: "GET", target, host, clientAddress: "127.0.0.1", headers: {} }),
    });
    const run = (await response.json()) as {
      pool: string | null;
      refusal: string | null;
      answeredBy: string | null;
      filters: { name: string; verdict: string; why: string }[];
    };
    const answer = run.filters.find(({ verdict }) => verdict === "answers");
    return answer ? (answer.name === "respond" ? "respond" : answer.why) : (run.refusal ?? run.pool ?? "");
  }

  test.each(rows)("%s", async (target, wire, fetch = wire) => {
    const expected = engine === "wire" ? wire : fetch;
    // What the runtime makes of two slashes at the start is its own.
    if (expected !== "") expect(await done(target, "a.test")).toBe(expected);
    if (engine === "wire") {
      const [first = "", reason = ""] = wire.split(" ");
      expect(await foreseen(target, "a.test")).toBe(/^\d/.test(first) ? reason : first);
    }
  });

  test.each(hosts)("the host %s", async (host, expected) => {
    expect(await done("/", host)).toBe(expected);
    const [first = "", reason = ""] = expected.split(" ");
    expect(await foreseen("/", host)).toBe(/^\d/.test(first) ? reason : first);
  });
});
