/** The data plane of a single process: runs exchanges over the registry's pools behind one engine's listener. */

import { storedChallenge } from "../acme/storage.ts";
import {
  type Config,
  defaults,
  type HstsConfig,
  type ListenerConfig,
  type ListenTlsConfig,
} from "../config/config.ts";
import { countedRoutes } from "../config/counted-routes.ts";
import type { Engine, EngineListener, EngineLog, ListenerOptions } from "../engine/engine.ts";
import { bugs } from "../lib/bugs.ts";
import { type Cancel, type Clock, repeat, type Schedule, sleep, systemSchedule } from "../lib/clock.ts";
import { exhaustion } from "../lib/exhaustion.ts";
import type { Log } from "../lib/log.ts";
import type { ListeningSocket } from "../net/listening-sockets.ts";
import { maxClientsForOpenFiles } from "../net/open-files.ts";
import { systemRandom } from "../lib/random.ts";
import { rateLimit } from "../lib/rate.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { type ProcessCounters, sumProcessCounters } from "../metrics/process-families.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { StallDetector, type StallEvidence, type StallSuspicion } from "../probe/stall-detector.ts";
import { createListenerRules, type ListenerRulesOptions } from "../proxy/listener-rules.ts";
import { Exchange } from "../proxy/exchange.ts";
import { createViaName } from "../proxy/forwarding.ts";
import { Hedger } from "../proxy/hedger.ts";
import type { AttemptFilter } from "../proxy/interception.ts";
import type { RecordSink } from "../proxy/record.ts";
import { requestIds } from "../proxy/request-head.ts";
import type { Tracer } from "../proxy/trace-context.ts";
import { trustedProxyMatcher } from "../net/address.ts";
import type { PoolEntry } from "../registry/destinations.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { CertificateStore } from "../tls/certificate-store.ts";
import { handshakeRefusals } from "../tls/handshake-refusal.ts";
import { type ListenerTls, StoredListenerTls } from "../tls/listener-tls.ts";
import type { DataPlane, PoolGauges } from "./data-plane.ts";

export interface LocalDataPlaneOptions {
  /** The sockets that a listener adopts, by its position. */
  readonly sockets?: ((index: number) => readonly ListeningSocket[]) | undefined;
  /** The configuration at the start. */
  readonly config: Config;
  readonly engine: Engine;
  readonly sharesPort: boolean;
  readonly registry: PoolRegistry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Defaults to the system's timers. */
  readonly schedule?: Schedule;
  readonly log: Log;
  /** Of all TLS listeners. */
  readonly certificates: CertificateStore;
  /** Called with upstreams on which attempts wait too long. */
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
  /** Receive the request records. */
  readonly records?: readonly RecordSink[];
  readonly trace?: Tracer;
  /** The balancer's name in Via, the same in all workers; by default a new one. */
  readonly viaName?: string;
  readonly attemptFilters?: readonly AttemptFilter[];
  /** The responses to challenges of a certificate authority, which plain listeners give before all else. */
  readonly challenges?: ListenerRulesOptions["challenges"];
  /** Access log lines dropped so far. */
  readonly lostLines?: () => number;
  /** Trace spans dropped so far. */
  readonly lostSpans?: () => number;
}

/** Runtimes report closed connections late, more so under load. Exchanges end only then, so `end` polls for it. */
const settleMs = 50;
const maxSettles = 40;

/** How often idle connections are closed while descriptors are short. */
const reliefIntervalMs = 1_000;

/** Commands and reports are plain function calls. */
export class LocalDataPlane implements DataPlane {
  readonly #options: LocalDataPlaneOptions;
  #isTrustedProxy: (address: string) => boolean;
  readonly #stallDetector: StallDetector;
  #listener: EngineListener | undefined;
  #cancelRelief: Cancel | undefined;
  readonly #hedger: Hedger;
  readonly #load = { isShed: false };
  #applied: Pick<Config, "trustedProxies" | "routes"> | undefined;

  constructor(options: LocalDataPlaneOptions) {
    this.#options = options;
    const { registry, metrics, clock, schedule = systemSchedule, onSuspicion } = options;
    this.#hedger = new Hedger({
      clock,
      schedule,
      pools: () => hedgedPools(registry),
      latencyOf: (pool) => metrics.latencyOf(pool),
    });
    this.#isTrustedProxy = trustedProxyMatcher(options.config.trustedProxies);
    this.#stallDetector = new StallDetector({
      clock,
      schedule,
      onSuspicion,
      pools: () => registry.pools,
      p99Ms: (upstream) => metrics.of(upstream).p99Ms(clock()),
    });
  }

  get ports(): readonly number[] {
    return this.#listener?.ports ?? [];
  }

  sockets(): readonly (readonly ListeningSocket[])[] | undefined {
    return this.#listener?.sockets?.();
  }

  retire(): void {
    this.#listener?.retire?.();
  }

  get abortAttempts(): ((upstream: Upstream) => number) | undefined {
    const listener = this.#listener;
    return listener?.abortAttempts && ((upstream) => listener.abortAttempts?.(upstream) ?? 0);
  }

  async listen(): Promise<void> {
    const { config, engine, sharesPort, registry, metrics, clock, log } = this.#options;
    const { records, trace, attemptFilters } = this.#options;
    const exchanges = {
      routes: () => registry.routes,
      clock,
      load: this.#load,
      observer: metrics,
      ...(records && { records }),
      ...(trace && { trace }),
      ...(attemptFilters && { attemptFilters }),
    };
    this.#listener = await engine.listen({
      listeners: config.listeners.map((listener, index) => ({
        ...this.#listenerOptionsOf(listener),
        sockets: this.#options.sockets?.(index) ?? [],
      })),
      maxClients: affordableClients(config, log),
      sharesPort,
      clientTimeouts: config.clientTimeouts,
      limits: config.limits,
      exchange: () => new Exchange(exchanges),
      requestId: requestIds(systemRandom),
      isTrustedProxy: (address) => this.#isTrustedProxy(address),
      viaName: this.#options.viaName ?? createViaName(systemRandom),
      handshakeRefused(listener, reason, why) {
        handshakeRefusals.add(reason);
        log.debug("handshake refused", { listener, reason, why });
      },
      log: createEngineLog(log, clock),
    });
    this.#stallDetector.start();
    // A listener without descriptors turns in circles: it cannot accept the connection that wakes it.
    const relieve = () => exhaustion.isShort && this.#listener?.releaseIdle?.();
    this.#cancelRelief = repeat(
      this.#options.schedule ?? systemSchedule,
      reliefIntervalMs,
      () => void relieve(),
    );
    this.#hedger.wake();
  }

  #listenerOptionsOf({ tls, protocols, redirect, ...listener }: ListenerConfig): ListenerOptions {
    const { config, challenges, metrics, certificates } = this.#options;
    const { hostname, port, name, maxClients, unknownHosts, trustedProxies, proxyProtocol, hsts, http3 } =
      listener;
    const answered = challenges && !tls && answeredChallenges(config, challenges);
    const isOwnProxy = trustedProxies && trustedProxyMatcher(trustedProxies);
    const securePort = () =>
      redirect?.port ?? this.ports[config.listeners.findIndex((one) => one.tls)] ?? 443;
    const rules = createListenerRules({
      ...(answered && { challenges: answered }),
      ...(redirect && { redirect: { ...redirect, port: securePort } }),
      ...(unknownHosts !== undefined && { unknownHosts }),
      ...(tls && { checksConnection: protocols.includes("http2") || tls.clientCertificates !== undefined }),
      isTrustedProxy: isOwnProxy ?? ((address) => this.#isTrustedProxy(address)),
    });
    return {
      ...{ hostname, port, name, maxClients, meter: metrics.ofListener(name) },
      ...(tls && { tls: listenerTlsOf(tls, config, certificates) }),
      ...(tls && hsts && { hsts: hstsValueOf(hsts) }),
      http2: protocols.includes("http2"),
      ...(tls && http3 && { http3 }),
      ...(proxyProtocol && {
        proxyProtocol: { ...proxyProtocol, isFrom: trustedProxyMatcher(proxyProtocol.from) },
      }),
      ...(rules && { rules }),
      ...(isOwnProxy && { isTrustedProxy: isOwnProxy }),
    };
  }

  /** What this process observes of an upstream now; see {@link StallDetector.evidenceFor}. */
  evidenceFor(pool: Pool, upstream: Upstream, since: number): StallEvidence {
    return this.#stallDetector.evidenceFor(pool, upstream, since);
  }

  apply({ trustedProxies, routes }: Config): void {
    const before = this.#applied;
    this.#applied = { trustedProxies, routes };
    // Most calls are for the health of one upstream.
    if (routes !== before?.routes) this.#options.metrics.routes.retain(new Set(countedRoutes(routes)));
    if (trustedProxies !== before?.trustedProxies) this.#isTrustedProxy = trustedProxyMatcher(trustedProxies);
    this.#hedger.wake();
  }

  refreshCounters(): void {
    const { metrics, lostLines, lostSpans } = this.#options;
    if (lostLines) metrics.lostLines = lostLines();
    if (lostSpans) metrics.lostSpans = lostSpans();
  }

  active(): number {
    return this.#listener?.active() ?? 0;
  }

  clients(): number | null {
    return this.#listener?.clients?.() ?? null;
  }

  isDrained({ inFlight }: Upstream): boolean {
    return inFlight === 0;
  }

  measure(entry: PoolEntry): PoolGauges {
    return entry;
  }

  rssBytes(): number {
    return 0;
  }

  processCounters(): ProcessCounters {
    return sumProcessCounters([]);
  }

  setShedding(isShedding: boolean): void {
    this.#load.isShed = isShedding;
  }

  drain(): Promise<void> {
    return this.#listener?.drain() ?? Promise.resolve();
  }

  async end(): Promise<void> {
    let settles = this.active() > 0 ? maxSettles : 0;
    this.close();
    for (; settles > 0; settles--) {
      await sleep(settleMs);
      if (!this.#hasAttempts) return;
    }
  }

  get #hasAttempts(): boolean {
    const { pools } = this.#options.registry;
    return pools.some(({ upstreams }) => upstreams.some(({ inFlight }) => inFlight > 0));
  }

  close(): void {
    this.#stallDetector.stop();
    this.#cancelRelief?.();
    this.#hedger.stop();
    this.#listener?.close();
  }
}

/** Those of this balancer, and of others that share its folder: the authority may ask any of them. */
function answeredChallenges(
  { acme }: Pick<Config, "acme">,
  own: NonNullable<ListenerRulesOptions["challenges"]>,
): ListenerRulesOptions["challenges"] | undefined {
  const folders = acme.flatMap(({ challenge, storage }) => (challenge === "http-01" ? [storage] : []));
  if (folders.length === 0) return undefined;
  const inFolders = (token: string) => {
    for (const folder of new Set(folders)) {
      const response = storedChallenge(folder, token);
      if (response !== undefined) return response;
    }
    return undefined;
  };
  return { responseTo: (token) => own.responseTo(token) ?? inFolders(token) };
}

function listenerTlsOf(
  tls: ListenTlsConfig,
  { acme }: Pick<Config, "acme">,
  certificates: CertificateStore,
): ListenerTls {
  const { minVersion, defaultCertificate: defaultName, strictSni, clientCertificates, files } = tls;
  return new StoredListenerTls(certificates, {
    minVersion,
    answersChallenges: acme.some(({ challenge }) => challenge === "tls-alpn-01"),
    strictSni: strictSni === "auto" ? clientCertificates !== undefined : strictSni,
    ...(defaultName !== undefined && { defaultName }),
    ...(files && { ownSource: files.certPath }),
    ...(clientCertificates && { clientCertificates }),
  });
}

/** The value of Strict-Transport-Security (RFC 6797 section 6.1). */
function hstsValueOf({ maxAgeSeconds, subdomains, preload }: HstsConfig): string {
  return `max-age=${maxAgeSeconds}${subdomains ? "; includeSubDomains" : ""}${preload ? "; preload" : ""}`;
}

function hedgedPools({ entries }: PoolRegistry) {
  return entries.flatMap(({ pool, config: { hedgeAfter: after } }) => (after === 0 ? [] : [{ pool, after }]));
}

/** As many clients as the limit on open files allows. Warns where the configuration asks for more. */
function affordableClients({ listeners, workers }: Config, log: Log): number {
  const maxClients = maxClientsForOpenFiles();
  const ofEachWorker = Math.ceil(defaults.maxClients / (workers === "auto" ? 1 : workers));
  for (const { name: listener, maxClients: wanted } of listeners) {
    if (wanted <= maxClients) continue;
    const isDefault = wanted === defaults.maxClients || wanted === ofEachWorker;
    const fields = { listener, wanted, maxClients, why: "the limit on open files" };
    if (isDefault) log.info("client limit lowered", fields);
    else log.warn("client limit lowered", fields);
  }
  return maxClients;
}

/** One dead upstream can fail thousands of requests a second; a few log lines a second say as much. */
const maxWarningsPerSecond = 10;

function createEngineLog(log: Log, clock: Clock): EngineLog {
  const limiter = rateLimit(maxWarningsPerSecond, clock);
  return {
    bug: (error, requestId) => bugs.report(log, error, { requestId }),
    warn: (message, fields) => {
      const suppressed = limiter();
      if (suppressed !== undefined)
        log.warn(message, suppressed > 0 ? { ...fields, heldBack: suppressed } : fields);
    },
  };
}
