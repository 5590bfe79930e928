/** The image: what the Dockerfile copies, what the executable needs, and the executable with nothing but the image's files. */

import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { parse } from "yaml";

import manifest from "../../package.json" with { type: "json" };
import { systemEnvironment } from "../../src/cli/environment.ts";
import { parse as parseCommand } from "../../src/cli/parse.ts";
import { describeConfigError } from "../../src/config/problem.ts";
import { compiledExecutable } from "../support/executable.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import {
  canUnshare,
  hasPrograms,
  packagingFolder,
  packagingText,
  projectFolder,
  runProgram,
} from "../support/packaging.ts";
import { Program } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("docker");
const dockerFolder = join(packagingFolder, "docker");
/** Of the image. */
const user = 65_532;

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** Lines of the Dockerfile without comments. */
const instructions = packagingText("docker", "Dockerfile")
  .replaceAll("\\\n", " ")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line): Instruction => {
    const [name = ""] = line.split(" ");
    return { name, rest: line.slice(name.length).trim() };
  });
const last = (name: string) => instructions.findLast((instruction) => instruction.name === name)?.rest ?? "";

/** Files of the project that the build stage copies. */
const copied = instructions
  .filter(({ name, rest }) => name === "COPY" && !rest.startsWith("--from"))
  .flatMap(({ rest }) => rest.split(" ").slice(0, -1));

describe("the Dockerfile", () => {
  test("copies files that exist, and the builder gets no others", () => {
    expect(copied.length).toBeGreaterThan(5);
    for (const path of copied)
      expect(`${path} ${existsSync(join(projectFolder, path))}`).toBe(`${path} true`);
    const [all, ...admitted] = packagingText("docker", "Dockerfile.dockerignore")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(all).toBe("*");
    expect(admitted.map((line) => line.slice(1)).toSorted()).toEqual(copied.toSorted());
  });

  test("copies all that a build reads", async () => {
    for (const path of copied) {
      const to = inFolder(join("source", path));
      mkdirSync(dirname(to), { recursive: true });
      expect((await runProgram(["cp", "-R", join(projectFolder, path), to])).code).toBe(0);
    }
    // In the image npm installs them.
    expect(
      (await runProgram(["ln", "-s", join(projectFolder, "node_modules"), inFolder("source")])).code,
    ).toBe(0);
    const built = await runProgram(["npm", "run", "--silent", "build"], { cwd: inFolder("source") });
    expect({ code: built.code, err: built.code === 0 ? "" : built.err }).toEqual({ code: 0, err: "" });
    const { out } = await runProgram([inFolder("source/dist/evenkeel"), "version"]);
    expect(out).toBe(`evenkeel ${manifest.version}\n`);
  }, 60_000);

  test("ends in an image without a shell, with a user that is not root and a health check that is a command", () => {
    expect(last("FROM")).toBe("scratch");
    expect(last("USER")).toBe(`${user}:${user}`);
    const command = JSON.parse(last("HEALTHCHECK").replace(/^.*CMD /, "")) as string[];
    const entry = JSON.parse(last("ENTRYPOINT")) as string[];
    expect(command.slice(0, 1)).toEqual(entry);
    const parsed = parseCommand(command.slice(1), {}, systemEnvironment({}));
    expect(parsed).toMatchObject({ kind: "verb", verb: { verb: "readiness" } });
  });
});

const what = "tests of the image";
const canBuild =
  process.getuid?.() === 0 && hasPrograms(what, "ldd", "unshare", "chroot") && canUnshare(what);

describe.skipIf(!canBuild)("the files of the image", () => {
  const image = () => inFolder("image");
  const script = join(dockerFolder, "root-files.sh");
  let executable = "";

  beforeAll(async () => {
    executable = await compiledExecutable();
    const { code, err } = await runProgram([script, executable, image()]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    chmodSync(inFolder(), 0o755);
  }, 60_000);

  /** Runs with these files alone: read-only, without rights, and with a /proc that shows its own processes only. */
  const inImage = (state: string, env: Readonly<Record<string, string>>, ...argv: readonly string[]) => {
    mkdirSync(state, { recursive: true });
    chownSync(state, user, user);
    const steps = [
      "set -e",
      `mount --bind ${image()} ${image()}`,
      `mount -o remount,bind,ro ${image()}`,
      `mount -t proc -o subset=pid proc ${image()}/proc`,
      // What container runtimes mount, as far as the program uses it.
      `mount -t tmpfs tmpfs ${image()}/dev`,
      `for name in null urandom; do touch ${image()}/dev/$name; mount --bind /dev/$name ${image()}/dev/$name; done`,
      `mount --bind ${state} ${image()}/var/lib/evenkeel`,
      `exec chroot --userspec=${user}:${user} ${image()} /usr/bin/evenkeel "$@"`,
    ];
    const shell = [
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child=SIGTERM",
      "sh",
      "-c",
      steps.join("\n"),
      "sh",
    ];
    const set = { EVENKEEL_STATE: "/var/lib/evenkeel/state.db", ...env };
    return new Program([...shell, ...argv], set);
  };

  test("are the executable, the libraries that it needs, the authorities and two tables of names: nothing else", async () => {
    const files = readdirSync(image(), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => `/${relative(image(), join(parentPath, name))}`);
    const libraries = files.filter((path) => /\/lib(64)?\//.test(path) && !path.includes("ca-certificates"));
    const { out } = await runProgram(["ldd", executable]);
    const needed = out.split("\n").flatMap((line) => /^\s+(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
    expect(libraries.toSorted()).toEqual(needed.toSorted());
    // A sixth library is a change of the runtime that the Dockerfile's first line must tell.
    expect(libraries.length).toBe(5);
    const others = files.filter((path) => !libraries.includes(path));
    const authorities = ["/etc/ssl/certs/ca-certificates.crt"].filter((path) => existsSync(path));
    expect(others.toSorted()).toEqual(
      ["/etc/hosts", "/etc/nsswitch.conf", ...authorities, "/usr/bin/evenkeel"].toSorted(),
    );
  });

  test("are small: at most 140 MB, nearly all of them the executable", () => {
    const bytes = readdirSync(image(), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
    expect(bytes).toBeLessThan(140e6);
    expect(bytes - statSync(executable).size).toBeLessThan(5e6);
  });

  test("are enough to serve, read-only and without rights; the health check agrees, before and after", async () => {
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("from the origin")));
    const state = inFolder("state");
    const program = inImage(
      state,
      {},
      ...["proxy", "--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--workers", "2"],
      ...["--upstreams", origin.url],
    );
    const url = `http://127.0.0.1:${await program.port("balancer", 20_000)}/`;
    await until(async () => (await fetch(url)).status === 200, "a response", 10_000);
    expect(await (await fetch(url)).text()).toBe("from the origin");
    const ADMIN_URL = `http://localhost:${await program.port("admin")}`;
    const check = JSON.parse(last("HEALTHCHECK").replace(/^.*CMD /, "")) as string[];
    const healthy = inImage(inFolder("other"), { ADMIN_URL }, ...check.slice(1));
    expect({ ...(await healthy.exited), out: healthy.stdout, err: healthy.stderr }).toMatchObject({
      code: 0,
      out: "ready\n",
      err: "",
    });
    expect(existsSync(join(state, "state.db"))).toBe(true);
    const child = await runProgram(["cat", `/proc/${program.pid}/task/${program.pid}/children`]);
    process.kill(Number(child.out.trim()), "SIGTERM");
    expect((await program.exited).code).toBe(0);
    const gone = inImage(inFolder("other"), { ADMIN_URL }, ...check.slice(1));
    expect((await gone.exited).code).toBe(3);
    await origin.close();
  }, 60_000);
});

interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks: readonly string[];
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

describe("compose.yaml", () => {
  const compose = parse(packagingText("docker", "compose.yaml"), { merge: true }) as {
    services: Record<string, Service>;
    networks: Record<string, { internal?: boolean } | null>;
    volumes: Record<string, unknown>;
  };
  const services = Object.entries(compose.services);
  const own = services.filter(([, { image }]) => image.startsWith("evenkeel:"));
  const balancers = own.filter(([, { command }]) => command[0] === "proxy");

  /** What the program makes of the service's command, with the folder that it mounts. */
  function parsedCommand({ command, environment = {} }: Service) {
    const mounted = command.map((word) => word.replace("/etc/evenkeel", join(dockerFolder, "config")));
    return parseCommand(mounted, environment, systemEnvironment({ HOME: "/var/empty" }));
  }

  function configOf(service: Service) {
    const parsed = parsedCommand(service);
    if (parsed.kind !== "proxy") throw new Error(JSON.stringify(parsed));
    return parsed.config;
  }

  test("builds the image once and gives it the version of the project", () => {
    const [built, ...others] = services.flatMap(([, { build }]) => build ?? []);
    expect(others).toEqual([]);
    expect(existsSync(join(dockerFolder, built?.context ?? "", built?.dockerfile ?? ""))).toBe(true);
    expect(own).toHaveLength(5);
    for (const [, { image }] of own) expect(image).toBe(`evenkeel:${manifest.version}`);
  });

  test("gives no service of ours a right, or a file that it may change, beyond its state", () => {
    for (const [, { read_only, cap_drop = [] }] of own)
      expect([read_only, ...cap_drop]).toEqual([true, "ALL"]);
    const writable = balancers.map(([, { volumes = [] }]) =>
      volumes.filter((volume) => !volume.endsWith(":ro")),
    );
    expect(writable).toEqual([["state-1:/var/lib/evenkeel"], ["state-2:/var/lib/evenkeel"]]);
    expect(Object.keys(compose.volumes)).toEqual(["state-1", "state-2", "redis"]);
  });

  test("has commands that the program accepts, with the configuration that it mounts", () => {
    for (const [name, service] of own) {
      const parsed = parsedCommand(service);
      const got = "problems" in parsed ? describeConfigError(parsed) : parsed.kind;
      expect(`${name} ${got}`).toBe(`${name} ${service.command[0]}`);
    }
  });

  test("names its three servers and their ports as the configuration does, and publishes the listeners", () => {
    const servers = own.flatMap(([name, { command }]) =>
      command[0] === "backend" ? [`http://${name}:${command[command.indexOf("--port") + 1]}`] : [],
    );
    expect(servers).toHaveLength(3);
    expect(balancers).toHaveLength(2);
    for (const [, service] of balancers) {
      const config = configOf(service);
      const upstreams = config.pools.flatMap((pool) => pool.upstreams.map(({ address }) => address));
      expect(upstreams.map(({ protocol, hostname, port }) => `${protocol}://${hostname}:${port}`)).toEqual(
        servers,
      );
      expect(service.ports?.map((port) => port.split(":")[1])).toEqual([String(config.listeners[0]?.port)]);
      const graceMs = Number.parseInt(service.stop_grace_period ?? "0", 10) * 1_000;
      expect(graceMs).toBeGreaterThan(config.drainDelayMs + config.drainTimeoutMs);
    }
    const published = services.flatMap(([, { ports = [] }]) => ports.map((port) => port.split(":")[0]));
    expect(new Set(published).size).toBe(published.length);
  });

  test("gives each balancer a name in the fleet, and the store to balancers alone", () => {
    const fleets = balancers.map(([, service]) => configOf(service).fleet);
    expect(fleets.map((fleet) => fleet?.name)).toEqual(balancers.map(([name]) => name));
    for (const fleet of fleets) expect(JSON.stringify(fleet)).toContain('"redis"');
    expect(compose.networks["store"]?.internal).toBe(true);
    const inStore = services.filter(([, { networks }]) => networks.includes("store")).map(([name]) => name);
    expect(inStore).toEqual([...balancers.map(([name]) => name), "redis"]);
  });
});
