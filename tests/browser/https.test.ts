import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Browser } from "playwright-core";

import { TestAuthority } from "../support/acme-authority.ts";
import { consoleMessages, findChromium, launchChromium, trustedAuthority } from "../support/browser.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHttpsFront } from "../support/https-front.ts";
import { Programs } from "../support/program.ts";
import { hasCertutil } from "../support/trusted-authority.ts";
import { live, visitFakeAdmin } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();
if (executable && !hasCertutil)
  process.stderr.write(
    "Skipped: HTTP/2 in tests/browser, whose pages come over HTTP/1.1. It needs certutil (libnss3-tools).\n",
  );

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

const inFolder = temporaryFolder("browser-https");
let browser: Browser;

interface Loaded {
  readonly url: string;
  readonly protocol: string;
}

/** The authority that the browser trusts. */
function authority(): TestAuthority {
  const trusted = trustedAuthority(browser);
  if (!trusted) throw new Error("Cannot sign a certificate: the browser trusts no authority of the tests");
  return trusted;
}

/** Serves a page, and a WebSocket at /echo, which the server does not have elsewhere. */
function startEchoServer() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      if (new URL(request.url).pathname === "/echo" && server.upgrade(request)) return undefined;
      return new Response("<title>a page</title>", { headers: { "Content-Type": "text/html" } });
    },
    websocket: { message: (socket, message) => void socket.send(message) },
  });
}

describe.skipIf(!executable || !hasCertutil)("Chromium over https and HTTP/2", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("shows the dashboard behind a balancer: pages, scripts, streams of events, and a form", async () => {
    await using programs = new Programs();
    await using behind = await visitFakeAdmin(browser, { protocol: "http/1.1" });
    const { cert, key } = await authority().pair("localhost");
    writeFileSync(inFolder("a.crt"), cert);
    writeFileSync(inFolder("a.key"), key);
    const config = inFolder("evenkeel.yaml");
    writeFileSync(
      config,
      `certificates: [{ folder: ${inFolder(".")} }]
listen: { host: 127.0.0.1, port: 0, tls: true, protocols: [http2, http1] }
admin: { port: 0 }
pools: { main: { upstreams: ["${behind.url}"] } }\n`,
    );
    const proxy = programs.evenkeel("proxy", "--config", config);
    const origin = `https://localhost:${await proxy.port("balancer")}`;
    const context = await browser.newContext();
    const page = await context.newPage();
    const consoleErrors = consoleMessages(page);
    await page.goto(`${origin}/`);
    await live(page);
    const loaded = await page.evaluate<Loaded[]>(`
      performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
        .map(({ name, nextHopProtocol }) => ({ url: name, protocol: nextHopProtocol }))`);
    expect(loaded[0]).toEqual({ url: `${origin}/`, protocol: "h2" });
    expect(loaded.length).toBeGreaterThan(3);
    // A stream has no protocol before its end.
    const ended = loaded.filter(({ protocol }) => protocol !== "");
    expect(ended.filter(({ protocol }) => protocol !== "h2")).toEqual([]);
    await page.goto(`${origin}/upstreams/localhost%3A8082`);
    await live(page);
    await until(async () => (await page.title()).includes("8082"), "the page of the upstream");
    await page.goto(`${origin}/`);
    await live(page);
    await page.getByRole("button", { name: "Drain localhost:8081", exact: true }).click();
    await page.locator("dialog button.main").click();
    await until(() => behind.admin.posts.length > 0, "the action");
    expect(consoleErrors).toEqual([]);
    const metrics = await (await fetch(`http://127.0.0.1:${await proxy.port("admin")}/metrics`)).text();
    expect(metrics).toMatch(/protocol="h2"\} [1-9]/);
    await context.close();
  });

  test("verifies the certificate: one of an authority that it does not trust is refused", async () => {
    const server = startEchoServer();
    const front = await startHttpsFront(await TestAuthority.create(), server.port ?? 0);
    const page = await browser.newPage();
    await expect(page.goto(front.url)).rejects.toThrow("ERR_CERT_AUTHORITY_INVALID");
    await page.close();
    front.close();
    await server.stop(true);
  });

  test("opens a WebSocket on the connection of the page, and sees that a server without it has refused", async () => {
    const server = startEchoServer();
    const front = await startHttpsFront(authority(), server.port ?? 0);
    const page = await browser.newPage();
    await page.goto(front.url);
    const talk = (path: string) =>
      page.evaluate<string>(`new Promise((resolve) => {
        const socket = new WebSocket("wss://" + location.host + ${JSON.stringify(path)});
        socket.onopen = () => socket.send("over HTTP/2");
        socket.onmessage = ({ data }) => { resolve("received " + data); socket.close(); };
        socket.onclose = () => resolve("closed after " + socket.readyState);
        socket.onerror = () => resolve("failed");
      })`);
    expect(await talk("/echo")).toBe("received over HTTP/2");
    expect(await talk("/elsewhere")).toBe("failed");
    await page.close();
    await until(() => front.records.length >= 3, "the records");
    const seen = front.records.map(({ target, protocol, status }) => `${target} ${protocol} ${status}`);
    expect(seen).toContain("/echo h2 101");
    expect(seen).toContain("/elsewhere h2 200");
    front.close();
    await server.stop(true);
  });
});
