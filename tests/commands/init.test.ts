import { beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

import { systemEnvironment } from "../../src/cli/environment.ts";
import { parse } from "../../src/cli/parse.ts";
import { initialize } from "../../src/commands/init.ts";
import { describeConfigError } from "../../src/config/problem.ts";
import { systemCertificateReader } from "../../src/tls/certificate-files.ts";
import { TestAuthority } from "../support/acme-authority.ts";
import { temporaryFolder } from "../support/folder.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("init");
const env = { XDG_STATE_HOME: "/nowhere" };
const environment = systemEnvironment(env);

let certificate = { cert: "", key: "" };
beforeAll(async () => {
  const pair = await (await TestAuthority.create()).pair("shop.example.com");
  certificate = { cert: inFolder("it's a cert.pem"), key: inFolder("key.pem") };
  writeFileSync(certificate.cert, pair.cert);
  writeFileSync(certificate.key, pair.key);
});

const silence = { isTerminal: false, next: async () => undefined, prompt: () => {} };
const reader = { ...systemCertificateReader, defaultState: "/nowhere/state.db" };

/** Runs the command in this process. On a terminal with these lines, if any are given. */
async function init(argv: readonly string[], lines?: readonly string[]) {
  const command = parse(["init", ...argv], env, environment);
  if (command.kind === "invalid") return { text: describeConfigError(command), exitCode: 2, shown: "" };
  if (command.kind !== "init") throw new Error(`Cannot parse: ${JSON.stringify(command)}`);
  let shown = "";
  const left = [...(lines ?? [])];
  const terminal = {
    isTerminal: true,
    next: async () => left.shift(),
    prompt: (text: string) => void (shown += text),
  };
  const source = lines ? terminal : silence;
  const reply = await initialize(command.request, { reader, source, pid: process.pid });
  return { ...reply, shown };
}

/** What `evenkeel check` says about the file. */
function checked(file: string) {
  const command = parse(["check", "--config", file], env, environment);
  if (command.kind !== "check") throw new Error(JSON.stringify(command));
  return command.config;
}

let number = 0;
const newFile = () => inFolder(`file-${number++}.yaml`);
const servers = ["--upstreams", "http://10.0.0.1:8080"];

const choices = {
  servers: [
    servers,
    [
      ...[
        "--upstreams",
        "http://10.0.0.1:8080;weight=3,https://b.test;backup",
        "--upstreams",
        "http://[::1]:1",
      ],
      ...["--probe-path", "/health?x=1"],
    ],
    [...servers, "--probe-path", "/é'\""],
  ],
  hosts: [["--host", "shop.example.com"], ["--host", "Shop.example.com,*.b.test", "--host", "true.test"], []],
  certificates: [
    () => [],
    () => ["--certificates", "none"],
    () => ["--cert", certificate.cert, "--key", certificate.key],
    () => ["--certificates", "acme", "--agree"],
    () => ["--acme-email", "ops@example.com", "--agree"],
  ],
};

const combinations = choices.servers.flatMap((own) =>
  choices.hosts.flatMap((hosts) =>
    choices.certificates.map((certificates) => ({
      isPossible: hosts.length > 0 || !certificates().includes("--agree"),
      argv: () => [...own, ...hosts, ...certificates()],
    })),
  ),
);

describe("evenkeel init with flags", () => {
  test(`writes a file that check accepts, in each of ${combinations.length} combinations`, async () => {
    for (const { argv, isPossible } of combinations) {
      const file = newFile();
      const { text, exitCode } = await init([...argv(), "--out", file]);
      expect([argv(), exitCode, text]).toEqual([argv(), isPossible ? 0 : 2, expect.any(String)]);
      if (!isPossible) {
        expect(text).toContain("there is no answer without --host");
        continue;
      }
      const config = checked(file);
      const given = (name: string) =>
        argv().flatMap((word, index, all) => (all[index - 1] === name ? word.split(",") : []));
      expect(config.pools[0]?.upstreams).toHaveLength(given("--upstreams").length);
      expect(config.routes[0]?.conditions.hosts ?? []).toHaveLength(given("--host").length);
      expect(config.pools[0]?.probe.kind).toBe(given("--probe-path").length > 0 ? "http" : "tcp");
      expect(config.foundCertificates).toHaveLength(given("--cert").length);
      expect(config.acme).toHaveLength(argv().includes("--agree") ? 1 : 0);
      expect(config.listeners.map(({ port }) => port)).toEqual(
        argv().some((word) => word === "--cert" || word === "--agree") ? [80, 443] : [8080],
      );
    }
  });

  test("has a comment for each setting, on its line or above it, and few lines", async () => {
    for (const certificates of choices.certificates) {
      const file = newFile();
      await init([...servers, "--host", "a.test", ...certificates(), "--probe-path", "/x", "--out", file]);
      const lines = readFileSync(file, "utf8").split("\n");
      expect(lines.length).toBeLessThan(40);
      const bare = lines.filter(
        (line, index) =>
          /^ *(- )?(\w+:( |$)|\{)/.test(line) && !line.includes(" # ") && !lines[index - 1]?.startsWith("#"),
      );
      expect(bare).toEqual(["  main:"]);
    }
  });

  test("ends with the next commands, quoted for a shell", async () => {
    const file = inFolder("it's mine.yaml");
    const { text } = await init([...servers, "--out", file]);
    const quoted = `'${file.replace("'", "'\\''")}'`;
    expect(text).toContain(`evenkeel check --config ${quoted} `);
    expect(text).toContain(`evenkeel up --config ${quoted} `);
  });

  test.each([
    [["--upstreams", "ftp://a"], "Cannot use --upstreams: the protocol must be http or https"],
    [["--upstreams", "http://a,http://a"], "Cannot use --upstreams: "],
    [["--upstreams", ""], "Cannot use --upstreams: expected a list of at least one upstream"],
    [["--upstreams", "http://localhost:8080"], "so requests would loop"],
    [
      [...servers, "--host", "a b"],
      'Cannot use --host: expected a host name without port, or *.example.com (received "a b")',
    ],
    [[...servers, "--host", "a:\n- x"], "Cannot use --host: "],
    [[...servers, "--probe-path", "x"], "Cannot use --probe-path: expected a path that starts with /"],
    [[...servers, "--probe-path", "/x\u0007\u2028- y"], "Cannot use --probe-path: "],
    [
      [...servers, "--certificates", "file"],
      'expected none, files or acme (received "file"); did you mean "files"?',
    ],
    [[...servers, "--cert", "/nowhere.pem"], "no answer without --key"],
    [[...servers, "--certificates", "files"], "no answer without --cert, --key"],
    [[...servers, "--cert", "/nowhere.pem", "--key", "/nowhere.key"], "Cannot use --cert: file not found"],
    [
      [...servers, "--certificates", "none", "--agree"],
      "Cannot use --agree: it belongs to --certificates acme, not none",
    ],
    [
      [...servers, "--cert", "x", "--agree"],
      "Cannot use --agree: it belongs to --certificates acme, not files",
    ],
    [
      [...servers, "--host", "a.test", "--acme-email", "me", "--agree"],
      "Cannot use --acme-email: expected an address",
    ],
    [[...servers, "--host", "a.test", "--acme-email", "me@a.test"], "no answer without --agree"],
    [[...servers, "--host", "*.a.test", "--agree"], "there is no host; set hosts, or a host in a route"],
    [
      [...servers, "--host", "10.0.0.1", "--agree"],
      "Cannot use --host: certificates for addresses are not supported",
    ],
    [
      ["--host", "a.test"],
      "Cannot write a configuration: nothing is asked here, and there is no answer without --upstreams",
    ],
  ])("rejects %j", async (argv, why) => {
    const file = newFile();
    const { text, exitCode } = await init([...argv, "--out", file]);
    expect(text).toContain(why);
    expect(text).not.toContain("evenkeel.yaml:");
    expect([exitCode, existsSync(file)]).toEqual([2, false]);
  });

  test("names the problems of all flags together", async () => {
    const { text } = await init([
      "--upstreams",
      "x",
      "--host",
      "a b",
      "--probe-path",
      "y",
      "--out",
      inFolder("no/such.yaml"),
    ]);
    for (const name of ["--upstreams", "--host", "--probe-path", "--out"])
      expect(text).toContain(`Cannot use ${name}: `);
  });

  test("never overwrites a file without --force, and replaces it in one step with it", async () => {
    const file = newFile();
    writeFileSync(file, "mine", { mode: 0o640 });
    const refused = await init([...servers, "--out", file]);
    expect(refused.text).toContain(
      "Cannot use --out: the file exists; choose another name, or --force to replace it",
    );
    expect([refused.exitCode, readFileSync(file, "utf8")]).toEqual([2, "mine"]);
    const { ino } = statSync(file);
    const link = newFile();
    symlinkSync(file, link);
    expect((await init([...servers, "--out", link, "--force"])).exitCode).toBe(0);
    expect(checked(file).pools).toHaveLength(1);
    // Another file has taken its place, with its mode; no draft is left.
    expect(statSync(file).ino).not.toBe(ino);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(inFolder()).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  test("rejects a folder as the file, with --force too", async () => {
    mkdirSync(inFolder("folder"));
    const { text } = await init([...servers, "--out", inFolder("folder"), "--force"]);
    expect(text).toContain("Cannot use --out: it exists and is no file");
  });
});

describe("evenkeel init on a terminal", () => {
  test("asks five questions, and Enter takes the defaults", async () => {
    const file = newFile();
    const { shown, exitCode } = await init(["--out", file], ["\n", "\n\n", "\r\n"]);
    expect(exitCode).toBe(0);
    expect(shown.match(/\[[^\]]*\]: /g)).toEqual([
      "[http://localhost:8081]: ",
      "[every host]: ",
      "[none]: ",
      "[TCP connect]: ",
    ]);
    expect(checked(file)).toMatchObject({ pools: [{ upstreams: [{ id: "localhost:8081" }] }] });
    const asked = await init(
      [],
      [...Array<string>(4).fill("\n"), inFolder("no/file"), "\n", newFile(), "\n"],
    );
    expect(asked.shown).toContain("File to write [evenkeel.yaml]: ");
    expect(asked.shown).toContain("Cannot use this answer: its folder does not exist");
    expect(asked.exitCode).toBe(0);
  });

  test("asks again until an answer can be used, and says why", async () => {
    const file = newFile();
    const { shown, exitCode } = await init(
      ["--out", file],
      [
        "10.0.0.1\nhttp://10.0.0.1:80\n",
        "a b\na.test\n",
        "letsencrypt\nacme\nme\nme@a.test\nno\n",
        "acme\n\nYES\n",
        "healthz\n/healthz\n",
      ],
    );
    expect(exitCode).toBe(0);
    expect(shown.match(/Cannot use this answer: .*$/gm)).toHaveLength(5);
    expect(shown).toContain(
      "Do you agree to its terms, https://letsencrypt.org/repository/? yes or no [no]: ",
    );
    expect(shown).toContain("Without agreement Let's Encrypt issues no certificate.");
    const config = checked(file);
    expect(config.acme).toMatchObject([{ hosts: ["a.test"] }]);
    expect(config.acme[0]?.email).toBeUndefined();
    expect(config.pools[0]?.probe).toMatchObject({ path: "/healthz" });
  });

  test("asks for the files of a certificate, and for both again if they cannot be used", async () => {
    const file = newFile();
    const { shown, exitCode } = await init(
      ["--out", file],
      ["\n\n", "files\n/nowhere.crt\n\n", `files\n${certificate.cert}\n${certificate.key}\n`, "\n"],
    );
    expect(exitCode).toBe(0);
    expect(shown).toContain("Its private key, a PEM file [/nowhere.key]: ");
    expect(shown.match(/Cannot use this answer: file not found .*$/gm)).toHaveLength(2);
    expect(checked(file).foundCertificates).toHaveLength(1);
  });

  test("does not offer Let's Encrypt's certificates without a host name", async () => {
    const { shown } = await init(["--out", newFile()], ["\n", "*.a.test\n", "acme\n", "none\n", "\n"]);
    expect(shown).toContain("Let's Encrypt certifies single hosts, and the site has no host name without *");
  });

  test("asks only for what the flags leave open", async () => {
    const { shown } = await init(
      ["--host", "a.test", "--agree", "--probe-path", "", "--out", newFile()],
      ["\n", "me@a.test\n"],
    );
    expect(shown.match(/^.*?(?= \[)/gm)).toEqual(["URLs of your servers, separated by commas"]);
    expect(shown).toContain("Email address for Let's Encrypt [none]: ");
  });

  test("writes nothing when the input ends", async () => {
    const file = newFile();
    for (const lines of [[], ["\n"], ["\n\n\n"], ["half a line"]]) {
      const { text, exitCode } = await init(["--out", file], lines);
      expect([exitCode, text]).toEqual([2, "Nothing was written: the input ended before the last question."]);
      expect(existsSync(file)).toBe(false);
    }
  });
});

describe("the program", () => {
  test("asks nothing without a terminal, although its input stays open", async () => {
    const file = newFile();
    const run = async (...argv: string[]) => {
      const [program = "", ...rest] = [...fromBuild, "init", ...argv];
      const child = spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (text: Buffer) => (output += text.toString()));
      const code = await new Promise((resolve) => child.on("close", resolve));
      child.stdin.destroy();
      return { code, output };
    };
    const missing = await run("--out", file);
    expect(missing).toMatchObject({ code: 2, output: expect.stringContaining("without --upstreams") });
    const written = await run(...servers, "--out", file);
    expect(written).toMatchObject({ code: 0, output: expect.stringContaining("Wrote ") });
    expect(checked(file).pools).toHaveLength(1);
  });

  test.skipIf(!Bun.which("script"))(
    "asks on a pseudo-terminal, and what it writes passes check",
    async () => {
      await using programs = new Programs();
      const folder = inFolder("terminal");
      mkdirSync(folder);
      const command = [...fromBuild, "init"].map((word) => `'${word}'`).join(" ");
      const child = spawn("script", ["-qec", command, "/dev/null"], {
        cwd: folder,
        stdio: ["pipe", "pipe", "pipe"],
      });
      let shown = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (shown += text));
      const ended = new Promise((resolve) => child.on("close", resolve));
      try {
        for (const [question, answer] of [
          ["servers", "http://10.0.0.1:8080"],
          ["Host names", "not a host"],
          ["Cannot use this answer", "shop.example.com"],
          ["Certificates", ""],
          ["health checks", "/healthz"],
          ["File to write", ""],
        ] as const) {
          await until(() => shown.includes(question), `"${question}" in ${shown}`, 10_000);
          child.stdin.write(`${answer}\n`);
        }
        expect(await ended).toBe(0);
        expect(shown).toContain("Wrote evenkeel.yaml. Next:");
      } finally {
        child.kill("SIGKILL");
      }
      const check = programs.start([...fromBuild, "check"], { EVENKEEL_STATE: "" }, folder);
      expect(await check.exited).toMatchObject({ code: 0 });
      expect(check.stdout).toContain("host: shop.example.com, pool: main");
    },
    30_000,
  );
});
