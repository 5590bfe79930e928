import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { AcmeDirectory } from "../support/acme-directory.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("acme");
const root = join(import.meta.dirname, "../..");
const host = "shop.test";
let runs = 0;

interface Started {
  readonly directory: AcmeDirectory;
  readonly upstream: string;
  readonly challenge: "http-01" | "tls-alpn-01";
  readonly command?: readonly string[];
  readonly workers?: string;
  /** Of an earlier run. */
  readonly state?: string;
  readonly storage?: string;
}

async function start(programs: Programs, { directory, upstream, challenge, ...given }: Started) {
  const { command = fromBuild, workers = "1", state = inFolder(`run-${(runs += 1)}/state.db`) } = given;
  const { storage = join(state, "../acme") } = given;
  const config = inFolder(`${(runs += 1)}.yaml`);
  const ca = inFolder(`${runs}.pem`);
  writeFileSync(ca, directory.authority.pem);
  writeFileSync(
    config,
    `certificates:
  - acme: { agree: true, email: ops@example.com, directory: "${directory.url}", challenge: ${challenge}, ca: ${ca}, storage: ${storage} }
listen:
  - { name: web, host: 127.0.0.1, port: 0, redirect: https }
  - { name: main, host: 127.0.0.1, port: 0, tls: true }
pools: { main: { upstreams: [${upstream}] } }
routes: [{ host: ${host}, pool: main }]
`,
  );
  const flags = ["proxy", "--admin-port", "0", "--config", config, "--workers", workers];
  const program = programs.start([...command, ...flags], { EVENKEEL_STATE: state });
  const admin = `http://127.0.0.1:${await program.port("admin", 30_000)}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const ports = (await snapshot()).listeners.map(({ port }) => port);
  const [httpPort = 0, tlsPort = 0] = ports;
  Object.assign(directory, { httpPort, tlsPort });
  const metrics = async () => (await fetch(`${admin}/metrics`)).text();
  return { program, snapshot, metrics, httpPort, tlsPort, state, config };
}

/** What a new client is shown. */
function shownAt(port: number): Promise<{ fingerprint: string; issuer: string }> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({
      host: "127.0.0.1",
      port,
      servername: host,
      rejectUnauthorized: false,
    });
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      const { fingerprint256, issuer } = socket.getPeerCertificate();
      socket.destroy();
      resolve({ fingerprint: fingerprint256, issuer: String(issuer.CN) });
    });
  });
}

function statusOver(agent: Agent, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { agent, host: "127.0.0.1", port, servername: host, headers: { Host: host }, path: "/" },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}

const denoCommand = async () => {
  const deno = await findDeno();
  return deno ? [deno, "run", "-A", join(root, "src/main.ts")] : undefined;
};

let deno: readonly string[] | undefined;
beforeAll(async () => {
  deno = await denoCommand();
}, 120_000);

const variants = [
  ["Bun", "2", "http-01"],
  ["Deno", "1", "http-01"],
  ["Bun", "1", "tls-alpn-01"],
  ["Bun", "2", "tls-alpn-01"],
] as const;

describe.each(variants)("on %s with %s worker(s), by %s,", (runtime, workers, challenge) => {
  test("the first certificate comes, is renewed, and no connection is lost", async () => {
    const command = runtime === "Deno" ? deno : fromBuild;
    if (!command) return;
    await using programs = new Programs();
    const directory = await AcmeDirectory.start();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("hello")));
    try {
      directory.life = { fromMs: -1_000, untilMs: 9_000 };
      const given = { directory, upstream: origin.url, challenge, command, workers };
      const { program, snapshot, metrics, tlsPort, httpPort, state } = await start(programs, given);
      const issued = async () => (await shownAt(tlsPort)).issuer === "Test Root";
      await until(issued, "the first certificate", 20_000).catch((error: unknown) => {
        throw new Error(`${String(error)} ${program.describe()}`);
      });
      const first = await shownAt(tlsPort);
      const ca = directory.authority.pem;
      const kept = new Agent({ ca, keepAlive: true, maxSockets: 1 });
      const statuses: number[] = [];
      await until(
        async () => {
          statuses.push(await statusOver(kept, tlsPort));
          statuses.push(await statusOver(new Agent({ ca, maxCachedSessions: 0 }), tlsPort));
          return (await shownAt(tlsPort)).fingerprint !== first.fingerprint;
        },
        "the renewal",
        25_000,
      );
      statuses.push(await statusOver(kept, tlsPort));
      kept.destroy();
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(directory.accounts.size).toBe(1);
      // A token that is not ours goes the way of every request.
      const unknown = await sendRequest(
        httpPort,
        `GET /.well-known/acme-challenge/unknown HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      );
      expect(unknown.status).toBe(301);
      const { events, orders } = await snapshot();
      const texts = events.filter(({ kind }) => kind === "certificate").map(({ to }) => to);
      expect(texts.slice(0, 3)).toEqual(["self-signed", "issued", "renewed"]);
      expect(orders).toMatchObject([{ host, directory: directory.url, failures: 0, failure: null }]);
      expect(await metrics()).toContain('evenkeel_acme_orders_total{result="issued"} 2\n');
      const shown = JSON.stringify([await snapshot(), program.stdout, program.stderr]);
      expect(shown).not.toContain("PRIVATE KEY");
      const folder = join(state, "../acme");
      for (const name of readdirSync(folder, { recursive: true }).map(String)) {
        const { mode } = statSync(join(folder, name));
        expect(`${name} ${(mode & 0o077).toString(8)}`).toBe(`${name} 0`);
      }
    } finally {
      await origin.close();
      await directory.close();
    }
  }, 90_000);
});

test("two balancers with one folder order one certificate, and both answer the authority", async () => {
  await using programs = new Programs();
  const directory = await AcmeDirectory.start();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("hello")));
  try {
    const storage = inFolder("shared");
    const given = { directory, upstream: origin.url, challenge: "http-01", storage } as const;
    directory.isSlow = true;
    const [one, other] = await Promise.all([start(programs, given), start(programs, given)]);
    await until(() => directory.count("/challenge/") > 0, "an order", 20_000);
    const orderer = (await one.snapshot()).orders?.[0]?.isOrdering ? one : other;
    // The authority asks the one that did not order.
    directory.httpPort = (orderer === one ? other : one).httpPort;
    directory.isSlow = false;
    directory.checkPending();
    const fingerprints = async () => {
      const shown = await Promise.all([one, other].map(({ tlsPort }) => shownAt(tlsPort)));
      return shown.map(({ issuer, fingerprint }) => (issuer === "Test Root" ? fingerprint : "self-signed"));
    };
    const isSame = async () => {
      const [first, second] = await fingerprints();
      return first !== "self-signed" && first === second;
    };
    await until(isSame, "the same certificate", 20_000);
    expect([directory.orders.size, directory.accounts.size]).toEqual([1, 1]);
  } finally {
    await origin.close();
    await directory.close();
  }
}, 90_000);

test("Deno refuses a challenge that it cannot answer", async () => {
  if (!deno) return;
  await using programs = new Programs();
  const config = inFolder("deno.yaml");
  const listen = "listen: { port: 0, host: 127.0.0.1, tls: true }";
  writeFileSync(config, `certificates: [{ acme: { agree: true, hosts: [${host}] } }]\n${listen}\n`);
  const program = programs.start([...deno, "check", "--config", config]);
  expect((await program.exited).code).toBe(2);
  expect(program.stdout + program.stderr).toContain("tls-alpn-01 does not work under Deno");
}, 60_000);

test("a restart uses the stored certificate, and a directory that is away is in status and metrics", async () => {
  await using programs = new Programs();
  const directory = await AcmeDirectory.start();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("hello")));
  try {
    const given = { directory, upstream: origin.url, challenge: "http-01" } as const;
    const first = await start(programs, given);
    const issuer = async (port: number) => (await shownAt(port)).issuer;
    await until(async () => (await issuer(first.tlsPort)) === "Test Root", "the certificate", 20_000);
    const stored = readFileSync(join(first.state, "../acme", host, "cert.pem"), "utf8");
    await first.program.kill("SIGKILL");
    await directory.close();
    const second = await start(programs, { ...given, state: first.state });
    expect(await issuer(second.tlsPort)).toBe("Test Root");
    expect(readFileSync(join(first.state, "../acme", host, "cert.pem"), "utf8")).toBe(stored);
    await second.program.kill("SIGTERM");

    const third = await start(programs, given);
    expect(await issuer(third.tlsPort)).toBe(host);
    await until(async () => (await third.snapshot()).orders?.[0]?.failure, "the failure", 20_000);
    expect((await third.snapshot()).orders).toMatchObject([
      { expiresAt: null, failures: 1, failure: { reason: "unreachable" } },
    ]);
    expect(await third.metrics()).toContain('evenkeel_acme_orders_total{result="unreachable"} 1\n');
    expect(third.program.stderr).toContain("certificate not issued");
  } finally {
    await origin.close();
    await directory.close().catch(() => {});
  }
}, 90_000);
