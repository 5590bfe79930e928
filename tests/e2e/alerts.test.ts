import { describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { TestAuthority } from "../support/acme-authority.ts";
import { AlertReceiver, isSigned } from "../support/alert-receiver.ts";
import { alertSecret } from "../support/alerts.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { freePorts } from "../support/free-ports.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, isGone, type Program, Programs } from "../support/program.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("alerts");
const example = join(import.meta.dirname, "../../examples/extensions");
const deno = await findDeno();
const main = join(import.meta.dirname, "../../src/main.ts");

/** A balancer whose only upstream refuses connections, so that a problem opens at once. */
function folderWith(name: string, alerts: string): string {
  const folder = inFolder(name);
  mkdirSync(folder);
  writeFileSync(join(folder, "key"), `${alertSecret}\n`);
  const file = join(folder, "evenkeel.yaml");
  writeFileSync(
    file,
    `dashboard: { url: "https://lb.example.com" }
pools:
  shop: { probe: { interval: 1s, changingInterval: 1s }, upstreams: ["http://127.0.0.1:9"] }
alerts:
${alerts}`,
  );
  return folder;
}

const listeners = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];

function start(programs: Programs, folder: string, command: readonly string[] = fromBuild): Program {
  const files = ["--config", join(folder, "evenkeel.yaml"), "--state", join(folder, "state.db")];
  return programs.start([...command, "proxy", ...files, ...listeners]);
}

interface Alerts {
  readonly sent: readonly { readonly state: string; readonly problem: { readonly id: string } }[];
}

test("a change is sent once, whatever ends the process: what waits outlives kill -9, what was sent does not return", async () => {
  await using programs = new Programs();
  await using receiver = await AlertReceiver.start();
  receiver.reactions = [503];
  const folder = folderWith(
    "killed",
    `  - { url: "${receiver.url}", secretFile: ${inFolder("killed")}/key }\n`,
  );
  const first = start(programs, folder);
  await until(() => receiver.received.length > 0, "the first try", 15_000);
  await first.kill("SIGKILL");
  receiver.reactions = [200];
  const tries = receiver.received.length;
  const second = start(programs, folder);
  await until(() => receiver.received.length > tries, "the same alert again", 15_000);
  const delivered = receiver.received.at(-1);
  expect(delivered?.headers["idempotency-key"]).toBe(receiver.received[0]?.headers["idempotency-key"] ?? "");
  expect(delivered?.body).toBe(receiver.received[0]?.body ?? "");
  expect(delivered && isSigned(delivered, alertSecret)).toBe(true);
  expect(delivered?.json).toMatchObject({ event: "problem.opened", kind: "pool_empty", level: "critical" });
  const admin = `http://127.0.0.1:${await second.port("admin")}`;
  const alerts = async () => (await (await fetch(`${admin}/api/alerts`)).json()) as Alerts;
  await until(async () => (await alerts()).sent.every(({ state }) => state === "sent"));
  await second.kill("SIGKILL");
  const count = receiver.received.length;
  const third = start(programs, folder);
  const thirdAdmin = `http://127.0.0.1:${await third.port("admin")}`;
  const problems = async () =>
    ((await (await fetch(`${thirdAdmin}/api/problems`)).json()) as { problems: readonly { id: string }[] })
      .problems;
  // It knows of the same problem, and has nothing to tell.
  await until(async () => (await problems()).some(({ id }) => id === delivered?.json["id"]));
  expect(receiver.received).toHaveLength(count);
  await third.kill("SIGTERM");
  expect(receiver.received).toHaveLength(count);
}, 60_000);

test.if(process.platform === "linux")(
  "two workers and an upgrade send each change once: what waits goes over to the new process",
  async () => {
    await using programs = new Programs();
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [503];
    const port = await freePorts(1);
    const folder = inFolder("workers");
    mkdirSync(folder);
    const file = join(folder, "evenkeel.yaml");
    writeFileSync(
      file,
      `alerts: [{ url: "${receiver.url}", kinds: [pool_empty] }]
pools: { shop: { probe: { interval: 200ms, changingInterval: 200ms }, upstreams: ["http://127.0.0.1:${port}"] } }
`,
    );
    const program = programs.start(
      [
        ...[...fromBuild, "proxy", "--workers", "2", "--config", file, "--state", join(folder, "state.db")],
        ...listeners,
      ],
      { EVENKEEL_ALERT_SECRET: alertSecret },
    );
    const admin = `http://127.0.0.1:${await program.port("admin", 20_000)}`;
    const read = async <Reply>(path: string) => (await (await fetch(`${admin}${path}`)).json()) as Reply;
    await using upgraded = new UpgradedProgram(program);
    const old = upgraded.pid;
    await until(() => receiver.received.length > 0, "the first try", 15_000);
    expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
    await until(() => isGone(old), "the old process to exit", 15_000);
    receiver.reactions = [200];
    const sent = async () => (await read<Alerts>("/api/alerts")).sent.filter(({ state }) => state === "sent");
    await until(async () => (await sent()).length === 1, "the opening", 20_000);
    const origin = await startOrigin({
      respond: (_, socket) => void socket.write(respondWith("ok")),
      port,
    });
    await until(async () => (await sent()).length === 2, "the end", 30_000);
    // Also after one more process the opening and the end are all that there is to send.
    expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
    await until(async () => (await read<Alerts>("/api/alerts")).sent.length === 2, "the record goes over");
    await until(
      async () => (await read<{ problems: unknown[] }>("/api/problems?state=open")).problems.length === 0,
    );
    const taken = receiver.received.filter((_, index) => index >= receiver.received.length - 2);
    expect(taken.map(({ json }) => json["event"])).toEqual(["problem.opened", "problem.closed"]);
    expect(new Set(receiver.keys).size).toBe(2);
    expect(receiver.events.filter((event) => event.startsWith("problem.closed"))).toHaveLength(1);
    await origin.close();
  },
  90_000,
);

test("the example of a format of its own makes tickets", async () => {
  await using programs = new Programs();
  await using receiver = await AlertReceiver.start();
  const own = `  - { name: tickets, url: "${receiver.url}", format: extension:tickets, secretFile: ${inFolder("own")}/key }\n`;
  const folder = folderWith("own", own);
  cpSync(join(example, "evenkeel.ts"), join(folder, "evenkeel.ts"));
  start(programs, folder);
  await until(() => receiver.received.length > 0, "the ticket", 15_000);
  const [ticket] = receiver.received;
  expect(ticket?.headers["authorization"]).toBe(`Bearer ${alertSecret}`);
  expect(ticket && isSigned(ticket, alertSecret)).toBe(true);
  expect(ticket?.json).toMatchObject({ state: "open", priority: 1, summary: "No upstream serves pool shop" });
}, 30_000);

const ways = [
  ["Bun", fromBuild],
  ...(deno ? [["Deno", [deno, "run", "-A", "--unstable-net", main]] as const] : []),
];

describe.each(ways as readonly (readonly [string, readonly string[]])[])("on %s", (runtime, command) => {
  test("a receiver is verified by its own authority, under its name", async () => {
    await using programs = new Programs();
    const authority = await TestAuthority.create();
    await using receiver = await AlertReceiver.start(await authority.pair("localhost"));
    await using other = await AlertReceiver.start(await authority.pair("elsewhere.example"));
    const at = inFolder(runtime);
    const receivers = [receiver, other].map(
      ({ port }, index) =>
        `  - { name: r${index}, url: "https://localhost:${port}/hook", secretFile: ${at}/key, ca: ${at}/ca.pem }\n`,
    );
    const folder = folderWith(runtime, receivers.join(""));
    writeFileSync(join(folder, "ca.pem"), authority.pem);
    const program = start(programs, folder, command);
    await until(() => receiver.received.length > 0, "the alert", 20_000);
    expect(receiver.received[0]?.headers.host).toBe(`localhost:${receiver.port}`);
    const admin = `http://127.0.0.1:${await program.port("admin")}`;
    await until(async () => {
      const { receivers: shown } = (await (await fetch(`${admin}/api/alerts`)).json()) as {
        receivers: readonly { readonly failing: { readonly reason: string } | null }[];
      };
      return shown[1]?.failing?.reason === "tls";
    });
    expect(other.received).toHaveLength(0);
  }, 60_000);
});
