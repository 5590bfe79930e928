/** The store of a fleet in Redis or Valkey, through ioredis, which is loaded only here. */

import type { Redis, RedisOptions } from "ioredis";

import type { Cancel, Schedule } from "../lib/clock.ts";
import { type Random, systemRandom } from "../lib/random.ts";
import type { FleetSettings, FleetTls } from "./settings.ts";
import { type FleetStore, FleetStoreError, type SetOptions } from "./store.ts";
import { describeStoreFailure } from "./store-failure.ts";

/** The type of replies is part of the library's type of a client. */
type ClientOptions = Omit<RedisOptions, "replyMapping">;

export interface RedisStoreOptions {
  readonly settings: FleetSettings;
  readonly schedule: Schedule;
  readonly random?: Random;
}

/** Each call ends by then. */
const callTimeoutMs = 500;

/** Of the library: later than ours, so that ours gives the reason. */
const commandTimeoutMs = 1_000;

/** Also the time after which a subscription without an answer to its PING counts as cut. */
const socketTimeoutMs = 3_000;

const connectTimeoutMs = 2_000;

/** A connection without traffic looks the same as one that was cut: only a PING tells them apart. */
const pingIntervalMs = 1_000;

const [minBackoffMs, maxBackoffMs] = [100, 2_000];

/** Far more than all parts of the balancer together have out: a limit for bugs. */
const maxCalls = 256;

/** Connects in the background. Never rejects because of the store: one that is away comes later. */
export async function openRedisStore(options: RedisStoreOptions): Promise<FleetStore> {
  const { Redis } = await import("ioredis");
  return new RedisStore((clientOptions) => new Redis(clientOptions), options);
}

class RedisStore implements FleetStore {
  readonly #schedule: Schedule;
  readonly #prefix: string;
  /** For calls; and for messages, because a subscribed connection takes no other calls. */
  readonly #commands: Redis;
  readonly #messages: Redis;
  readonly #readyListeners = new Set<() => void>();
  readonly #subscriptions = new Map<string, Set<(message: string) => void>>();
  readonly #pings: Cancel[] = [];
  /** Number of the database. */
  readonly #database: number;
  /** Why there is no connection. */
  #failure = "no connection yet";
  /** Whether the connection for calls uses the database. */
  #hasSelected = false;
  #calls = 0;
  #isClosed = false;

  constructor(open: (options: ClientOptions) => Redis, { settings, schedule, random }: RedisStoreOptions) {
    this.#schedule = schedule;
    // One hash slot, as scripts over several keys need in a cluster.
    this.#prefix = `ek:{${settings.group}}:`;
    this.#database = settings.store.kind === "server" ? settings.store.database : 0;
    const options = clientOptions(settings, random ?? systemRandom);
    this.#commands = this.#watched(open(options));
    this.#messages = this.#watched(open(options));
    this.#commands.on("ready", () => void this.#select());
    this.#commands.on("close", () => (this.#hasSelected = false));
    this.#messages.on("ready", () => void this.#resubscribe());
    this.#messages.on("message", (channel: string, message: string) => {
      for (const onMessage of this.#subscriptions.get(channel) ?? []) onMessage(message);
    });
    for (const client of [this.#commands, this.#messages]) {
      this.#ping(client);
      client.connect().catch((error: unknown) => this.#failed(error));
    }
  }

  /** Without a listener of errors, the library would end the process. */
  #watched(client: Redis): Redis {
    client.on("error", (error) => this.#failed(error));
    return client;
  }

  #failed(error: unknown): void {
    this.#failure = describeStoreFailure(error) ?? this.#failure;
  }

  #ready(): void {
    for (const listener of this.#readyListeners) listener();
  }

  /** The library goes on with database 0, which may be another fleet's, where the server refuses the one of the settings. */
  async #select(): Promise<void> {
    try {
      if (this.#database !== 0) await this.#commands.select(this.#database);
      this.#hasSelected = true;
      // A close brings no error with it.
      this.#failure = "the connection was cut";
      this.#ready();
    } catch (error) {
      // Asked again with the next PING: the connection is fine.
      this.#failed(error);
    }
  }

  /** A failed one leaves the connection without messages, so it is opened again. */
  async #resubscribe(): Promise<void> {
    try {
      if (this.#subscriptions.size > 0) await this.#messages.subscribe(...this.#subscriptions.keys());
      this.#ready();
    } catch (error) {
      this.#failed(error);
      // Not allowed stays not allowed: whole reads do without messages.
      if (!/NOPERM/.test(String(error))) this.#messages.disconnect(true);
    }
  }

  /** The socket timeout of the library ends a connection whose PING has no answer. */
  #ping(client: Redis): void {
    const index = this.#pings.length;
    const turn = () => {
      this.#pings[index] = this.#schedule(pingIntervalMs, turn);
      if (client.status !== "ready") return;
      client.ping().catch((error: unknown) => this.#failed(error));
      if (client === this.#commands && !this.#hasSelected) void this.#select();
    };
    this.#pings.push(this.#schedule(pingIntervalMs, turn));
  }

  async #call<Reply>(send: (client: Redis) => Promise<Reply>): Promise<Reply> {
    if (this.#isClosed) throw new FleetStoreError("it was closed");
    if (this.#commands.status !== "ready" || !this.#hasSelected) throw new FleetStoreError(this.#failure);
    if (this.#calls >= maxCalls) throw new FleetStoreError(`${maxCalls} calls wait for an answer`);
    this.#calls += 1;
    const reply = send(this.#commands).finally(() => (this.#calls -= 1));
    let cancel: Cancel = () => {};
    const deadline = new Promise<never>((_, reject) => {
      cancel = this.#schedule(callTimeoutMs, () =>
        reject(new FleetStoreError(`no answer within ${callTimeoutMs} ms`)),
      );
    });
    try {
      return await Promise.race([reply, deadline]);
    } catch (error) {
      // The other of the two may reject later.
      reply.catch(() => {});
      if (error instanceof FleetStoreError) throw error;
      // The library closes the connection for it, and later calls have the same cause.
      if (isReadOnly(error)) this.#failed(error);
      throw new FleetStoreError(describeStoreFailure(error) ?? this.#failure);
    } finally {
      cancel();
    }
  }

  eval: FleetStore["eval"] = (script, keys, args) =>
    this.#call((client) =>
      client.eval(script, keys.length, ...keys.map((key) => this.#prefix + key), ...args),
    );

  async get(key: string): Promise<string | undefined> {
    return (await this.#call((client) => client.get(this.#prefix + key))) ?? undefined;
  }

  async set(key: string, value: string, { ttlMs, ifAbsent = false }: SetOptions = {}): Promise<boolean> {
    const expiry = ttlMs === undefined ? [] : ["PX", Math.max(1, Math.round(ttlMs))];
    const args = [this.#prefix + key, value, ...expiry, ...(ifAbsent ? ["NX"] : [])];
    return (await this.#call((client) => client.call("SET", ...args))) === "OK";
  }

  async del(key: string): Promise<boolean> {
    return (await this.#call((client) => client.del(this.#prefix + key))) > 0;
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#call((client) => client.publish(this.#prefix + channel, message));
  }

  subscribe(channel: string, onMessage: (message: string) => void): Cancel {
    const name = this.#prefix + channel;
    const listeners = this.#subscriptions.get(name) ?? new Set();
    const isNew = !this.#subscriptions.has(name);
    this.#subscriptions.set(name, listeners.add(onMessage));
    if (isNew && this.#messages.status === "ready") void this.#resubscribe();
    // The channel stays subscribed: nothing here gives one up while it runs.
    return () => void listeners.delete(onMessage);
  }

  onReady(listener: () => void): Cancel {
    this.#readyListeners.add(listener);
    return () => void this.#readyListeners.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#pings) cancel();
    this.#readyListeners.clear();
    this.#subscriptions.clear();
    this.#commands.disconnect();
    this.#messages.disconnect();
  }
}

function isReadOnly(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("READONLY");
}

function clientOptions(settings: FleetSettings, random: Random): ClientOptions {
  const { store, user, password, sentinelPassword, name } = settings;
  return {
    ...addressOptions(settings, random),
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    connectionName: `evenkeel-${name}`,
    lazyConnect: true,
    // By default each of these keeps calls in memory for as long as the store is away, and their callers wait.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    socketTimeout: socketTimeoutMs,
    connectTimeout: connectTimeoutMs,
    autoResubscribe: false,
    disableClientInfo: true,
    protocol: 2,
    // Asks with INFO; only with Sentinels, where it finds out whether the server leads.
    enableReadyCheck: store.kind === "sentinels",
    // After a failover, the server that led before takes no writes.
    reconnectOnError: isReadOnly,
    retryStrategy: (times) => backoffMs(times, random),
  };
}

/** Doubles from 100 ms to 2 s, each less a random part of up to a quarter, so that peers do not return all at once. */
export function backoffMs(times: number, random: Random): number {
  const limit = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(times - 1, 10));
  return Math.round(limit * (1 - random() / 4));
}

function addressOptions({ store, tls }: FleetSettings, random: Random): ClientOptions {
  if (store.kind === "server") {
    const { hostname: host, port, database: db } = store;
    return { host, port, db, ...(tls && { tls: tlsOptions(tls, host) }) };
  }
  const secure = tls && tlsOptions(tls, undefined);
  return {
    sentinels: store.sentinels.map(({ hostname: host, port }) => ({ host, port })),
    name: store.master,
    sentinelCommandTimeout: commandTimeoutMs,
    // Null would end the client for good.
    sentinelRetryStrategy: (times) => backoffMs(times, random),
    // Sentinels may tell addresses that only they can reach.
    updateSentinels: false,
    failoverDetector: true,
    ...(secure && { tls: secure, sentinelTLS: secure, enableTLSForSentinelMode: true }),
  };
}

function tlsOptions(
  { ca, serverName, clientCertificate }: FleetTls,
  host: string | undefined,
): NonNullable<ClientOptions["tls"]> {
  const name = serverName ?? host;
  return {
    ...(ca !== undefined && { ca }),
    // Also for an IP address, which Server Name Indication cannot carry (RFC 6066 section 3): only the check uses it then.
    ...(name !== undefined && !isAddress(name) && { servername: name }),
    ...(clientCertificate && { cert: clientCertificate.cert, key: clientCertificate.key }),
    rejectUnauthorized: true,
  };
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^[\d.]+$/.test(name);
}
