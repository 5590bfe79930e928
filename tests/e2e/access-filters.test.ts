/** Addresses, rate limits, passwords and authorization servers of routes: on both engines, both runtimes, and with workers. */

import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { BalancerEvent } from "../../src/state/event.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("access-filters");
const main = join(import.meta.dirname, "../../src/main.ts");

/** Of "open sesame" and "swordfish". */
const bcrypt = "$2b$06$IpyjqFZ1FJz6fUQBZt8zr.gpxj0z.diY.u0JpyRYgmrJZRsAAPDAi";
const argon2 =
  "$argon2id$v=19$m=1024,t=1,p=1$V0l0qeLuX2jbWyXh+Yq1hVEQqDAu4S/cY47jK1MIFkI$jcUufHmWhLaEfETUFcYGYIf/EObIYwgJ8vuSocLsCOg";

interface Ports {
  readonly upstream: number;
  /** An authorization server in the test's own process. */
  readonly decider: number;
  /** Authorization servers that are ended. */
  readonly servers: readonly number[];
}

function configWith({ upstream, decider, servers }: Ports): string {
  const auth = servers.map((port) => `"http://127.0.0.1:${port}"`).join(", ");
  return `trustedProxies: [127.0.0.1]
networks: { office: [192.0.2.0/24] }
pools:
  main: { upstreams: ["http://127.0.0.1:${upstream}"] }
  auth: { upstreams: [${auth}] }
  decider: { upstreams: ["http://127.0.0.1:${decider}"] }
routes:
  - { host: office.test, allow: [office], deny: [192.0.2.66], pool: main }
  - { name: limited, host: limited.test, rateLimit: { rate: 2/h, burst: 2, name: api }, pool: main }
  - name: staff
    host: staff.test
    basicAuth:
      usersFile: ${inFolder("htpasswd")}
      users: [{ name: ben, passwordHash: "${argon2}" }]
      forward: X-User
    pool: main
  - { name: auth, host: auth.test, forwardAuth: { pool: auth, path: /verify, copy: [Remote-User] }, pool: main }
  - host: strip.test
    path: /api
    stripPrefix: true
    cors: { origins: [https://app.test] }
    forwardAuth: { pool: decider, copy: [Remote-User] }
    pool: main
`;
}

describe("routes with filters", () => {
  let deno = "";
  beforeAll(async () => {
    deno = await findDeno();
  }, 120_000);

  test.concurrent.each([
    ["Bun", "wire", 1],
    ["Bun", "wire", 2],
    ["Bun", "fetch", 2],
    ["Deno", "wire", 1],
    ["Deno", "fetch", 1],
  ] as const)(
    "on %s, the %s engine and %d worker(s)",
    async (runtime, engine, workers) => {
      if (runtime === "Deno" && !deno) return;
      await using programs = new Programs();
      const origin = await startOrigin((request, socket) => {
        const seen = ["x-user", "remote-user", "authorization"].map((name) => request.header(name) ?? "-");
        socket.write(respondWith(seen.join(" ")));
      });
      const decider = await startOrigin((_, socket) => {
        socket.write("HTTP/1.1 200 OK\r\nRemote-User: ann\r\nContent-Length: 0\r\n\r\n");
      });
      const servers = ["a", "b"].map((name) => programs.evenkeel("backend", "--port", "0", "--name", name));
      const ports = await Promise.all(servers.map((server) => server.port("backend")));
      writeFileSync(inFolder("htpasswd"), `# staff\nann:${bcrypt}\n`);
      const file = inFolder(`${runtime}-${engine}-${workers}.yaml`);
      writeFileSync(file, configWith({ upstream: origin.port, decider: decider.port, servers: ports }));
      const command = runtime === "Deno" ? [deno, "run", "-A", "--unstable-net", main] : fromBuild;
      const proxy = programs.start([
        ...[...command, "proxy", "--config", file, "--engine", engine, "--workers", String(workers)],
        ...["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--state", ":memory:"],
      ]);
      const port = await proxy.port("balancer", 20_000);
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const get = async (host: string, ...fields: string[]) => {
        const head = [`GET /a HTTP/1.1`, `Host: ${host}`, ...fields].join("\r\n");
        const { status, body } = await sendRequest(port, `${head}\r\n\r\n`);
        return status === 200 ? body.toString() : status;
      };

      const from = (client: string) => get("office.test", `X-Forwarded-For: ${client}`);
      const clients = ["192.0.2.7", "192.0.2.66", "198.51.100.1", "192.0.2.7, 198.51.100.1"];
      const answers: unknown[] = [];
      for (const client of clients) answers.push(await from(client));
      expect(answers).toEqual(["- - -", 403, 403, 403]);

      const limited: unknown[] = [];
      for (let i = 0; i < 12; i++) limited.push(await get("limited.test"));
      const served = limited.filter((answer) => answer !== 429).length;
      // Each of two workers has one request, and all may come to one.
      expect(served).toBeGreaterThanOrEqual(workers === 1 ? 2 : 1);
      expect(served).toBeLessThanOrEqual(2);

      const basic = (text: string) => `Authorization: Basic ${Buffer.from(text).toString("base64")}`;
      const login = (text: string) => get("staff.test", basic(text), "X-User: root", "x_user: root");
      expect(await get("staff.test")).toBe(401);
      expect([await login("ann:open sesame"), await login("ben:swordfish")]).toEqual(["ann - -", "ben - -"]);
      expect([await login("ann:swordfish"), await login("eve:open sesame")]).toEqual([401, 401]);

      const authorized = () => get("auth.test", "Remote-User: root", "Remote.User: root");
      expect(await authorized()).toBe("- - -");
      await servers[0]?.kill("SIGKILL");
      for (let i = 0; i < 10; i++) expect(await authorized()).toBe("- - -");
      await servers[1]?.kill("SIGKILL");
      for (let i = 0; i < 3; i++) expect(await authorized()).toBe(503);

      const path = "/api/a%20b?x";
      const fields = ["X-Forwarded-Uri: /public", "Remote-User: root"].join("\r\n");
      const stripped = await sendRequest(
        port,
        `GET ${path} HTTP/1.1\r\nHost: strip.test\r\n${fields}\r\n\r\n`,
      );
      expect([stripped.status, stripped.body.toString()]).toEqual([200, "- ann -"]);
      expect(origin.requests.at(-1)?.target).toBe("/a%20b?x");
      const told = (index: number) =>
        decider.requests[index]?.headers.filter(([name]) => /^x-forwarded-uri$/i.test(name));
      expect(told(0)?.map(([, value]) => value)).toEqual([path]);
      const preflight = "Origin: https://app.test\r\nAccess-Control-Request-Method: GET";
      const asked = `OPTIONS ${path} HTTP/1.1\r\nHost: strip.test\r\n${preflight}\r\n\r\n`;
      expect((await sendRequest(port, asked, "OPTIONS")).status).toBe(204);
      expect(decider.requests).toHaveLength(1);

      const metrics = async () => (await fetch(`${admin}/metrics`)).text();
      const expected = [
        `evenkeel_rate_limited_total{route="limited",name="api",mode="refused"} ${12 - served}`,
        'evenkeel_filter_answers_total{filter="allow",route="",code="403"} 2',
        'evenkeel_filter_answers_total{filter="deny",route="",code="403"} 1',
        `evenkeel_filter_answers_total{filter="rateLimit",route="limited",code="429"} ${12 - served}`,
        'evenkeel_filter_answers_total{filter="basicAuth",route="staff",code="401"} 3',
        'evenkeel_filter_answers_total{filter="forwardAuth",route="auth",code="503"} 3',
        'evenkeel_auth_duration_seconds_count{route="auth"} 11',
      ];
      let text = "";
      await until(async () => {
        text = await metrics();
        return expected.every((line) => text.includes(`${line}\n`));
      }, "the metrics");
      const events = async () =>
        ((await (await fetch(`${admin}/api/events?limit=100`)).json()) as { events: BalancerEvent[] }).events;
      if (workers === 2 && engine === "wire") {
        let found: BalancerEvent[] = [];
        const isLimit = ({ kind }: BalancerEvent) => kind === "rate_limit";
        await until(async () => (found = (await events()).filter(isLimit)).length > 0, "the event", 15_000);
        expect(found.map(({ to, detail }) => [to, detail])).toEqual([
          ["refusing", "limit api of route limited"],
        ]);
      }
      const shown = await (await fetch(`${admin}/api/config`)).text();
      expect(shown + proxy.stdout + proxy.stderr).not.toContain(bcrypt.slice(30));
      expect(shown + proxy.stdout + proxy.stderr).not.toContain(argon2.slice(40));
      expect(text).toContain("evenkeel_bugs_total 0\n");
      await Promise.all([origin.close(), decider.close()]);
    },
    90_000,
  );
});
