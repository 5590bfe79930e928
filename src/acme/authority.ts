/** Orders certificates from one authority: account, order, challenges, certificate (RFC 8555 section 7). */

import { createHash, createPrivateKey } from "node:crypto";

import type { Authorization, Client, Order } from "acme-client";

import { asRecord } from "../lib/json.ts";
import { type CertificatePair, readPair } from "../tls/certificate-pair.ts";
import { selfSigned } from "../tls/self-signed.ts";
import { type AcmeClient, inContext, loadAcmeClient, type OrderContext } from "./acme-client.ts";
import type { Challenge, ChallengeTarget } from "./challenges.ts";
import { delayOf, OrderFailure, problemDetail } from "./failure.ts";
import type { AcmeSharing, HostLease } from "./acme-sharing.ts";
import type { AcmeSettings } from "./settings.ts";
import type { AcmeStorage, StoredAccount, StoredOrder } from "./storage.ts";

export interface AuthorityOptions {
  readonly settings: Omit<AcmeSettings, "hosts">;
  readonly storage: AcmeStorage;
  readonly challenges: ChallengeTarget;
  /** Of this program, for the authority's log. */
  readonly userAgent: string;
  /** Resolves after a time, or rejects when `signal` aborts. */
  readonly wait: (delayMs: number, signal: AbortSignal) => Promise<void>;
  readonly wallClock: () => number;
  /** With the other balancers of a fleet: one account for all. */
  readonly sharing?: Pick<AcmeSharing, "account" | "saveAccount"> | undefined;
}

/** Between two questions for the state of an order; an authority's Retry-After takes precedence. */
const firstPollMs = 500;
const maxPollMs = 5_000;
/** How long an authority may take for one step. Most take seconds. */
const stepTimeoutMs = 120_000;

export class Authority {
  readonly #options: AuthorityOptions;
  /** The registration under way, which concurrent orders share. */
  #client: Promise<Client> | undefined;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /**
   * Orders a certificate and stores it. Call it with the host's lock, and in a fleet with its lease. Throws an
   * {@link OrderFailure}, or what made it impossible.
   */
  issue(host: string, signal: AbortSignal, lease?: HostLease): Promise<CertificatePair> {
    const context: OrderContext = { ca: this.#options.settings.ca, signal };
    return inContext(context, async () => {
      const acme = await loadAcmeClient(this.#options.userAgent);
      const client = await this.#registered(acme);
      try {
        return await this.#order(host, { acme, client, context, lease });
      } catch (error) {
        // The directory has lost the account, or it was deactivated; the next order registers it again.
        if (error instanceof OrderFailure && lostAccountTypes.has(error.type)) await this.#forgetAccount();
        throw error;
      }
    });
  }

  #registered(acme: AcmeClient): Promise<Client> {
    this.#client ??= this.#register(acme).catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  /** Registers the account, or its new address, unless a file says that this was done. */
  async #register(acme: AcmeClient): Promise<Client> {
    const { settings, storage, sharing } = this.#options;
    const { directory, email } = settings;
    const key = String(await acme.crypto.createPrivateEcdsaKey());
    const own = storage.account(directory, () => key);
    const account = sharing ? await sharing.account(directory, own) : own;
    if (account.key !== own.key || account.url !== own.url) storage.saveAccount(directory, account);
    const client = new acme.Client({
      directoryUrl: directory,
      accountKey: account.key,
      ...(account.url !== undefined && { accountUrl: account.url }),
    });
    if (account.url !== undefined && account.email === email) return client;
    const contact = email === undefined ? [] : [`mailto:${email}`];
    // The configuration has `agree: true`.
    await client.createAccount({ termsOfServiceAgreed: true, contact });
    await this.#saveAccount({ key: account.key, url: client.getAccountUrl(), email });
    return client;
  }

  async #saveAccount(account: StoredAccount): Promise<void> {
    const { settings, storage, sharing } = this.#options;
    storage.saveAccount(settings.directory, account);
    await sharing?.saveAccount(settings.directory, account);
  }

  async #forgetAccount(): Promise<void> {
    const { settings, storage } = this.#options;
    const { key, email } = storage.account(settings.directory, () => "");
    this.#client = undefined;
    await this.#saveAccount({ key, email });
  }

  async #order(host: string, run: Run): Promise<CertificatePair> {
    const { storage } = this.#options;
    const begun = await this.#begunOrder(host, run);
    const { stored, order: first } = begun ?? (await this.#newOrder(host, run));
    let order = first;
    try {
      if (order.status === "pending") {
        for (const authorization of await run.client.getAuthorizations(order))
          await this.#authorize(host, authorization, { ...run, order });
        order = await this.#settled(order, "pending", run);
      }
      if (order.status === "ready") {
        const [, csr] = await run.acme.crypto.createCsr({ altNames: [host] }, stored.key);
        order = { ...(await run.client.finalizeOrder(order, csr)), url: stored.url };
      }
      order = await this.#settled(order, "processing", run);
      if (order.status !== "valid") throw failureOfOrder(order);
      const cert = await run.client.getCertificate(order);
      const pair = checkedPair({ cert, key: stored.key, source: host }, host);
      // First where all share it: if another balancer has the host by now, its certificate counts, and not this one.
      await run.lease?.saveCertificate(pair, this.#options.settings.directory);
      storage.saveCertificate(host, pair);
      return storage.certificate(host) ?? pair;
    } catch (error) {
      // Only an order that could not be followed may go on later.
      const isOpen =
        error instanceof OrderFailure && (error.reason === "unreachable" || error.reason === "fleet_failed");
      if (!isOpen && !run.context.signal.aborted) await this.#saveOrder(host, undefined, run);
      throw error;
    }
  }

  /** The order that an earlier process or attempt began, if it can go on. */
  async #begunOrder(host: string, { client }: Run): Promise<Begun | undefined> {
    const { storage, settings } = this.#options;
    const stored = storage.order(host);
    if (!stored || stored.directory !== settings.directory || !isKey(stored.key)) return undefined;
    try {
      const order = await client.getOrder({ url: stored.url } as Order);
      return order.status === "invalid" ? undefined : { stored, order };
    } catch (error) {
      if (error instanceof OrderFailure && error.reason === "unreachable") throw error;
      return undefined;
    }
  }

  async #newOrder(host: string, run: Run): Promise<Begun> {
    const { settings } = this.#options;
    const { acme, client } = run;
    const key = String(await acme.crypto.createPrivateEcdsaKey());
    const order = await client.createOrder({ identifiers: [{ type: "dns", value: host }] });
    const stored: StoredOrder = { url: order.url, directory: settings.directory, key };
    await this.#saveOrder(host, stored, run);
    return { stored, order };
  }

  async #saveOrder(host: string, order: StoredOrder | undefined, { lease }: Run): Promise<void> {
    this.#options.storage.saveOrder(host, order);
    await lease?.saveOrder(order);
  }

  async #authorize(host: string, authorization: Authorization, run: OrderRun): Promise<void> {
    if (authorization.status === "valid") return;
    const { challenges, settings } = this.#options;
    const offered = authorization.challenges.find(({ type }) => type === settings.challenge);
    if (!offered) {
      const others = authorization.challenges.map(({ type }) => type).join(", ");
      throw new OrderFailure(
        "refused",
        `the authority offers no ${settings.challenge} for ${host}, but ${others}`,
      );
    }
    const response = await run.client.getChallengeKeyAuthorization(offered);
    const challenge: Challenge =
      settings.challenge === "http-01"
        ? { type: "http-01", host, token: offered.token, response }
        : {
            type: "tls-alpn-01",
            host,
            pair: alpnPair(host, response),
          };
    const { storage } = this.#options;
    try {
      if (challenge.type === "http-01") storage.saveChallenge(challenge.token, response);
      await challenges.add(challenge);
      if (offered.status === "pending") await run.client.completeChallenge(offered);
      await this.#authorized(authorization.url, run);
    } finally {
      challenges.remove(challenge);
      if (challenge.type === "http-01") storage.removeChallenge(challenge.token);
    }
  }

  async #authorized(url: string, run: OrderRun): Promise<void> {
    const current = await this.#poll(
      async () => {
        const all = await run.client.getAuthorizations(run.order);
        return all.find((authorization) => authorization.url === url);
      },
      (authorization) => authorization?.status !== "pending",
      run,
    );
    if (current?.status === "valid") return;
    const failed = current?.challenges.find((challenge) => asRecord(challenge)["error"] !== undefined);
    const detail =
      problemDetail(asRecord(failed)["error"]) ?? `the authorization is ${current?.status ?? "gone"}`;
    throw new OrderFailure("challenge_failed", detail);
  }

  /** The order when it is in another state than this one. */
  async #settled(order: Order, from: Order["status"], run: Run): Promise<Order> {
    if (order.status !== from) return order;
    return this.#poll(
      () => run.client.getOrder(order),
      ({ status }) => status !== from,
      run,
    );
  }

  async #poll<Item>(
    read: () => Promise<Item>,
    isDone: (item: Item) => boolean,
    { context }: Run,
  ): Promise<Item> {
    const { wait, wallClock } = this.#options;
    let waitedMs = 0;
    for (let delayMs = firstPollMs; ; delayMs = Math.min(delayMs * 2, maxPollMs)) {
      const item = await read();
      if (isDone(item)) return item;
      if (waitedMs >= stepTimeoutMs)
        throw new OrderFailure("unreachable", `the order did not go on within ${stepTimeoutMs / 1_000} s`);
      const asked = delayOf(context.retryAfter, wallClock()) ?? 0;
      const pause = Math.min(Math.max(delayMs, asked), stepTimeoutMs);
      await wait(pause, context.signal);
      waitedMs += pause;
    }
  }
}

interface Run {
  readonly acme: AcmeClient;
  readonly client: Client;
  readonly context: OrderContext;
  readonly lease: HostLease | undefined;
}

interface OrderRun extends Run {
  readonly order: Order;
}

interface Begun {
  readonly stored: StoredOrder;
  readonly order: Order;
}

const lostAccountTypes: ReadonlySet<string> = new Set(["accountDoesNotExist", "unauthorized"]);

function failureOfOrder(order: Order): OrderFailure {
  const { error } = order as { readonly error?: unknown };
  return new OrderFailure("refused", problemDetail(error) ?? `the order is ${order.status}`);
}

function isKey(key: string): boolean {
  try {
    createPrivateKey(key);
    return true;
  } catch {
    return false;
  }
}

/** acme-client's own has a key usage without signatures, with which BoringSSL serves no handshake. */
function alpnPair(host: string, keyAuthorization: string): CertificatePair {
  const acmeDigest = createHash("sha256").update(keyAuthorization).digest();
  return selfSigned(host, "tls-alpn-01", { days: 1, acmeDigest });
}

function checkedPair(given: Pick<CertificatePair, "cert" | "key" | "source">, host: string): CertificatePair {
  const pair = readPair(given);
  if ("why" in pair)
    throw new OrderFailure("certificate_unusable", `the authority's certificate: ${pair.why}`);
  if (!pair.names.includes(host))
    throw new OrderFailure("certificate_unusable", `the authority's certificate does not name ${host}`);
  return pair;
}
