import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { CertificatePair } from "../../src/tls/certificate-pair.ts";
import { selfSigned } from "../../src/tls/self-signed.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("rotation");
const deno = await findDeno();
const programs = new Programs();
afterAll(() => programs[Symbol.asyncDispose]());

/** Writes as most tools do: to another name first. */
function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

function writePair(folder: string, name: string, { cert, key }: CertificatePair): void {
  write(`${folder}/${name}.key`, key);
  write(`${folder}/${name}.crt`, cert);
}

interface Visit {
  readonly socket: TLSSocket;
  readonly fingerprint: string;
  readonly received: () => string;
}

/** A new connection; rejects if it is reset at any time before `close`. */
function visit(port: number, servername: string): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false });
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      const fingerprint = socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase();
      resolve({ socket, fingerprint, received: () => received });
    });
  });
}

async function ask({ socket, received }: Visit): Promise<void> {
  const before = received().length;
  socket.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await until(() => received().slice(before).endsWith("\r\n\r\nok") || socket.destroyed, "a response");
  if (socket.destroyed) throw new Error("the connection was closed");
}

const rotations = 50;
const source = [`${import.meta.dirname}/../../src/main.ts`];

describe.each([
  ["one process", fromBuild, []],
  ["two workers", fromBuild, ["--workers", "2"]],
  ["Deno", deno ? [deno, "run", "-A", "--unstable-net", ...source] : [], []],
  ["Deno with two workers", deno ? [deno, "run", "-A", "--unstable-net", ...source] : [], ["--workers", "2"]],
] as const)("with %s", (name, command, flags) => {
  test.skipIf(command.length === 0)(
    "fifty rotations reset no connection, and every new handshake after one has the new certificate",
    async () => {
      const folder = inFolder(name.replaceAll(" ", "-"));
      mkdirSync(folder);
      const pairs = [selfSigned("a.test", ""), selfSigned("a.test", "")] as const;
      writePair(folder, "a", pairs[0]);
      writePair(folder, "b", selfSigned("b.test", ""));
      const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
      const config = `${folder}/evenkeel.yaml`;
      writeFileSync(
        config,
        `certificates: [{ folder: ${folder} }]\nlisten: { tls: true }\npools: { main: { upstreams: [${origin.url}] } }\n`,
      );
      const listen = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", config];
      const proxy = programs.start([...command, "proxy", ...listen, ...flags]);
      const port = await proxy.port("balancer");
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const first = await visit(port, "a.test");
      expect(first.fingerprint).toBe(pairs[0].fingerprint);
      let isOver = false;
      let visits = 0;
      const crowd = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const one = await visit(port, visits % 3 === 0 ? "b.test" : "a.test");
          await ask(one);
          visits += 1;
          one.socket.destroy();
        }
      });
      for (let i = 1; i <= rotations; i++) {
        writePair(folder, "a", pairs[i % 2 === 0 ? 0 : 1]);
        const report = await fetch(`${admin}/api/certificates/reload`, { method: "POST" });
        expect(await report.json()).toMatchObject({ changed: [`${folder}/a.crt`], refused: [] });
        if (i % 10 > 0) continue;
        const wanted = pairs[i % 2 === 0 ? 0 : 1].fingerprint;
        // Workers get the change by a message.
        await until(async () => {
          const seen = await Promise.all(Array.from({ length: 4 }, () => visit(port, "a.test")));
          for (const { socket } of seen) socket.destroy();
          return seen.every(({ fingerprint }) => fingerprint === wanted);
        }, "the new certificate everywhere");
        await ask(first);
      }
      isOver = true;
      await Promise.all(crowd);
      expect(visits).toBeGreaterThan(20);
      const snapshot = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
      expect(snapshot.certificates?.map(({ names, status }) => `${names.join()} ${status}`)).toEqual([
        "a.test valid",
        "b.test valid",
      ]);
      expect(JSON.stringify(snapshot) + proxy.stderr + proxy.stdout).not.toContain("PRIVATE");
      first.socket.destroy();
      await proxy.kill("SIGKILL");
      await origin.close();
    },
    60_000,
  );
});

test("a reload adds and removes certificates, and a refused one changes nothing", async () => {
  const folder = inFolder("reloaded");
  mkdirSync(folder);
  const [first, second, other] = ["a.test", "b.test", "c.test"].map((name) => selfSigned(name, "")) as [
    CertificatePair,
    CertificatePair,
    CertificatePair,
  ];
  writePair(folder, "a", first);
  writePair(folder, "b", second);
  write(`${folder}/c.key`, other.key);
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const config = `${folder}/evenkeel.yaml`;
  const entry = (cert: string, key: string) => `{ cert: ${folder}/${cert}.crt, key: ${folder}/${key}.key }`;
  const configure = (...entries: readonly string[]) =>
    write(
      config,
      `certificates: [${entries.join()}]\nlisten: { tls: true }\npools: { main: { upstreams: [${origin.url}] } }\n`,
    );
  configure(entry("a", "a"));
  const listen = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", config];
  const proxy = programs.evenkeel("proxy", ...listen);
  const port = await proxy.port("balancer");
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const reload = async () => (await fetch(`${admin}/api/reload`, { method: "POST" })).status;
  const shown = async (name: string) => {
    const { socket, fingerprint } = await visit(port, name);
    socket.destroy();
    return fingerprint;
  };
  expect([await shown("a.test"), await shown("b.test")]).toEqual([first.fingerprint, first.fingerprint]);
  configure(entry("a", "a"), entry("b", "b"));
  expect(await reload()).toBe(200);
  expect([await shown("a.test"), await shown("b.test")]).toEqual([first.fingerprint, second.fingerprint]);
  configure(entry("a", "a"), entry("b", "c"));
  expect(await reload()).toBe(422);
  expect([await shown("a.test"), await shown("b.test")]).toEqual([first.fingerprint, second.fingerprint]);
  configure(entry("b", "b"));
  expect(await reload()).toBe(200);
  expect([await shown("a.test"), await shown("b.test")]).toEqual([second.fingerprint, second.fingerprint]);
  await proxy.kill("SIGKILL");
  await origin.close();
}, 20_000);

test("--watch takes a renewed certificate at once", async () => {
  const folder = inFolder("watched");
  mkdirSync(`${folder}/live`, { recursive: true });
  const [old, renewed] = [selfSigned("a.test", ""), selfSigned("a.test", "")];
  writePair(`${folder}/live`, "a", old);
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const config = `${folder}/evenkeel.yaml`;
  writeFileSync(
    config,
    `certificates: [{ folder: ${folder}/live }]\nlisten: { tls: true }\npools: { main: { upstreams: [${origin.url}] } }\n`,
  );
  const listen = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", config, "--watch"];
  const proxy = programs.evenkeel("proxy", ...listen);
  const port = await proxy.port("balancer");
  const shown = async (name: string) => {
    const { socket, fingerprint } = await visit(port, name);
    socket.destroy();
    return fingerprint;
  };
  expect(await shown("a.test")).toBe(old.fingerprint);
  writePair(`${folder}/live`, "a", renewed);
  await until(async () => (await shown("a.test")) === renewed.fingerprint, "the renewed certificate");
  const added = selfSigned("b.test", "");
  mkdirSync(`${folder}/live/b.test`);
  write(`${folder}/live/b.test/privkey.pem`, added.key);
  write(`${folder}/live/b.test/fullchain.pem`, added.cert);
  await until(async () => (await shown("b.test")) === added.fingerprint, "the added certificate");
  await proxy.kill("SIGKILL");
  await origin.close();
}, 20_000);
