import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer as createTlsServer, createSecureContext, type Server as TlsServer } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Authority } from "../../src/acme/authority.ts";
import type { Challenge } from "../../src/acme/challenges.ts";
import { OrderFailure } from "../../src/acme/failure.ts";
import type { ChallengeType } from "../../src/acme/settings.ts";
import { AcmeStorage, storedChallenge } from "../../src/acme/storage.ts";
import { AcmeDirectory } from "../support/acme-directory.ts";

/** Answers challenges as the balancer does, by HTTP and TLS. */
const open = new Map<string, Challenge>();
let web: Server;
let secure: TlsServer;
let directory: AcmeDirectory;
let folder: string;

beforeAll(async () => {
  directory = await AcmeDirectory.start();
  web = createServer((request, response) => {
    const token = request.url?.split("/").at(-1) ?? "";
    const found = [...open.values()].find(
      (challenge) => challenge.type === "http-01" && challenge.token === token,
    );
    response.writeHead(found ? 200 : 404).end(found?.type === "http-01" ? found.response : "");
  });
  const shown = await directory.authority.pair("unknown.test");
  secure = createTlsServer({
    ...shown,
    ALPNProtocols: ["acme-tls/1"],
    SNICallback(name, done) {
      const found = open.get(name);
      done(null, found?.type === "tls-alpn-01" ? createSecureContext(found.pair) : undefined);
    },
  });
  secure.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
  directory.httpPort = (web.address() as AddressInfo).port;
  directory.tlsPort = (secure.address() as AddressInfo).port;
});

afterAll(async () => {
  web.close();
  secure.close();
  await directory.close();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-acme-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  open.clear();
  directory.problems.length = 0;
  directory.requests.length = 0;
  Object.assign(directory, {
    hasWrongKey: false,
    isSlow: false,
    badNonces: 0,
    offers: ["http-01", "tls-alpn-01", "dns-01"],
  });
});

interface Given {
  readonly challenge?: ChallengeType;
  readonly email?: string;
  readonly ca?: string | undefined;
  readonly add?: (challenge: Challenge) => Promise<void>;
}

function authorityWith({ challenge = "http-01", add, ...given }: Given = {}) {
  const storage = new AcmeStorage(folder, process.pid);
  const authority = new Authority({
    settings: {
      directory: directory.url,
      challenge,
      storage: folder,
      ca: directory.authority.pem,
      ...given,
    } as never,
    storage,
    challenges: {
      add: add ?? (async (one) => void open.set(one.host, one)),
      remove: ({ host }) => void open.delete(host),
    },
    userAgent: "evenkeel/test",
    wait: (_, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("stopped")));
        setTimeout(resolve, 5);
      }),
    wallClock: Date.now,
  });
  return { storage, authority };
}

const never = new AbortController().signal;

async function failureOf(order: Promise<unknown>): Promise<OrderFailure> {
  const thrown: unknown = await order.then(
    () => "no failure",
    (error: unknown) => error,
  );
  if (!(thrown instanceof OrderFailure)) throw new Error(`Cannot go on: ${String(thrown)}`);
  return thrown;
}

describe("an order", () => {
  for (const challenge of ["http-01", "tls-alpn-01"] as const) {
    test(`leads to a certificate with ${challenge}`, async () => {
      const { authority, storage } = authorityWith({ challenge, email: "ops@example.com" });
      const pair = await authority.issue("shop.test", never);
      expect(pair.names).toEqual(["shop.test"]);
      expect(
        new X509Certificate(pair.cert).verify(new X509Certificate(directory.authority.pem).publicKey),
      ).toBe(true);
      expect(storage.certificate("shop.test")?.fingerprint).toBe(pair.fingerprint);
      expect([...directory.accounts.values()].at(-1)?.contact).toEqual(["mailto:ops@example.com"]);
      expect(open.size).toBe(0);
    });
  }

  test("has its response in the folder meanwhile, for balancers that share it", async () => {
    let seen: string | undefined;
    const { authority } = authorityWith({
      async add(one) {
        open.set(one.host, one);
        if (one.type !== "http-01") return;
        seen = storedChallenge(folder, one.token);
        expect(seen).toBe(one.response);
        expect((statSync(join(folder, "challenges", one.token)).mode & 0o777).toString(8)).toBe("600");
      },
    });
    await authority.issue("shop.test", never);
    expect(seen).toBeDefined();
    expect(readdirSync(join(folder, "challenges"))).toEqual([]);
  });

  test("leaves files that only their owner may read", async () => {
    const { authority } = authorityWith();
    await authority.issue("shop.test", never);
    const names = readdirSync(folder, { recursive: true }).map(String).sort();
    expect(names.filter((name) => !name.startsWith("account-"))).toEqual([
      "challenges",
      "shop.test",
      "shop.test/cert.pem",
      "shop.test/key.pem",
    ]);
    for (const name of names) {
      const { mode } = statSync(join(folder, name));
      expect(`${name} ${(mode & 0o777).toString(8)}`).toBe(
        `${name} ${["shop.test", "challenges"].includes(name) ? "700" : "600"}`,
      );
    }
  });

  test("uses the account of the first order again", async () => {
    await authorityWith().authority.issue("a.test", never);
    await authorityWith().authority.issue("b.test", never);
    expect(directory.count("new-account")).toBe(1);
  });

  test("registers again after the directory has lost the account", async () => {
    await authorityWith().authority.issue("a.test", never);
    directory.accounts.clear();
    const { authority } = authorityWith();
    expect((await failureOf(authority.issue("a.test", never))).type).toBe("accountDoesNotExist");
    expect((await authority.issue("a.test", never)).names).toEqual(["a.test"]);
  });

  test("tells the authority a new address", async () => {
    await authorityWith({ email: "old@example.com" }).authority.issue("a.test", never);
    await authorityWith({ email: "new@example.com" }).authority.issue("a.test", never);
    expect([...directory.accounts.values()].at(-1)?.contact).toEqual(["mailto:new@example.com"]);
  });

  test("repeats requests whose nonce was refused", async () => {
    directory.badNonces = 2;
    expect((await authorityWith().authority.issue("a.test", never)).names).toEqual(["a.test"]);
  });

  test("fails at once when the authority limits orders, with its Retry-After", async () => {
    directory.problems.push({ at: "new-order", status: 429, type: "rateLimited", retryAfter: "3600" });
    const failure = await failureOf(authorityWith().authority.issue("a.test", never));
    expect(failure).toMatchObject({ reason: "rate_limited", retryAfterMs: 3_600_000 });
    expect(directory.count("new-order")).toBe(1);
  });

  test("fails when the response to the challenge is wrong", async () => {
    const { authority } = authorityWith({
      async add(one) {
        open.set(one.host, one.type === "http-01" ? { ...one, response: "wrong" } : one);
      },
    });
    const failure = await failureOf(authority.issue("a.test", never));
    expect(failure.reason).toBe("challenge_failed");
    expect(failure.message).toContain("200 wrong");
    expect(open.size).toBe(0);
  });

  test("fails when nothing answers the handshake of the challenge", async () => {
    const { authority } = authorityWith({ challenge: "tls-alpn-01", async add() {} });
    expect((await failureOf(authority.issue("a.test", never))).reason).toBe("challenge_failed");
  });

  test("fails where the authority does not offer the challenge", async () => {
    directory.offers = ["dns-01"];
    const failure = await failureOf(authorityWith().authority.issue("a.test", never));
    expect(failure.message).toBe("the authority offers no http-01 for a.test, but dns-01");
  });

  test("fails when the order is gone, and is made anew the next time", async () => {
    const { authority } = authorityWith({
      async add() {
        directory.orders.clear();
      },
    });
    expect((await failureOf(authority.issue("a.test", never))).reason).toBe("order_expired");
    expect((await authorityWith().authority.issue("a.test", never)).names).toEqual(["a.test"]);
  });

  test("refuses a certificate for another key, and keeps the old one", async () => {
    const { authority, storage } = authorityWith();
    const { fingerprint } = await authority.issue("a.test", never);
    directory.hasWrongKey = true;
    const failure = await failureOf(authority.issue("a.test", never));
    expect(failure.reason).toBe("certificate_unusable");
    expect(storage.certificate("a.test")?.fingerprint).toBe(fingerprint);
  });

  test("fails when the directory is away, and works when it is back", async () => {
    const { authority } = authorityWith();
    await directory.close();
    const failure = await failureOf(authority.issue("a.test", never));
    await directory.listen();
    expect(failure.reason).toBe("unreachable");
    expect(failure.message).toStartWith("localhost:");
    expect((await authority.issue("a.test", never)).names).toEqual(["a.test"]);
  });

  test("fails where the directory's certificate is not trusted", async () => {
    const failure = await failureOf(authorityWith({ ca: undefined }).authority.issue("a.test", never));
    expect(failure.reason).toBe("unreachable");
    expect(directory.requests).toEqual([]);
  });

  test("goes on after a restart in the middle", async () => {
    directory.isSlow = true;
    const stop = new AbortController();
    const { authority } = authorityWith({
      async add(one) {
        open.set(one.host, one);
        setTimeout(() => stop.abort(), 100);
      },
    });
    await expect(authority.issue("a.test", stop.signal)).rejects.toThrow();
    directory.isSlow = false;
    const pair = await authorityWith().authority.issue("a.test", never);
    expect(pair.names).toEqual(["a.test"]);
    expect(directory.count("new-order")).toBe(1);
    expect(existsSync(join(folder, "a.test/order.json"))).toBe(false);
  });

  test("is not in what a failure says", async () => {
    directory.problems.push({ at: "finalize", status: 500, type: "serverInternal" });
    const { authority } = authorityWith();
    const failure = await failureOf(authority.issue("a.test", never));
    const key = readFileSync(join(folder, "a.test/order.json"), "utf8");
    expect(key).toContain("PRIVATE KEY");
    expect(Bun.inspect(failure, { depth: 9 })).not.toContain("PRIVATE KEY");
    // The order is ready and goes on.
    expect((await authority.issue("a.test", never)).names).toEqual(["a.test"]);
    expect(directory.count("new-order")).toBe(1);
  });
});
