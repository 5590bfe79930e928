/** One certificate for three balancers: one order, whatever happens to the one that orders it. */

import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { AcmeDirectory } from "../support/acme-directory.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { fromBuild, type Program, Programs } from "../support/program.ts";
import { hasRedis, RedisServer, Relay } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("fleet-acme");
const host = "shop.test";
const leaseName = `ek:{evenkeel}:acme:lease:${host}`;
let runs = 0;
let deno = "";

beforeAll(async () => {
  deno = await findDeno();
}, 120_000);

interface Member {
  readonly name: string;
  readonly program: Program;
  readonly httpPort: number;
  readonly tlsPort: number;
  snapshot(): Promise<Snapshot>;
}

interface MemberOptions {
  readonly name: string;
  readonly redis: string;
  readonly directory: AcmeDirectory;
  readonly challenge: "http-01" | "tls-alpn-01";
  readonly flags?: readonly string[];
  readonly command?: readonly string[];
  /** The same for the same balancer. */
  readonly run: number;
}

async function startMember(programs: Programs, options: MemberOptions): Promise<Member> {
  const { name, redis, directory, challenge, flags = [], command = fromBuild, run } = options;
  const [config, ca] = [inFolder(`${name}-${run}.yaml`), inFolder(`${run}.pem`)];
  writeFileSync(ca, directory.authority.pem);
  writeFileSync(
    config,
    `fleet: { name: ${name}, redis: "${redis}" }
certificates:
  - acme: { agree: true, directory: "${directory.url}", challenge: ${challenge}, ca: ${ca}, storage: ${inFolder(`${name}-${run}-acme`)} }
listen:
  - { name: web, host: 127.0.0.1, port: 0 }
  - { name: main, host: 127.0.0.1, port: 0, tls: true }
pools: { main: { upstreams: ["http://127.0.0.1:9"] } }
routes: [{ host: ${host}, pool: main }]
`,
  );
  const program = programs.start([...command, "proxy", "--admin-port", "0", "--config", config, ...flags], {
    EVENKEEL_STATE: inFolder(`${name}-${run}.db`),
    EVENKEEL_FLEET_KEY: "k".repeat(32),
  });
  const admin = `http://127.0.0.1:${await program.port("admin", 30_000)}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const [httpPort = 0, tlsPort = 0] = (await snapshot()).listeners.map(({ port }) => port);
  return { name, program, httpPort, tlsPort, snapshot };
}

/** Fingerprint of the authority's certificate that a new client is shown; undefined for another issuer's. */
function shownBy({ tlsPort: port }: Member): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, servername: host, rejectUnauthorized: false });
    socket.on("error", () => resolve(undefined));
    socket.on("secureConnect", () => {
      const { fingerprint256, issuer } = socket.getPeerCertificate();
      socket.destroy();
      resolve(issuer.CN === "Test Root" ? fingerprint256 : undefined);
    });
  });
}

/** The certificate that all show; undefined if there is none, or another one. */
async function shownByAll(members: readonly Member[]): Promise<string | undefined> {
  const [first, ...others] = await Promise.all(members.map(shownBy));
  return others.every((shown) => shown === first) ? first : undefined;
}

class Scene implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly relay: Relay;
  readonly directory: AcmeDirectory;
  readonly programs = new Programs();
  readonly run = (runs += 1);
  members: readonly Member[] = [];

  private constructor(redis: RedisServer, relay: Relay, directory: AcmeDirectory) {
    [this.redis, this.relay, this.directory] = [redis, relay, directory];
  }

  /** The authority asks all balancers; it begins when their ports are known. */
  static async start(challenge: MemberOptions["challenge"], isSlow = false): Promise<Scene> {
    const redis = await RedisServer.start();
    const scene = new Scene(redis, await Relay.to(redis.port), await AcmeDirectory.start());
    const { programs, relay, directory, run } = scene;
    directory.isSlow = isSlow;
    const common = { redis: relay.url, directory, challenge, run };
    const onDeno = deno !== "" && challenge === "http-01";
    scene.members = await Promise.all([
      startMember(programs, { ...common, name: "one" }),
      startMember(programs, { ...common, name: "two", flags: ["--workers", "2"] }),
      startMember(programs, {
        ...{ ...common, name: "three" },
        command: onDeno ? [deno, "run", "-A", join(import.meta.dirname, "../../src/main.ts")] : fromBuild,
      }),
    ]);
    scene.#ask(scene.members);
    return scene;
  }

  /** The authority finds only these. */
  #ask([first, ...others]: readonly Member[]): void {
    this.directory.otherPorts = others;
    this.directory.tlsPort = first?.tlsPort ?? 0;
    this.directory.httpPort = first?.httpPort ?? 0;
  }

  /** The balancer that orders, when the authority lets it wait. */
  async holder(): Promise<Member> {
    await until(() => this.directory.count("/challenge/") > 0, "a challenge", 30_000).catch(
      async (error: unknown) => {
        const orders = await Promise.all(this.members.map(async ({ snapshot }) => (await snapshot()).orders));
        throw new Error(`${String(error)} ${JSON.stringify([orders, this.directory.requests])}`);
      },
    );
    const name = this.redis.command("GET", leaseName).split(" ").at(-1);
    const holder = this.members.find((member) => member.name === name);
    if (!holder) throw new Error(`Cannot go on: the lease is of ${name}`);
    return holder;
  }

  /** What thirty seconds without the holder do. Then the authority answers at once. */
  endLease(rest: readonly Member[]): void {
    this.#ask(rest);
    this.directory.isSlow = false;
    this.redis.command("PEXPIRE", leaseName, "1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.programs[Symbol.asyncDispose]();
    await this.directory.close();
    await this.relay[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }
}

describe.if(hasRedis)("three balancers of a fleet with one certificate", () => {
  test.each(["http-01", "tls-alpn-01"] as const)(
    "order it once by %s, answer every challenge, renew it once, and start without the store",
    async (challenge) => {
      await using scene = await Scene.start(challenge);
      const { members, directory, relay, programs, run } = scene;
      directory.life = { fromMs: -1_000, untilMs: 14_000 };
      await until(async () => (await shownByAll(members)) !== undefined, "the certificate at all", 30_000);
      const first = await shownByAll(members);
      expect(directory.orders.size).toBe(1);
      expect(directory.accounts.size).toBe(1);
      directory.life = { fromMs: 0, untilMs: 86_400_000 };
      const isRenewed = async () =>
        (await Promise.all(members.map(shownBy))).some((shown) => shown !== undefined && shown !== first);
      await until(isRenewed, "the renewal", 40_000).catch(async (error: unknown) => {
        const orders = await Promise.all(members.map(async ({ snapshot }) => (await snapshot()).orders));
        throw new Error(`${String(error)} ${JSON.stringify(orders)}`);
      });
      const renewedAt = performance.now();
      await until(async () => ![undefined, first].includes(await shownByAll(members)), "the renewal at all");
      expect(performance.now() - renewedAt).toBeLessThan(5_000);
      expect(directory.orders.size).toBe(2);
      const renewed = await shownByAll(members);

      // Each has it in a folder of its own.
      relay.cut();
      const [, two] = members;
      await two?.program.kill("SIGKILL");
      const again = await startMember(programs, { name: "two", redis: relay.url, directory, challenge, run });
      expect(await shownBy(again)).toBe(renewed);
    },
    120_000,
  );

  test("go on with the order of a balancer that has died", async () => {
    await using scene = await Scene.start("http-01", true);
    const holder = await scene.holder();
    const rest = scene.members.filter((member) => member !== holder);
    await holder.program.kill("SIGKILL");
    scene.endLease(rest);
    await until(async () => (await shownByAll(rest)) !== undefined, "the certificate at the others", 30_000);
    // The one that it had begun.
    expect(scene.directory.orders.size).toBe(1);
    expect(scene.directory.accounts.size).toBe(1);
  }, 120_000);

  test("are not disturbed by one that stood still while it ordered", async () => {
    await using scene = await Scene.start("http-01", true);
    const holder = await scene.holder();
    const rest = scene.members.filter((member) => member !== holder);
    holder.program.child.kill("SIGSTOP");
    scene.endLease(rest);
    await until(async () => (await shownByAll(rest)) !== undefined, "the certificate at the others", 30_000);
    const shown = await shownByAll(rest);
    const fence = scene.redis.command("HGET", `ek:{evenkeel}:acme:host:${host}`, "fence");
    holder.program.child.kill("SIGCONT");
    await until(async () => (await shownByAll(scene.members)) === shown, "the certificate at all", 20_000);
    await until(() => scene.redis.command("EXISTS", leaseName) === "0", "the end of all leases", 10_000);
    expect(scene.redis.command("HGET", `ek:{evenkeel}:acme:host:${host}`, "fence") >= fence).toBe(true);
    expect(await shownByAll(scene.members)).toBe(shown);
    expect(scene.directory.orders.size).toBe(1);
  }, 120_000);

  test("order nothing while the store is away, and do when it is back", async () => {
    await using scene = await Scene.start("http-01", true);
    // The order that was begun ends with its challenge.
    await scene.holder();
    scene.relay.cut();
    scene.directory.isSlow = false;
    scene.directory.checkPending();
    await until(
      async () => (await Promise.all(scene.members.map(shownBy))).some((shown) => shown !== undefined),
      "the certificate at the one that has ordered",
      20_000,
    );
    expect(scene.directory.orders.size).toBe(1);
    scene.relay.heal();
    await until(
      async () => (await shownByAll(scene.members)) !== undefined,
      "the certificate at all",
      20_000,
    );
    expect(scene.directory.orders.size).toBe(1);
  }, 120_000);
});
