import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { join } from "node:path";

import { runtime } from "#runtime";

import { version } from "../../src/config/config.ts";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { selfSigned } from "../../src/tls/self-signed.ts";
import { hashOf } from "../admin/fixture.ts";
import { builtScript } from "../support/built.ts";
import { startConnectionLoad } from "../support/connection-load.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { freePorts } from "../support/free-ports.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { isGone, Programs } from "../support/program.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("upgrade");

/** Scripts that a test replaces load this one; the executable has no script. */
const bundle = await builtScript();

const flags = (port: number, ...more: string[]) => [
  ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
  ...["--upstreams", `http://127.0.0.1:${port};name=one`, ...more],
];

async function started(programs: Programs, argv: readonly string[]) {
  const program = programs.evenkeel(...argv);
  const port = await program.port("balancer");
  const admin = `http://127.0.0.1:${await program.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const events = async () =>
    ((await (await fetch(`${admin}/api/events?limit=2000`)).json()) as { events: BalancerEvent[] }).events;
  return { program, port, admin, snapshot, events };
}

const prompt = () => startOrigin((_, socket) => void socket.write(respondWith("ok")));

describe("an upgrade", () => {
  for (const workers of [1, 2]) {
    test(`loses no connection in three handovers of ${workers} processes, with a stalled event loop`, async () => {
      await using programs = new Programs();
      const origin = await prompt();
      const { program, port, admin, snapshot, events } = await started(
        programs,
        flags(origin.port, "--state", inFolder(`load-${workers}.db`), "--workers", `${workers}`),
      );
      await using upgraded = new UpgradedProgram(program);
      const load = startConnectionLoad({ port, freshClients: 12, keptClients: 4 });
      await until(() => load.fresh > 100 && load.kept > 100, "the load to run", 20_000);
      for (const generation of [1, 2, 3]) {
        const old = upgraded.pid;
        const before = load.fresh;
        const finished = upgraded.upgrade(admin);
        await until(
          () => program.stderr.split('"took over"').length === generation + 1,
          "the new process to serve",
          20_000,
        );
        await upgraded.stall(old, 50);
        expect(await finished).toMatchObject({ upgraded: true });
        await until(() => isGone(old), "the old process to exit", 15_000);
        await until(() => load.fresh > before + 100, "more connections", 20_000);
      }
      await load.stop();
      expect([...load.lost]).toEqual([]);
      expect((await snapshot()).upgrade).toMatchObject({ generation: 3, isRunning: false, failed: null });
      expect((await events()).filter(({ kind }) => kind === "upgrade")).toHaveLength(3);
      await origin.close();
    }, 90_000);
  }
});

describe("what crosses an upgrade", () => {
  for (const state of ["file", ":memory:"]) {
    test(`modes, weights, events and sessions do, with state in ${state}: a person stays logged in`, async () => {
      await using programs = new Programs();
      const origin = await prompt();
      const passwordHash = await hashOf("a password");
      const config = inFolder(`crossing-${state === "file"}.yaml`);
      writeFileSync(
        config,
        `admin: { users: [{ name: ann, role: admin, passwordHash: "${passwordHash}" }] }
pools: { main: { upstreams: ["${origin.url};name=one", "http://127.0.0.1:9;name=two"] } }\n`,
      );
      const where = state === "file" ? inFolder("crossing.db") : state;
      const program = programs.evenkeel(
        ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
        ...["--config", config, "--state", where],
      );
      await program.port("balancer");
      const admin = `http://127.0.0.1:${await program.port("admin")}`;
      await using upgraded = new UpgradedProgram(program);
      let session = "";
      const call = async (method: string, path: string, body?: object) => {
        const headers = { Authorization: `Bearer ${session}` };
        const response = await fetch(admin + path, {
          method,
          headers,
          ...(body && { body: JSON.stringify(body) }),
        });
        return { status: response.status, body: (await response.json()) as Record<string, unknown> };
      };
      session = String(
        (await call("POST", "/api/login", { name: "ann", password: "a password" })).body["session"],
      );
      expect((await call("POST", "/api/upstreams/two/mode", { mode: "maintenance" })).status).toBe(200);
      expect((await call("PATCH", "/api/upstreams/one", { weight: 7 })).status).toBe(200);
      const first = upgraded.pid;
      expect((await call("POST", "/api/upgrade", { reason: "0.2.1" })).body).toMatchObject({
        upgraded: true,
      });
      expect((await call("GET", "/api/me")).body).toMatchObject({ name: "ann" });
      const snapshot = (await call("GET", "/api/snapshot")).body as unknown as Snapshot;
      const [one, two] = snapshot.pools[0]?.upstreams ?? [];
      expect([one?.weight, two?.mode]).toEqual([7, "maintenance"]);
      const { events } = (await call("GET", "/api/events?limit=2000")).body as { events: BalancerEvent[] };
      const told = events.filter(({ kind }) => ["login", "mode", "weight", "upgrade"].includes(kind));
      expect(told.map(({ kind, to, by }) => `${kind} ${to} ${by}`)).toEqual([
        "login accepted ann",
        "mode maintenance ann",
        "weight 7 ann",
        "upgrade done ann",
      ]);
      expect(told.at(-1)?.detail).toBe(`from process ${first} (version ${version}): 0.2.1`);
      await until(() => isGone(first), "the first process to exit", 10_000);
      // The new process owns the state: what it is told lasts.
      expect((await call("POST", "/api/upstreams/two/mode", { mode: "ready" })).status).toBe(200);
      expect((await call("POST", "/api/upgrade")).body).toMatchObject({ upgraded: true });
      const last = (await call("GET", "/api/snapshot")).body as unknown as Snapshot;
      expect(last.pools[0]?.upstreams.map(({ mode }) => mode)).toEqual(["ready", "ready"]);
      await origin.close();
    }, 30_000);
  }

  test("streams in flight finish: HTTP/2 over TLS gets GOAWAY, and new connections the new process", async () => {
    await using programs = new Programs();
    const waiting: (() => void)[] = [];
    const origin = await startOrigin(({ target }, socket) => {
      if (target === "/late") waiting.push(() => socket.write(respondWith("late")));
      else socket.write(respondWith("ok"));
    });
    const { cert, key } = selfSigned("localhost", "test");
    writeFileSync(inFolder("cert.pem"), cert);
    writeFileSync(inFolder("key.pem"), key);
    const config = inFolder("secure.yaml");
    const tls = `tls: { cert: ${inFolder("cert.pem")}, key: ${inFolder("key.pem")} }`;
    writeFileSync(
      config,
      `listen:
  - { name: main, host: 127.0.0.1, port: 0, protocols: [http1, http2], ${tls} }
  - { name: proxied, host: 127.0.0.1, port: 0, proxyProtocol: { from: [127.0.0.0/8] } }
  - { name: six, host: "::1", port: 0 }
pools: { main: { upstreams: ["${origin.url}"] } }\n`,
    );
    const { program, port, admin, snapshot } = await started(programs, [
      ...["proxy", "--admin-port", "0", "--config", config],
    ]);
    await using upgraded = new UpgradedProgram(program);
    const ports = (await snapshot()).listeners.map((listener) => listener.port);
    const client = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const goaway = new Promise((resolve) => client.once("goaway", resolve));
    const late = new Promise<string>((resolve) => {
      const stream = client.request({ ":path": "/late", ":authority": "localhost" });
      let text = "";
      stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      stream.on("end", () => resolve(text));
    });
    await until(() => waiting.length === 1, "the stream to arrive");
    const greeting = "PROXY TCP4 192.0.2.7 192.0.2.8 1000 80\r\n";
    const loads = [
      startConnectionLoad({ port, freshClients: 3, keptClients: 2, isSecure: true }),
      startConnectionLoad({ port: ports[1] ?? 0, freshClients: 2, keptClients: 2, greeting }),
      startConnectionLoad({ port: ports[2] ?? 0, hostname: "::1", freshClients: 2, keptClients: 2 }),
    ];
    await until(() => loads.every(({ fresh, kept }) => fresh > 10 && kept > 10), "the loads to run");
    const first = upgraded.pid;
    expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
    await goaway;
    const before = loads.map(({ fresh }) => fresh);
    await until(
      () => loads.every(({ fresh }, index) => fresh > (before[index] ?? 0) + 20),
      "more connections",
    );
    for (const respond of waiting) respond();
    expect(await late).toBe("late");
    client.close();
    await until(() => isGone(first), "the first process to exit", 15_000);
    for (const load of loads) await load.stop();
    expect(loads.flatMap(({ lost }) => [...lost])).toEqual([]);
    expect((await snapshot()).listeners.map((listener) => listener.port)).toEqual(ports);
    await origin.close();
  }, 30_000);

  test("a configuration that asks an authentication server for the first time is taken over, with its routes", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const config = inFolder("asking.yaml");
    const listen = "listen: { host: 127.0.0.1, port: 0 }\n";
    const pools = `pools: { main: { upstreams: ["${origin.url}"] } }\n`;
    writeFileSync(config, listen + pools);
    const { program, port, admin } = await started(programs, [
      "proxy",
      "--admin-port",
      "0",
      "--config",
      config,
    ]);
    await using upgraded = new UpgradedProgram(program);
    writeFileSync(
      config,
      `${listen}${pools}routes: [{ path: /, pool: main, forwardAuth: { pool: main, path: /verify } }]\n`,
    );
    // More fetches at a time need a variable at the start of the runtime.
    expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
    if (process.platform === "linux")
      expect(readFileSync(`/proc/${upgraded.pid}/environ`, "utf8")).toContain(
        "BUN_CONFIG_MAX_HTTP_REQUESTS=65535",
      );
    await until(() => isGone(program.pid), "the first process to exit", 10_000);
    await origin.close();
  }, 20_000);

  test("a listener with another address is opened, and the old one closed; a port in use lets it fail", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const config = inFolder("moved.yaml");
    const file = (...ports: readonly number[]) =>
      `listen: [${ports.map((port, index) => `{ name: l${index}, host: 127.0.0.1, port: ${port} }`).join(", ")}]
pools: { main: { upstreams: ["${origin.url}"] } }\n`;
    const one = await freePorts(2);
    const two = one + 1;
    writeFileSync(config, file(one));
    const { program, admin } = await started(programs, ["proxy", "--admin-port", "0", "--config", config]);
    await using upgraded = new UpgradedProgram(program);
    const taken = await prompt();
    writeFileSync(config, file(one, taken.port));
    const failed = await upgraded.upgrade(admin);
    expect(failed).toMatchObject({ upgraded: false, pid: program.pid });
    expect(failed.why).toBe(
      `Cannot listen on 127.0.0.1:${taken.port}: the address is already in use; set listen[1].port.`,
    );
    writeFileSync(config, file(two));
    expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
    expect(await (await fetch(`http://127.0.0.1:${two}/`)).text()).toBe("ok");
    await until(() => isGone(program.pid), "the first process to exit", 10_000);
    expect(await fetch(`http://127.0.0.1:${one}/`).catch(() => "refused")).toBe("refused");
    expect(program.stderr).toMatch(/"message":"listener closed".*"address":"127.0.0.1:/);
    expect(program.stderr).toMatch(/"message":"listener opened".*"address":"127.0.0.1:/);
    await Promise.all([origin.close(), taken.close()]);
  }, 20_000);
});

/** A program that a test can replace while it runs. */
function replaceable(name: string): {
  readonly command: readonly string[];
  readonly become: (text: string) => void;
} {
  const script = inFolder(name);
  const become = (text: string) => writeFileSync(script, text);
  become(`await import(${JSON.stringify(bundle)});\n`);
  return { command: [process.execPath, script], become };
}

describe("a new process that does not serve", () => {
  test("leaves the old one serving, and says why: invalid configuration, exit, signal", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const { command, become } = replaceable("failing.js");
    const config = inFolder("failing.yaml");
    const valid = `pools: { main: { upstreams: ["${origin.url}"] } }\n`;
    writeFileSync(config, valid);
    const argv = ["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", config];
    const program = programs.start([...command, ...argv]);
    const port = await program.port("balancer");
    const admin = `http://127.0.0.1:${await program.port("admin")}`;
    await using _upgraded = new UpgradedProgram(program);
    const load = startConnectionLoad({ port, freshClients: 4, keptClients: 2 });
    const verb = async () => {
      const run = programs.evenkeel("upgrade", "--admin-url", admin);
      return { code: (await run.exited).code, text: run.stdout + run.stderr };
    };

    writeFileSync(config, "pools: { main: { upstreams: 7, polcy: first } }\n");
    const invalid = await verb();
    expect(invalid.code).toBe(1);
    expect(invalid.text).toContain(`Cannot upgrade: process ${program.pid} (version ${version}) goes on.`);
    expect(invalid.text).toContain("pools.main.upstreams");
    expect(invalid.text).toContain("polcy");
    writeFileSync(config, valid);

    become("process.exit(3);\n");
    expect((await verb()).text).toContain("the new process ended with exit 3");
    become('process.kill(process.pid, "SIGKILL");\n');
    expect((await verb()).text).toContain("the new process ended with SIGKILL");

    const snapshot = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
    expect(snapshot.upgrade).toMatchObject({ generation: 0, failures: 3, isRunning: false });
    expect(snapshot.upgrade?.failed?.why).toBe("the new process ended with SIGKILL");
    const events = snapshot.events.filter(({ kind }) => kind === "upgrade");
    expect(events.map(({ to }) => to)).toEqual(["failed", "failed", "failed"]);
    const status = programs.evenkeel("status", "--admin-url", admin);
    await status.exited;
    expect(status.stdout).toContain("The last upgrade failed");
    await until(
      async () =>
        (await (await fetch(`${admin}/metrics`)).text()).includes(
          'evenkeel_problems{kind="upgrade_failed",level="warning"} 1\n',
        ),
      "the problem",
    );
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain("evenkeel_upgrade_failures_total 3\n");
    expect(snapshot.phase).toBe("ready");
    await load.stop();
    expect([...load.lost]).toEqual([]);

    become(`await import(${JSON.stringify(bundle)});\n`);
    const done = await verb();
    expect(done.code).toBe(0);
    expect(done.text).toMatch(
      /^Upgraded: process \d+ \(version .*\) serves; the old one finishes its requests\.\n$/,
    );
    await origin.close();
  }, 40_000);

  test("keeps a second upgrade out, defers a reload, and ends with the old one", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const { command, become } = replaceable("silent.js");
    const program = programs.start([...command, ...flags(origin.port)]);
    const admin = `http://127.0.0.1:${await program.port("admin")}`;
    become("console.error(`silent ${process.pid}`); setInterval(() => {}, 1000);\n");
    process.kill(program.pid, "SIGUSR2");
    await until(() => /^silent \d+$/m.test(program.stderr), "the silent process");
    const silent = Number(/^silent (\d+)$/m.exec(program.stderr)?.[1]);
    const second = programs.evenkeel("upgrade", "--admin-url", admin);
    expect((await second.exited).code).toBe(2);
    expect(second.stderr).toBe("Cannot upgrade: another upgrade is running.\n");
    process.kill(program.pid, "SIGHUP");
    await until(
      () => program.stderr.includes("reload deferred until the upgrade ends"),
      "the reload to wait",
    );
    // An order counts meanwhile: an incident does not wait.
    const mode = { method: "POST", body: JSON.stringify({ mode: "maintenance" }) };
    expect((await fetch(`${admin}/api/upstreams/one/mode`, mode)).status).toBe(200);
    expect(program.stderr).not.toContain("configuration unchanged");
    process.kill(silent, "SIGKILL");
    await until(() => program.stderr.includes("configuration unchanged"), "the reload");
    process.kill(program.pid, "SIGUSR2");
    const pids = () => [...program.stderr.matchAll(/^silent (\d+)$/gm)].map(([, pid]) => Number(pid));
    await until(() => pids().length === 2, "another silent process");
    program.child.kill("SIGTERM");
    await until(() => isGone(pids()[1] ?? 0), "the silent process to end");
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await origin.close();
  }, 20_000);

  test("takes over all the same if the old one dies meanwhile", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const { command, become } = replaceable("late.js");
    const state = inFolder("late.db");
    const program = programs.start([...command, ...flags(origin.port, "--state", state)]);
    const port = await program.port("balancer");
    // Stops itself before it can say that it is ready: its parent dies meanwhile.
    const stop = `const send = process.send.bind(process);
process.send = (message, ...rest) => {
  if (message.kind !== "ready") return send(message, ...rest);
  console.error("ready " + process.pid);
  process.once("disconnect", () => setTimeout(() => send(message, ...rest), 50));
};\n`;
    become(`${stop}await import(${JSON.stringify(bundle)});\n`);
    process.kill(program.pid, "SIGUSR2");
    await until(() => /^ready \d+$/m.test(program.stderr), "the new process");
    const pid = Number(/^ready (\d+)$/m.exec(program.stderr)?.[1]);
    program.child.kill("SIGKILL");
    try {
      await until(() => program.stderr.includes('"took over"'), "the takeover", 10_000);
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
    } finally {
      process.kill(pid, "SIGKILL");
    }
    await origin.close();
  }, 20_000);
});

describe("an old process that dies before the new one has asked it anything", () => {
  test.each([
    ["notices it at once", "while (process.ppid === parent) await Bun.sleep(5);"],
    ["has not noticed it yet", "while (process.ppid === parent) Bun.sleepSync(5);"],
  ])(
    "leaves sockets and state file to the new one, which %s",
    async (_, wait) => {
      await using programs = new Programs();
      const origin = await prompt();
      const { command, become } = replaceable("orphan.js");
      const state = inFolder("orphan.db");
      const program = programs.start([...command, ...flags(origin.port, "--state", state)]);
      const port = await program.port("balancer");
      const admin = `http://127.0.0.1:${await program.port("admin")}`;
      await fetch(`${admin}/api/upstreams/one`, { method: "PATCH", body: JSON.stringify({ weight: 7 }) });
      become(`const parent = process.ppid;
console.error("begun " + process.pid);
${wait}
await import(${JSON.stringify(bundle)});\n`);
      process.kill(program.pid, "SIGUSR2");
      await until(() => /^begun \d+$/m.test(program.stderr), "the new process");
      const pid = Number(/^begun (\d+)$/m.exec(program.stderr)?.[1]);
      const waiting = fetch(`http://127.0.0.1:${port}/`, { headers: { Connection: "close" } });
      expect(await (await waiting).text()).toBe("ok");
      program.child.kill("SIGKILL");
      try {
        await until(() => program.stdout.split("admin ").length === 3, "the new process to serve", 10_000);
        expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
        const adminPort = program.stdout
          .match(/^admin .*:(\d+) /gm)
          ?.at(-1)
          ?.match(/:(\d+) /)?.[1];
        const taken = (await (await fetch(`http://127.0.0.1:${adminPort}/api/snapshot`)).json()) as Snapshot;
        expect(taken.pools[0]?.upstreams[0]?.weight).toBe(7);
        expect(program.stderr).toContain("the process before is gone");
      } finally {
        process.kill(pid, "SIGKILL");
      }
      await origin.close();
    },
    20_000,
  );
});

describe("the fetch engine", () => {
  test("refuses an upgrade with one sentence, and goes on", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const { program, port, admin } = await started(programs, flags(origin.port, "--engine", "fetch"));
    const verb = programs.evenkeel("upgrade", "--admin-url", admin);
    expect((await verb.exited).code).toBe(2);
    expect(verb.stderr).toBe(
      "Cannot upgrade: the fetch engine cannot hand over its sockets; restart it, or use the wire engine.\n",
    );
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
    expect(isGone(program.pid)).toBe(false);
    await origin.close();
  });

  test("really cannot: Bun.serve opens a port of its own, whatever socket it gets", async () => {
    const held = await runtime.holdSocket("127.0.0.1", 0);
    if (!held) return;
    const options = { fd: held.fd, port: 0, hostname: "127.0.0.1", fetch: () => new Response("served") };
    const server = Bun.serve(options);
    expect(server.port).not.toBe(held.port);
    const client = fetch(`http://127.0.0.1:${held.port}/`, { signal: AbortSignal.timeout(300) });
    expect(await client.catch(() => "waits in vain")).toBe("waits in vain");
    await server.stop(true);
    runtime.systemCalls()?.close(held.fd);
  });
});

describe("under Deno", () => {
  test.each([1, 2])(
    "a new process takes over from one with %d worker(s), without a lost connection",
    async (workers) => {
      const deno = await findDeno();
      if (!deno) return;
      await using programs = new Programs();
      const origin = await prompt();
      const command = [deno, "run", "-A", join(import.meta.dirname, "../../src/main.ts")];
      const program = programs.start([...command, ...flags(origin.port, "--workers", `${workers}`)]);
      const port = await program.port("balancer");
      const admin = `http://127.0.0.1:${await program.port("admin")}`;
      await using upgraded = new UpgradedProgram(program);
      const load = startConnectionLoad({ port, freshClients: 4, keptClients: 2 });
      await until(() => load.fresh > 50 && load.kept > 50, "the load to run", 20_000);
      expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
      await until(() => isGone(program.pid), "the first process to exit", 20_000);
      const before = load.fresh;
      await until(() => load.fresh > before + 50, "more connections", 20_000);
      await load.stop();
      expect([...load.lost]).toEqual([]);
      await origin.close();
    },
    60_000,
  );
});

describe("`evenkeel up`", () => {
  test("hands the dashboard over too, and refuses with demo servers, which end with it", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const ports = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
    const dashboardPort = await freePorts(1);
    const up = programs.evenkeel(
      "up",
      ...ports,
      "--dashboard-port",
      `${dashboardPort}`,
      "--upstreams",
      origin.url,
    );
    const dashboard = `http://127.0.0.1:${await up.port("dashboard")}`;
    const admin = `http://127.0.0.1:${await up.port("admin")}`;
    await using upgraded = new UpgradedProgram(up);
    expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
    expect((await fetch(dashboard)).status).toBe(200);
    await until(() => isGone(up.pid), "the first process to exit", 10_000);
    const page = await (await fetch(dashboard)).text();
    expect(page).toContain(origin.url.slice("http://".length));

    const demo = programs.evenkeel(
      "up",
      ...ports,
      "--dashboard-port",
      "0",
      "--demo-port",
      `${await freePorts(3)}`,
    );
    const verb = programs.evenkeel("upgrade", "--admin-url", `http://127.0.0.1:${await demo.port("admin")}`);
    expect((await verb.exited).code).toBe(2);
    expect(verb.stderr).toContain("the demo servers of `up` end with this process");
    await origin.close();
  }, 30_000);
});

describe("a killed worker", () => {
  test("loses what it had accepted: connections that wait for it are served when it is back", async () => {
    await using programs = new Programs();
    const origin = await prompt();
    const { port, snapshot } = await started(programs, flags(origin.port, "--workers", "2"));
    const workers = async () => (await snapshot()).workers ?? [];
    const [first, second] = await workers();
    // While both are stopped, connections wait in the queues of the kernel.
    for (const worker of [first, second]) process.kill(worker?.pid ?? 0, "SIGSTOP");
    const waiting = Array.from({ length: 40 }, () =>
      fetch(`http://127.0.0.1:${port}/`, { headers: { Connection: "close" } }).then(
        (response) => response.text(),
        (error: unknown) => String(error),
      ),
    );
    await until(() => connectionsTo(port) >= 40, "the connections to be established");
    process.kill(first?.pid ?? 0, "SIGKILL");
    process.kill(second?.pid ?? 0, "SIGCONT");
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["ok"]));
    await until(async () => (await workers()).every(({ ready }) => ready), "the worker to be back");
    await origin.close();
  }, 20_000);
});

/** Established connections of clients to a port of this machine. */
function connectionsTo(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
  return lines.filter((line) => new RegExp(`^ *\\d+: \\S+ 0100007F:${hex} 01 `).test(line)).length;
}
