/** A small ACME server (RFC 8555) on loopback: it verifies signatures and nonces, asks for challenges, and fails as told. */

import { createHash, createPublicKey, randomBytes, verify, type webcrypto } from "node:crypto";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";

import { TestAuthority } from "./acme-authority.ts";
import { checkHttpChallenge, checkTlsChallenge } from "./acme-validation.ts";
import { until } from "./wait.ts";

/** One error response instead of the usual one. */
export interface PlannedProblem {
  /** Part of the URL's path: "new-order". */
  readonly at: string;
  readonly status: number;
  readonly type: string;
  readonly retryAfter?: string;
  /** Default 1. */
  readonly times?: number;
}

export interface AcmeDirectoryOptions {
  /** Where challenges are asked for, on 127.0.0.1. */
  readonly httpPort?: number;
  readonly tlsPort?: number;
  /** Plain HTTP for the directory itself; by default HTTPS with a certificate of `authority`. */
  readonly isPlain?: boolean;
}

interface Account {
  readonly url: string;
  readonly jwk: webcrypto.JsonWebKey;
  contact: readonly string[];
}

interface OwnChallenge {
  readonly type: string;
  readonly token: string;
  status: string;
  error?: object;
}

interface OwnOrder {
  readonly id: string;
  readonly name: string;
  readonly account: Account;
  status: "pending" | "ready" | "processing" | "valid" | "invalid";
  authorization: "pending" | "valid" | "invalid";
  readonly challenges: readonly OwnChallenge[];
  certificate?: string;
}

export class AcmeDirectory {
  readonly authority: TestAuthority;
  readonly #server: Server;
  readonly #options: AcmeDirectoryOptions;
  #port = 0;
  readonly #nonces = new Set<string>();
  readonly #waiting: (readonly [OwnOrder, OwnChallenge])[] = [];
  readonly accounts = new Map<string, Account>();
  readonly orders = new Map<string, OwnOrder>();
  /** Requests by path, in order. */
  readonly requests: string[] = [];
  /** Errors to answer with. */
  readonly problems: PlannedProblem[] = [];
  /** So many nonces are refused. */
  badNonces = 0;
  /** Of certificates, relative to now. */
  life = { fromMs: -3_600_000, untilMs: 90 * 86_400_000 };
  /** Certificates for a key that nobody has. */
  hasWrongKey = false;
  /** Authorizations stay pending. */
  isSlow = false;
  /** Challenge types that are offered. */
  offers: readonly string[] = ["http-01", "tls-alpn-01", "dns-01"];
  httpPort: number;
  tlsPort: number;
  /** More places where each challenge has to be answered: the name leads to several servers. */
  otherPorts: readonly { readonly httpPort: number; readonly tlsPort: number }[] = [];

  private constructor(authority: TestAuthority, options: AcmeDirectoryOptions, server: Server) {
    this.authority = authority;
    this.#options = options;
    this.httpPort = options.httpPort ?? 0;
    this.tlsPort = options.tlsPort ?? 0;
    this.#server = server.on("request", (request, response) => void this.#handle(request, response));
  }

  static async start(options: AcmeDirectoryOptions = {}): Promise<AcmeDirectory> {
    const authority = await TestAuthority.create();
    const server = options.isPlain
      ? createHttpServer()
      : createHttpsServer(await authority.pair("localhost"));
    const directory = new AcmeDirectory(authority, options, server);
    await directory.listen();
    return directory;
  }

  /** Also after `close`, on the same port: the directory is back. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    return closed;
  }

  get url(): string {
    return `${this.#base}/directory`;
  }

  count(path: string): number {
    return this.requests.filter((request) => request.includes(path)).length;
  }

  get #base(): string {
    return `${this.#options.isPlain ? "http" : "https"}://localhost:${this.#port}`;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    this.requests.push(path);
    const planned = this.problems.find(({ at }) => path.includes(at));
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.setHeader("Replay-Nonce", this.#newNonce());
      if (planned) {
        this.#spend(planned);
        if (planned.retryAfter !== undefined) response.setHeader("Retry-After", planned.retryAfter);
        throw new Problem(planned.status, planned.type, `planned: ${planned.type}`);
      }
      if (path === "/directory") return this.#send(response, 200, this.#directory());
      if (path === "/new-nonce") return void response.writeHead(200).end();
      const signed = this.#verify(path, JSON.parse(Buffer.concat(chunks).toString()) as Jws);
      await this.#answer(path, signed, response);
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem(500, "serverInternal", String(error));
      const body = { type: `urn:ietf:params:acme:error:${problem.type}`, detail: problem.message };
      response.setHeader("Content-Type", "application/problem+json");
      response.writeHead(problem.status).end(JSON.stringify(body));
    }
  }

  #spend(planned: PlannedProblem): void {
    const index = this.problems.indexOf(planned);
    const left = (planned.times ?? 1) - 1;
    this.problems.splice(index, 1, ...(left > 0 ? [{ ...planned, times: left }] : []));
  }

  #directory(): object {
    const at = (path: string) => `${this.#base}/${path}`;
    return {
      newNonce: at("new-nonce"),
      newAccount: at("new-account"),
      newOrder: at("new-order"),
      revokeCert: at("revoke"),
      keyChange: at("key-change"),
      meta: { termsOfService: at("terms") },
    };
  }

  #newNonce(): string {
    const nonce = randomBytes(16).toString("base64url");
    this.#nonces.add(nonce);
    return nonce;
  }

  /** RFC 8555 section 6.2: the signature covers URL and nonce, by a key that is in the request or of a known account. */
  #verify(path: string, { protected: header, payload, signature }: Jws): Signed {
    const { alg, nonce, url, kid, jwk } = decode(header) as Record<string, string> & {
      jwk?: webcrypto.JsonWebKey;
    };
    if (!this.#nonces.delete(nonce ?? "") || this.badNonces > 0) {
      this.badNonces = Math.max(this.badNonces - 1, 0);
      throw new Problem(400, "badNonce", "this nonce is not known");
    }
    if (url !== this.#base + path) throw new Problem(400, "unauthorized", "signed for another URL");
    const account = kid === undefined ? undefined : this.accounts.get(kid);
    if (kid !== undefined && !account) throw new Problem(400, "accountDoesNotExist", "no such account");
    if ((path === "/new-account") !== (kid === undefined))
      throw new Problem(400, "malformed", "jwk for a new account, kid for all else");
    const key = account?.jwk ?? jwk;
    if (!key || alg !== "ES256") throw new Problem(400, "badSignatureAlgorithm", "use ES256");
    const isValid = verify(
      "sha256",
      Buffer.from(`${header}.${payload}`),
      { key: createPublicKey({ key, format: "jwk" }), dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url"),
    );
    if (!isValid) throw new Problem(400, "malformed", "the signature is not valid");
    return { account, jwk: key, payload: payload === "" ? undefined : decode(payload) };
  }

  async #answer(path: string, { account, jwk, payload }: Signed, response: ServerResponse): Promise<void> {
    if (path === "/new-account") return this.#newAccount(jwk, payload ?? {}, response);
    if (!account) throw new Problem(400, "accountDoesNotExist", "no account");
    if (path.startsWith("/account/")) {
      const contact = payload?.["contact"];
      if (Array.isArray(contact)) account.contact = contact as string[];
      return this.#send(response, 200, { status: "valid", contact: account.contact });
    }
    if (path === "/new-order") return this.#newOrder(account, payload ?? {}, response);
    const [, kind = "", id = "", type = ""] = path.split("/");
    const order = this.orders.get(id);
    if (!order || order.account !== account) throw new Problem(404, "malformed", "no such order");
    switch (kind) {
      case "order":
        return this.#send(response, 200, this.#shown(order));
      case "authorization":
        return this.#send(response, 200, this.#authorization(order));
      case "challenge":
        return this.#challenge(order, type, response);
      case "finalize":
        return this.#finalize(order, payload ?? {}, response);
      case "certificate":
        response.setHeader("Content-Type", "application/pem-certificate-chain");
        return void response.writeHead(200).end(order.certificate);
      default:
        throw new Problem(404, "malformed", "no such resource");
    }
  }

  #newAccount(jwk: webcrypto.JsonWebKey, payload: Payload, response: ServerResponse): void {
    const thumbprint = thumbprintOf(jwk);
    const url = `${this.#base}/account/${thumbprint}`;
    const known = this.accounts.get(url);
    if (!known && payload["termsOfServiceAgreed"] !== true)
      throw new Problem(403, "userActionRequired", "agree to the terms");
    const account = known ?? { url, jwk, contact: (payload["contact"] ?? []) as string[] };
    this.accounts.set(url, account);
    response.setHeader("Location", url);
    this.#send(response, known ? 200 : 201, { status: "valid", contact: account.contact });
  }

  #newOrder(account: Account, payload: Payload, response: ServerResponse): void {
    const [identifier] = payload["identifiers"] as { value: string }[];
    const id = randomBytes(6).toString("hex");
    const order: OwnOrder = {
      id,
      name: identifier?.value ?? "",
      account,
      status: "pending",
      authorization: "pending",
      challenges: this.offers.map((type) => ({
        type,
        token: randomBytes(24).toString("base64url"),
        status: "pending",
      })),
    };
    this.orders.set(id, order);
    response.setHeader("Location", `${this.#base}/order/${id}`);
    this.#send(response, 201, this.#shown(order));
  }

  #shown({ id, name, status, certificate }: OwnOrder): object {
    return {
      status,
      identifiers: [{ type: "dns", value: name }],
      authorizations: [`${this.#base}/authorization/${id}`],
      finalize: `${this.#base}/finalize/${id}`,
      ...(certificate !== undefined && { certificate: `${this.#base}/certificate/${id}` }),
    };
  }

  #authorization({ id, name, authorization, challenges }: OwnOrder): object {
    return {
      status: authorization,
      identifier: { type: "dns", value: name },
      challenges: challenges.map((own) => ({ ...own, url: `${this.#base}/challenge/${id}/${own.type}` })),
    };
  }

  /** Asks for the challenges that came while it was slow. */
  checkPending(): void {
    for (const [order, challenge] of this.#waiting.splice(0)) {
      challenge.status = "processing";
      void this.#check(order, challenge);
    }
  }

  #challenge(order: OwnOrder, type: string, response: ServerResponse): void {
    const challenge = order.challenges.find((own) => own.type === type);
    if (!challenge) throw new Problem(404, "malformed", "no such challenge");
    if (challenge.status === "pending" && this.isSlow) this.#waiting.push([order, challenge]);
    if (challenge.status === "pending" && !this.isSlow) {
      challenge.status = "processing";
      void this.#check(order, challenge);
    }
    this.#send(response, 200, { ...challenge, url: `${this.#base}/challenge/${order.id}/${type}` });
  }

  async #check(order: OwnOrder, challenge: OwnChallenge): Promise<void> {
    // The balancer may begin before a test knows its ports.
    const port = () => (challenge.type === "http-01" ? this.httpPort : this.tlsPort);
    await until(() => port() > 0, "a port to ask at", 20_000);
    const keyAuthorization = `${challenge.token}.${thumbprintOf(order.account.jwk)}`;
    const { name } = order;
    const isHttp = challenge.type === "http-01";
    const others = this.otherPorts.map(({ httpPort, tlsPort }) => (isHttp ? httpPort : tlsPort));
    const problems = await Promise.all(
      [port(), ...others].map((at) =>
        isHttp
          ? checkHttpChallenge({ name, port: at, token: challenge.token, keyAuthorization })
          : checkTlsChallenge({ name, port: at, keyAuthorization }),
      ),
    );
    const problem = problems.find((found) => found !== undefined);
    const isValid = problem === undefined;
    [challenge.status, order.authorization] = isValid ? ["valid", "valid"] : ["invalid", "invalid"];
    order.status = isValid ? "ready" : "invalid";
    if (isValid) return;
    challenge.error = { type: "urn:ietf:params:acme:error:unauthorized", detail: problem, status: 403 };
  }

  async #finalize(order: OwnOrder, payload: Payload, response: ServerResponse): Promise<void> {
    if (order.status !== "ready") throw new Problem(403, "orderNotReady", `the order is ${order.status}`);
    const csr = new Uint8Array(Buffer.from(String(payload["csr"]), "base64url"));
    const names = await this.authority.namesOf(csr);
    if (names?.join() !== order.name) throw new Problem(400, "badCSR", "other names than the order's");
    const notBefore = new Date(Date.now() + this.life.fromMs);
    const notAfter = new Date(Date.now() + this.life.untilMs);
    order.certificate = this.hasWrongKey
      ? (await this.authority.pair(order.name)).cert
      : await this.authority.sign(csr, { notBefore, notAfter });
    order.status = "valid";
    this.#send(response, 200, this.#shown(order));
  }

  #send(response: ServerResponse, status: number, body: object): void {
    response.setHeader("Content-Type", "application/json");
    response.writeHead(status).end(JSON.stringify(body));
  }
}

type Payload = Readonly<Record<string, unknown>>;

interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

interface Signed {
  readonly account: Account | undefined;
  readonly jwk: webcrypto.JsonWebKey;
  readonly payload: Payload | undefined;
}

class Problem extends Error {
  readonly status: number;
  readonly type: string;

  constructor(status: number, type: string, detail: string) {
    super(detail);
    this.status = status;
    this.type = type;
  }
}

function decode(part: string): Payload {
  return JSON.parse(Buffer.from(part, "base64url").toString()) as Payload;
}

/** RFC 7638. */
function thumbprintOf({ crv, kty, x, y }: webcrypto.JsonWebKey): string {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}
