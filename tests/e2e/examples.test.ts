/** Each deployment of the folder `examples`: started with free ports, and asked with curl for all that it promises. */

import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";

import { startBackend } from "../../src/backend/backend.ts";
import { systemEnvironment } from "../../src/cli/environment.ts";
import { parse } from "../../src/cli/parse.ts";
import { describeConfigError } from "../../src/config/problem.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { TestAuthority } from "../support/acme-authority.ts";
import { AcmeDirectory } from "../support/acme-directory.ts";
import { type DemoServer, startDemoServer } from "../support/demo-server.ts";
import { startDnsServer } from "../support/dns-server.ts";
import {
  ask,
  connectTo,
  curl,
  exampleNames,
  examplesFolder,
  type RunningExample,
  startExample,
} from "../support/examples.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHttp2Server } from "../support/http2-server.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("examples");

const quick = { min: 0, max: 0 };
/** Makes curl show the heads of all its responses, and nothing else. */
const headsOnly = ["--output", "/dev/null", "--dump-header", "-"];

let authority: TestAuthority;
let root = "";
beforeAll(async () => {
  authority = await TestAuthority.create();
  root = inFolder("root.pem");
  writeFileSync(root, authority.pem);
});

/** Writes a certificate for the name, and its key. */
async function writePair(host: string, cert: string, key: string): Promise<void> {
  const pair = await authority.pair(host);
  writeFileSync(cert, pair.cert);
  writeFileSync(key, pair.key);
}

/** Starts the example with these demo servers in place of the addresses. */
async function withExample(
  name: string,
  servers: Readonly<Record<string, string>>,
  options: Partial<Omit<Parameters<typeof startExample>[2], "folder">> & {
    readonly prepare?: (folder: string) => unknown;
  },
  check: (example: RunningExample, servers: readonly DemoServer[]) => Promise<void>,
): Promise<void> {
  const folder = inFolder(name);
  mkdirSync(folder);
  await options.prepare?.(folder);
  const started = await Promise.all(Object.values(servers).map((server) => startDemoServer(server, quick)));
  await using programs = new Programs();
  try {
    const addresses = Object.keys(servers).map((address, index) => [address, started[index]?.url ?? ""]);
    const replaced = { ...Object.fromEntries(addresses), ...options.replaced };
    const example = await startExample(programs, name, { ...options, folder, replaced });
    await check(example, started);
    expect(await example.program.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  } finally {
    for (const server of started) server.close();
  }
}

test("every example is a valid configuration as it stands, and listed on the page", async () => {
  const pair = await authority.pair("shop.example.com");
  const page = readFileSync(join(examplesFolder, "README.md"), "utf8");
  const system = systemEnvironment({ XDG_STATE_HOME: "/nowhere" });
  const read = (path: string) => {
    if (!path.startsWith("/etc/evenkeel/")) return system.read(path);
    if (path.endsWith("htpasswd")) return `ann:$2y$10$${"a".repeat(53)}\n`;
    return path.endsWith(".key") ? pair.key : pair.cert;
  };
  const list = (folder: string) => (folder === "/etc/evenkeel/certs" ? ["a.pem", "a.key"] : []);
  for (const name of exampleNames) {
    const file = join(examplesFolder, name, "evenkeel.yaml");
    // Its extensions are loaded by a test of their own.
    if (name === "extensions") continue;
    const command = parse(["check", "--config", file], {}, { ...system, read, list });
    if (command.kind === "invalid") expect(`${name}: ${describeConfigError(command)}`).toBe("");
    expect(command.kind).toBe("check");
    expect(page).toContain(`](${name})`);
  }
});

describe.skipIf(!Bun.which("curl")).concurrent("the example", () => {
  test("two-sites has a certificate for each site, redirects to https, and says so for a year", () =>
    withExample(
      "two-sites",
      { "http://10.0.0.1:8080": "shop", "http://10.0.0.2:8080": "shop", "http://10.0.0.3:2368": "blog" },
      {
        async prepare(folder) {
          mkdirSync(join(folder, "certs"));
          for (const [name, host] of [
            ["shop", "shop.example.com"],
            ["blog", "blog.example.org"],
          ] as const)
            await writePair(host, join(folder, "certs", `${name}.pem`), join(folder, "certs", `${name}.key`));
        },
      },
      async ({ ports: [web, main] }) => {
        const to = [...connectTo({ 80: web, 443: main }), "--cacert", root];
        for (const [host, server] of [
          ["shop.example.com", "shop"],
          ["blog.example.org", "blog"],
        ] as const) {
          const reply = await ask(...to, `https://${host}/a`);
          expect([reply.status, reply.echo.server.name]).toEqual([200, server]);
          expect(reply.header("strict-transport-security")).toBe("max-age=31536000");
          expect(reply.echo.request.headers).toMatchObject({ "x-forwarded-proto": "https", host });
        }
        const unknown = await ask(...to, "--insecure", "https://zz.example/");
        expect([unknown.status, unknown.header("strict-transport-security")]).toEqual([
          404,
          "max-age=31536000",
        ]);
        const moved = await ask(...to, "http://shop.example.com/a%2Fb?x=1");
        expect(moved.status).toBe(301);
        expect(moved.header("location")).toBe(`https://shop.example.com:${main}/a%2Fb?x=1`);
        expect(moved.header("strict-transport-security")).toBeUndefined();
        expect((await ask(...to, "--data", "x", "http://blog.example.org/")).status).toBe(308);
        const stranger = await ask(...to, "http://zz.example/");
        expect([stranger.status, stranger.header("location")]).toEqual([404, undefined]);
      },
    ));

  test("lets-encrypt orders a certificate for each host of the route", async () => {
    const directory = await AcmeDirectory.start();
    const ca = inFolder("directory.pem");
    writeFileSync(ca, directory.authority.pem);
    try {
      await withExample(
        "lets-encrypt",
        { "http://127.0.0.1:3000": "shop" },
        {
          change({ certificates }) {
            const acme = certificates?.[0]?.["acme"] as object;
            expect(acme).toEqual({ agree: true, email: "ops@example.com", directory: "letsencrypt" });
            // The port of http-01 is 80, which is not free here.
            Object.assign(acme, { directory: directory.url, ca, challenge: "http-01" });
          },
        },
        async ({ ports: [httpPort = 0, tlsPort = 0] }) => {
          // In time: the program has yet to load what makes orders.
          Object.assign(directory, { httpPort, tlsPort });
          const to = [...connectTo({ 80: httpPort, 443: tlsPort }), "--cacert", ca];
          for (const host of ["example.com", "www.example.com"]) {
            await until(
              () => curl(...to, `https://${host}/`).catch(() => ""),
              `a certificate for ${host}`,
              15_000,
            );
            expect((await ask(...to, `https://${host}/`)).echo.server.name).toBe("shop");
          }
          const moved = await ask(...to, "http://example.com/.well-known/acme-challenge/unknown");
          expect(moved.status).toBe(301);
        },
      );
    } finally {
      await directory.close();
    }
  });

  test("api-prefix cuts the prefix at a slash, and nothing else", () =>
    withExample(
      "api-prefix",
      { "http://10.0.0.1:8080": "api", "http://10.0.0.2:3000": "web" },
      {},
      async ({ ports: [port] }) => {
        const seen = async (path: string) => {
          const { server, request } = (await ask("--path-as-is", `http://127.0.0.1:${port}${path}`)).echo;
          return [server.name, request.path, request.headers["x-forwarded-prefix"]];
        };
        expect(await seen("/api/users?page=2")).toEqual(["api", "/users", "/api"]);
        expect(await seen("/api/group%2Frepo")).toEqual(["api", "/group%2Frepo", "/api"]);
        expect(await seen("/api")).toEqual(["api", "/", "/api"]);
        expect(await seen("/api/")).toEqual(["api", "/", "/api"]);
        expect(await seen("/apix")).toEqual(["web", "/apix", undefined]);
        expect(await seen("/")).toEqual(["web", "/", undefined]);
      },
    ));

  test("sticky-sessions keeps a browser with its server, and moves it when that fails", () =>
    withExample(
      "sticky-sessions",
      { "http://10.0.0.1:80": "web-1", "http://10.0.0.2:80": "web-2" },
      {},
      async ({ ports: [port] }, servers) => {
        const jar = join(inFolder("sticky-sessions"), "jar");
        const to = [...connectTo({ 80: port }), "--cookie", jar, "--cookie-jar", jar];
        const url = "http://intra.example.com/";
        const first = await ask(...to, url);
        const cookie = first.header("set-cookie") ?? "";
        expect(cookie).toMatch(/^evenkeel=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
        const { name } = first.echo.server;
        for (let i = 0; i < 6; i++) {
          const next = await ask(...to, url);
          expect([next.echo.server.name, next.header("set-cookie")]).toEqual([name, undefined]);
        }
        const forged = await ask(
          ...connectTo({ 80: port }),
          "--cookie",
          "evenkeel=AAAAAAAAAAAAAAAAAAAAAA",
          url,
        );
        expect(forged.header("set-cookie")).toMatch(/^evenkeel=/);
        const large = await ask(...to, "--header", "Content-Length: 67108865", "--data", "x", url);
        expect(large.status).toBe(413);
        servers[name === "web-1" ? 0 : 1]?.close();
        const moved = await ask(...to, url);
        expect(moved.echo.server.name).not.toBe(name);
        expect(moved.header("set-cookie")).toMatch(/^evenkeel=/);
        expect((await ask(...to, url)).header("set-cookie")).toBeUndefined();
      },
    ));

  test("rate-limit limits each client, and lets one network with a password into /admin", () =>
    withExample(
      "rate-limit",
      { "http://10.0.0.1:8080": "api" },
      {
        replaced: { "10.0.0.0/8": "127.0.0.1" },
        prepare: async (folder) =>
          writeFileSync(
            join(folder, "htpasswd"),
            `ann:${await Bun.password.hash("a long password", { algorithm: "bcrypt", cost: 5 })}\n`,
          ),
      },
      async ({ ports: [port] }) => {
        const from = (address: string, ...args: string[]) =>
          ask(...connectTo({ 80: port }), "--header", `X-Forwarded-For: ${address}`, ...args);
        const url = "http://api.example.com/";
        const client = ["--header", "X-Forwarded-For: 198.51.100.1"];
        // A busy machine may send some 50 a second.
        const heads = await curl(...connectTo({ 80: port }), ...client, ...headsOnly, `${url}?n=[1-500]`);
        const refused = heads.split("\r\n\r\n").filter((head) => head.startsWith("HTTP/1.1 429 "));
        expect(heads.match(/^HTTP\/1.1 200 /gm)?.length).toBeGreaterThanOrEqual(40);
        expect(refused.length).toBeGreaterThan(10);
        for (const head of refused) expect(head).toMatch(/^retry-after: 1$/im);
        expect((await from("198.51.100.2", url)).status).toBe(200);
        expect((await from("198.51.100.2", `${url}admin`)).status).toBe(403);
        const asked = await from("192.0.2.7", `${url}admin`);
        expect(asked.status).toBe(401);
        expect(asked.header("www-authenticate")).toContain('realm="Administration"');
        expect((await from("192.0.2.7", "--user", "ann:wrong", `${url}admin`)).status).toBe(401);
        const served = await from("192.0.2.7", "--user", "ann:a long password", `${url}admin/x`);
        expect([served.status, served.echo.request.path]).toEqual([200, "/admin/x"]);
        expect(served.echo.request.headers).not.toHaveProperty("authorization");
        const guesses = [];
        for (let i = 0; i < 5; i++)
          guesses.push((await from("192.0.2.7", "--user", "ann:no", `${url}admin`)).status);
        expect(guesses.at(-1)).toBe(429);
        expect((await from("192.0.2.8", `${url}admin`)).status).toBe(401);
      },
    ));

  test("live-connections passes events as they come, and upgrades, and spreads them", () =>
    withExample(
      "live-connections",
      { "http://10.0.0.1:8080": "one", "http://10.0.0.2:8080": "two" },
      {},
      async ({ ports: [port], program, file }) => {
        const args = ["curl", "--silent", "--no-buffer", "--include", ...connectTo({ 80: port })];
        const streams = Array.from({ length: 8 }, () => {
          const process = Bun.spawn([...args, "http://live.example.com/sse"], { stdout: "pipe" });
          return { process, reader: process.stdout.getReader() };
        });
        const handshake = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
        const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        const fields = [...handshake, key].flatMap((field) => ["--header", field]);
        // Its own messages, since it holds back a head that no body follows.
        const socket = Bun.spawn([...args, "--verbose", ...fields, "http://live.example.com/ws"], {
          stdout: "ignore",
          stderr: "pipe",
        });
        try {
          const names = await Promise.all(
            streams.map(async ({ reader }) => {
              let text = "";
              // The stream has no end: what is here has not waited for one.
              for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
                text += Buffer.from(piece.value).toString();
                if (text.includes('"name"')) break;
              }
              return /"name":"(\w+)"/.exec(text)?.[1];
            }),
          );
          expect(new Set(names)).toEqual(new Set(["one", "two"]));
          writeFileSync(file, readFileSync(file, "utf8").replace("bodyIdle: 1h", "bodyIdle: 2h"));
          program.child.kill("SIGHUP");
          await until(() => /configuration applied|reloaded/i.test(program.stderr), "the reload");
          const { done } = (await streams[0]?.reader.read()) ?? { done: true };
          expect(done).toBe(false);
          let messages = "";
          for await (const piece of socket.stderr) {
            messages += Buffer.from(piece).toString().toLowerCase();
            if (messages.includes("sec-websocket-accept")) break;
          }
          expect(messages).toContain("< http/1.1 101 ");
          expect(messages).toContain("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=");
        } finally {
          for (const { process } of streams) process.kill();
          socket.kill();
        }
      },
    ));

  test("dns-names sends requests to all addresses of the name in turn", async () => {
    const options = { name: "first", hostname: "127.0.0.1", port: 0, latencyMs: quick, failRate: 0 };
    const first = await startBackend(options, runtime);
    const second = await startBackend(
      { ...options, name: "second", hostname: "127.0.0.2", port: first.port },
      runtime,
    );
    const dns = await startDnsServer({ "api.internal": ["127.0.0.1", "127.0.0.2"] });
    try {
      await withExample(
        "dns-names",
        {},
        {
          replaced: { "http://api.internal:8080": `http://api.internal:${first.port}` },
          change: (file) => void (file["resolvers"] = [dns.address]),
        },
        async ({ ports: [port] }) => {
          const output = await curl(`http://127.0.0.1:${port}/?n=[1-8]`);
          const names = new Set([...output.matchAll(/"name":\s*"(\w+)"/g)].map(([, name]) => name));
          expect(names).toEqual(new Set(["first", "second"]));
          expect(dns.questions).toContain("api.internal");
        },
      );
    } finally {
      dns.close();
      first.close();
      second.close();
    }
  });

  test("proxy-protocol tells the server the client's address, and believes no other peer", async () => {
    // A load balancer for TCP, as simple as they are.
    let target = 0;
    const balancer = createServer((client) => {
      const server = connect(target, "127.0.0.1", () => {
        server.write("PROXY TCP4 192.0.2.1 192.0.2.2 40000 8443\r\n");
        client.pipe(server).pipe(client);
      });
      for (const socket of [client, server])
        socket.on("error", () => void (client.destroy(), server.destroy()));
    });
    await new Promise<void>((resolve) => balancer.listen(0, "127.0.0.1", resolve));
    try {
      await withExample(
        "proxy-protocol",
        { "http://10.0.1.1:8080": "app" },
        {
          replaced: { "10.0.0.0/24": "127.0.0.1" },
          prepare: (folder) => writePair("app.example.com", join(folder, "app.pem"), join(folder, "app.key")),
        },
        async ({ ports: [port = 0], admin }) => {
          target = port;
          const url = "https://app.example.com:8443/";
          const { port: front } = balancer.address() as AddressInfo;
          const through = await ask(...connectTo({ 8443: front }), "--cacert", root, url);
          expect(through.echo.request.headers).toMatchObject({
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-proto": "https",
          });
          const direct = [...connectTo({ 8443: port }), "--cacert", root];
          // A load balancer that sends no header.
          expect(await ask(...direct, url).catch(({ message }: Error) => message)).toContain(
            "curl exited with",
          );
          const stranger = await ask(...direct, "--interface", "127.0.0.2", url);
          expect(stranger.echo.request.headers).toMatchObject({ "x-forwarded-for": "127.0.0.2" });
          const liar = ask(...direct, "--interface", "127.0.0.2", "--haproxy-protocol", url);
          expect(await liar.catch(({ message }: Error) => message)).toContain("curl exited with");
          const metrics = await (await fetch(`${admin}/metrics`)).text();
          expect(metrics).toMatch(/^evenkeel_connections_refused_total\{.*reason="proxy_header".*\} 1$/m);
        },
      );
    } finally {
      balancer.close();
    }
  });

  test("grpc carries calls with their trailers, and spreads those of one connection", async () => {
    const message = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
    const counts = [0, 0];
    const servers = await Promise.all(
      [0, 1].map((index) =>
        startHttp2Server({
          onRequest(request) {
            if (request.field(":path")?.startsWith("/shop.Orders/")) counts[index] = (counts[index] ?? 0) + 1;
            request.respond(
              [
                [":status", "200"],
                ["content-type", "application/grpc"],
              ],
              message,
              [["grpc-status", "0"]],
            );
          },
        }),
      ),
    );
    try {
      await withExample(
        "grpc",
        {},
        {
          replaced: Object.fromEntries(
            servers.map(({ port }, index) => [
              `http://10.0.0.${index + 1}:50051`,
              `http://127.0.0.1:${port}`,
            ]),
          ),
          async prepare(folder) {
            mkdirSync(join(folder, "certs"));
            await writePair("grpc.example.com", join(folder, "certs/a.pem"), join(folder, "certs/a.key"));
            writeFileSync(join(folder, "call"), message);
          },
        },
        async ({ ports: [port] }) => {
          const fields = ["--header", "Content-Type: application/grpc", "--header", "TE: trailers"];
          const body = ["--data-binary", `@${inFolder("grpc/call")}`];
          const to = [...connectTo({ 443: port }), "--cacert", root, "--http2", ...fields, ...body];
          const url = "https://grpc.example.com/shop.Orders/Place";
          const heads = await curl(...to, ...headsOnly, url);
          expect(heads).toStartWith("HTTP/2 200");
          expect(heads).toContain("grpc-status: 0");
          await curl(...to, "--parallel", ...headsOnly, `${url}?n=[1-40]`);
          expect(counts.reduce((sum, count) => sum + count, 0)).toBe(41);
          expect(Math.min(...counts)).toBeGreaterThan(0);
          const other = await ask(...to, "https://grpc.example.com/shop.Carts/Add");
          expect(other.header("grpc-status")).toBe("12");
          await Promise.all(servers.map((server) => server.close()));
          expect((await ask(...to, url)).header("grpc-status")).toBe("14");
        },
      );
    } finally {
      await Promise.all(servers.map((server) => server.close()));
    }
  });

  test("canary gets its share of sessions, keeps them, and is chosen by testers", () =>
    withExample(
      "canary",
      {
        "http://10.0.0.1:8080": "stable",
        "http://10.0.0.2:8080": "stable",
        "http://10.0.0.9:8080": "canary",
      },
      {},
      async ({ ports: [port], program, file, admin }) => {
        const to = connectTo({ 80: port });
        const sessions = Array.from({ length: 400 }, (_, index) => `session-${index}`);
        /** The sessions that the new version serves. */
        const inCanary = async () => {
          const requests = sessions.map(
            (session) => `url = http://shop.example.com/\ncookie = "session=${session}"`,
          );
          const config = `${file}.curl`;
          writeFileSync(config, requests.join('\nnext\nsilent\nconnect-to = ":80:127.0.0.1:' + port + '"\n'));
          const output = await curl(...to, "--config", config);
          const names = [...output.matchAll(/"name":\s*"(\w+)"/g)].map(([, name]) => name);
          expect(names).toHaveLength(sessions.length);
          return new Set(sessions.filter((_, index) => names[index] === "canary"));
        };
        const before = await inCanary();
        expect(before.size).toBeGreaterThan(400 * 0.02);
        expect(before.size).toBeLessThan(400 * 0.1);
        expect(await inCanary()).toEqual(before);
        const chosen = async (value: string, session: string) => {
          const fields = ["--header", `X-Canary: ${value}`, "--cookie", `session=${session}`];
          return (await ask(...to, ...fields, "http://shop.example.com/")).echo.server.name;
        };
        const reweigh = async (stable: number, canary: number) => {
          const text = readFileSync(file, "utf8");
          const changed = text
            .replace(/stable: \d+/, `stable: ${stable}`)
            .replace(/canary: \d+/, `canary: ${canary}`);
          writeFileSync(file, changed);
          program.child.kill("SIGHUP");
          const config = async () => (await fetch(`${admin}/api/config`)).text();
          await until(async () => (await config()).includes(`canary: ${canary}`), "the reload");
        };
        const [member = ""] = before;
        const other = sessions.find((session) => !before.has(session)) ?? "";
        expect(await chosen("always", other)).toBe("canary");
        expect(await chosen("never", member)).toBe("stable");
        // Twice the share: all that were in it stay.
        await reweigh(90, 10);
        const after = await inCanary();
        expect(after.size).toBeGreaterThan(before.size);
        expect([...before].filter((session) => !after.has(session))).toEqual([]);
        await reweigh(100, 0);
        expect((await inCanary()).size).toBe(0);
        expect(await chosen("always", other)).toBe("canary");
      },
    ));
});
