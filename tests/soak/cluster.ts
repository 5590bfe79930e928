/** The balancer and the servers of a soak test, and a sequence of faults: real processes and real signals. */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";

import type { EngineName } from "../../src/config/config.ts";
import { sleep } from "../../src/lib/clock.ts";
import type { CertificatePair } from "../../src/tls/certificate-pair.ts";
import { selfSigned } from "../../src/tls/self-signed.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { freePorts } from "../support/free-ports.ts";
import { fromBuild, isGone, type Program, Programs } from "../support/program.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

const names = ["a", "b", "c"];
const upgradeLimitMs = 90_000;

export class Cluster implements AsyncDisposable {
  readonly #programs = new Programs();
  readonly #folder = mkdtempSync(join(tmpdir(), "evenkeel-soak-"));
  readonly #servers = new Map<string, { readonly port: number; program: Program }>();
  readonly #file = join(this.#folder, "evenkeel.yaml");
  #faultyOrigin: Origin | undefined;
  /** The current behavior of the faulty origin. */
  behavior: "healthy" | "resets" | "503" = "healthy";
  readonly #pairs = [selfSigned("localhost", ""), selfSigned("localhost", "")] as const;
  #balancer: UpgradedProgram | undefined;
  #isUpgrading = false;
  port = 0;
  #admin = "";
  readonly engine: EngineName;

  constructor(engine: EngineName) {
    this.engine = engine;
  }

  /** The end of the balancer's log if it has exited; undefined while it runs. */
  get exitReason(): string | undefined {
    if (!this.#balancer || this.#isUpgrading || !isGone(this.pid)) return undefined;
    const { exitCode, signalCode } = this.#balancer.program.child;
    return `${exitCode ?? signalCode}: ${this.#balancer.program.stderr.slice(-2_000)}`;
  }

  /** Of the process that serves. */
  get pid(): number {
    return this.#balancer?.pid ?? 0;
  }

  /** On Bun the fetch engine has no HTTP/2 with clients, no new certificates without a restart, and no upgrades. */
  get isWire(): boolean {
    return this.engine === "wire";
  }

  get securePort(): number {
    return this.port + 1;
  }

  async start(): Promise<this> {
    this.#faultyOrigin = await startOrigin((_, socket) => {
      if (this.behavior === "resets") socket.resetAndDestroy();
      else
        socket.write(respondWith("{}", [], this.behavior === "503" ? "503 Service Unavailable" : "200 OK"));
    });
    for (const name of names) {
      const program = this.#startServer(name, 0);
      this.#servers.set(name, { program, port: await program.port("backend") });
    }
    this.port = await freePorts(2);
    this.#writePair(0);
    this.#write(1);
    const program = this.#programs.start([
      ...[...fromBuild, "proxy", "--admin-port", "0", "--config", this.#file, "--engine", this.engine],
      // State on disk does not count as memory.
      ...["--state", join(this.#folder, "state.db")],
    ]);
    this.#balancer = new UpgradedProgram(program);
    this.#admin = `http://127.0.0.1:${await program.port("admin")}`;
    return this;
  }

  /** Endless sequence of faults; each yields its name before it starts. */
  async *faults(): AsyncGenerator<string> {
    for (let round = 1; ; round++) {
      yield "SIGKILL and restart";
      await this.#server("b").program.kill("SIGKILL");
      await sleep(1_500);
      this.#server("b").program = this.#startServer("b", this.#server("b").port);
      yield "SIGSTOP and SIGCONT";
      this.#server("c").program.child.kill("SIGSTOP");
      await sleep(2_500);
      this.#server("c").program.child.kill("SIGCONT");
      yield "resets";
      await this.#withBehavior("resets");
      yield "503";
      await this.#withBehavior("503");
      yield "reload";
      this.#write(1 + (round % 3));
      if (!isGone(this.pid)) process.kill(this.pid, "SIGHUP");
      await sleep(300);
      if (this.isWire) {
        yield "certificate rotation";
        await this.#rotate(round % 2);
      }
      yield "add and remove an upstream";
      await this.#callAdmin("POST", "/api/pools/main/upstreams", {
        url: `http://127.0.0.1:${this.#server("a").port}`.replace("127.0.0.1", "localhost"),
        name: `extra-${round}`,
      });
      await sleep(1_000);
      await this.#callAdmin("DELETE", `/api/upstreams/extra-${round}?wait=2s`, {});
      yield "read snapshot and metrics";
      for (const path of ["/api/snapshot", "/metrics"]) await this.#fetchAdmin(path);
      await sleep(300);
    }
  }

  /** A new process takes over; the old one finishes its requests and exits. */
  async upgrade(): Promise<void> {
    const old = this.pid;
    this.#isUpgrading = true;
    const { upgraded, why } = (await this.#balancer?.upgrade(this.#admin)) ?? { upgraded: false, why: "" };
    if (!upgraded) throw new Error(`Cannot upgrade: ${why}`);
    await until(() => this.pid !== old && isGone(old), "the old process to exit", upgradeLimitMs);
    await until(
      () =>
        fetch(this.#admin).then(
          () => true,
          () => false,
        ),
      "the admin API of the new process",
      upgradeLimitMs,
    );
    this.#isUpgrading = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#balancer?.[Symbol.asyncDispose]();
    await this.#programs[Symbol.asyncDispose]();
    await this.#faultyOrigin?.close();
    rmSync(this.#folder, { recursive: true });
  }

  async #withBehavior(behavior: Cluster["behavior"]): Promise<void> {
    this.behavior = behavior;
    await sleep(1_500);
    this.behavior = "healthy";
  }

  /** Replaces the certificate, and waits until new connections get it. */
  async #rotate(index: number): Promise<void> {
    this.#writePair(index);
    await this.#callAdmin("POST", "/api/certificates/reload", {});
    await until(
      async () => (await this.#servedFingerprint()) === this.#pairs[index]?.fingerprint,
      "the new certificate",
    );
  }

  #writePair(index: number): void {
    const { cert, key } = this.#pairs[index] as CertificatePair;
    for (const [name, text] of Object.entries({ key, cert })) {
      const path = join(this.#folder, `tls.${name}`);
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    }
  }

  #servedFingerprint(): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { port: this.securePort, host: "127.0.0.1", rejectUnauthorized: false };
      const socket = connect(options, () => {
        resolve(socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase());
        socket.destroy();
      });
      socket.on("error", reject);
    });
  }

  async #callAdmin(method: string, path: string, body: object): Promise<void> {
    if (this.exitReason !== undefined) return;
    const response = await fetch(this.#admin + path, { method, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${response.status} ${text}`);
  }

  async #fetchAdmin(path: string): Promise<void> {
    if (this.exitReason === undefined) await (await fetch(this.#admin + path)).text();
  }

  #startServer(name: string, port: number): Program {
    const listen = ["--port", String(port), "--host", "127.0.0.1"];
    return this.#programs.evenkeel("backend", ...listen, "--name", name, "--latency", "5-15ms");
  }

  #server(name: string) {
    const server = this.#servers.get(name);
    if (!server) throw new Error(`Cannot find server ${name}`);
    return server;
  }

  #write(weight: number): void {
    const url = (port: number) => `http://127.0.0.1:${port}`;
    const servers = [...this.#servers].map(([name, { port }]) => ({ name, url: url(port) }));
    const fastSettings = {
      probe: { path: "/readyz", interval: "1s", changingInterval: "200ms" },
      hedge: "p99",
      retryStatuses: [503],
      slowStart: "2s",
      outlier: { ejection: "2s" },
    };
    const faultyUpstream = { name: "faulty", url: this.#faultyOrigin?.url, weight };
    const pools = {
      main: { ...fastSettings, upstreams: [...servers, faultyUpstream] },
      // The faulty origin does not support WebSockets.
      sockets: {
        ...fastSettings,
        upstreams: servers.map(({ name, ...rest }) => ({ ...rest, name: `${name}-ws` })),
      },
    };
    const routes = [{ path: "/ws", pool: "sockets" }, { pool: "main" }];
    const host = "127.0.0.1";
    const secure = { name: "tls", host, port: this.securePort, tls: true };
    const listen = [
      { host, port: this.port },
      this.isWire ? { ...secure, protocols: ["http1", "http2"] } : secure,
    ];
    const certificates = [{ cert: join(this.#folder, "tls.cert"), key: join(this.#folder, "tls.key") }];
    writeFileSync(this.#file, JSON.stringify({ listen, certificates, pools, routes }));
  }
}
