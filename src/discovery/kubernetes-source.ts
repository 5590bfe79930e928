/** Members from Kubernetes: lists the EndpointSlices of one service, then watches them. */

import type { KubernetesSettings } from "../config/kubernetes-source.ts";
import type { Cancel } from "../lib/clock.ts";
import { asArray, asRecord } from "../lib/json.ts";
import { ApiFailure, type ApiRequest, requestJson, streamJson } from "./api-request.ts";
import { type EndpointSlice, readEndpointSlice, sliceMembers } from "./endpoint-slices.ts";
import { type KubernetesAccess, kubernetesAccess } from "./kubernetes-access.ts";
import { RetryPace } from "../lib/retry-pace.ts";
import type { DiscoveryListener, DiscoverySource, EntryOf, SourceContext } from "./source.ts";

const requestTimeoutMs = 15_000;
const maxRetryMs = 30_000;

/** A slice has at most a thousand endpoints, of about half a KiB each. */
const slicesPerPage = 50;
const maxPageBytes = 32 * 1_048_576;
const maxEventBytes = 4 * 1_048_576;
/** A hundred thousand endpoints or more. */
const maxSlices = 1_000;

/** The server ends each watch after this time, and up to this share more: not all at once. */
const watchSeconds = 300;
const watchSpread = 0.5;

/** Bookmarks come every minute. Longer silence is a dead connection, and the server knows what came before for as long. */
const silenceMs = 75_000;

/** A watch that ends sooner is no progress. */
const minWatchMs = 1_000;

/** So many failed watches in a row may be due to their version, for example one of before the restore of a backup. */
const maxFailedWatches = 3;

export function createKubernetesSource(
  entry: EntryOf<KubernetesSettings>,
  context: SourceContext,
): DiscoverySource {
  return {
    start(listener) {
      const run = new KubernetesRun(entry, context, listener);
      void run.run();
      return () => run.stop();
    },
  };
}

/**
 * ```
 *  list ──▶ watch ──end, cut or silent──▶ watch from the last version ──▶ …
 *   ▲         └──410 as status or event, a bad line, the third failure──┐
 *   └──────────────────────────────────────────────────────────────────┘
 * ```
 */
class KubernetesRun {
  readonly #entry: EntryOf<KubernetesSettings>;
  readonly #context: SourceContext;
  readonly #listener: DiscoveryListener;
  readonly #abort = new AbortController();
  readonly #pace: RetryPace;
  #slices = new Map<string, EndpointSlice>();
  /** Of the last list, event or bookmark; undefined when a list is needed. */
  #version: string | undefined;
  #wake: Cancel | undefined;

  constructor(entry: EntryOf<KubernetesSettings>, context: SourceContext, listener: DiscoveryListener) {
    this.#entry = entry;
    this.#context = context;
    this.#listener = listener;
    this.#pace = new RetryPace(context.random, maxRetryMs);
  }

  stop(): void {
    this.#abort.abort();
    this.#wake?.();
  }

  async run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      let access: KubernetesAccess | undefined;
      try {
        access = await kubernetesAccess(this.#entry.source, this.#context.cluster);
        if (this.#version === undefined) await this.#list(access);
        else await this.#watch(access, this.#version);
      } catch (error) {
        if (signal.aborted) return;
        const { status, retryAfterMs } = error instanceof ApiFailure ? error : new ApiFailure("");
        const delayMs = this.#pace.failed(retryAfterMs);
        if (status === 410 || this.#pace.failures >= maxFailedWatches) this.#version = undefined;
        // Gone is the ordinary end of a version. The list says at once whether the server is there.
        if (status === 410 && this.#pace.failures === 1) continue;
        this.#listener.failed(explain(error, this.#entry.source, access));
        await this.#wait(delayMs);
      }
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.schedule(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  async #list(access: KubernetesAccess): Promise<void> {
    const slices = new Map<string, EndpointSlice>();
    let version: unknown;
    let next = "";
    let pages = 0;
    do {
      const before = next;
      const query = { limit: String(slicesPerPage), ...(next !== "" && { continue: next }) };
      const { value } = await requestJson(this.#request(access, query), {
        maxBytes: maxPageBytes,
        timeoutMs: requestTimeoutMs,
      });
      const { metadata, items } = asRecord(value);
      for (const item of asArray(items)) {
        const slice = readEndpointSlice(item);
        if (slice) slices.set(slice.name, slice);
      }
      const given = asRecord(metadata);
      version = given["resourceVersion"];
      next = typeof given["continue"] === "string" ? given["continue"] : "";
      if (!Array.isArray(items) || typeof version !== "string")
        throw new ApiFailure("the answer is no list of EndpointSlices");
      pages += 1;
      // A server that gives the same page again would be asked for ever, without a pause.
      if (next !== "" && (next === before || pages >= maxSlices))
        throw new ApiFailure("the list of EndpointSlices has no end");
    } while (next !== "" && slices.size < maxSlices);
    if (this.#abort.signal.aborted) return;
    this.#slices = slices;
    this.#version = String(version);
    this.#report(access);
  }

  async #watch(access: KubernetesAccess, from: string): Promise<void> {
    const { clock, random } = this.#context;
    const startedAt = clock();
    const seconds = Math.round(watchSeconds * (1 + random() * watchSpread));
    const query = {
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion: from,
      timeoutSeconds: String(seconds),
    };
    let isOpen = false;
    // A list is no progress as long as each watch after it fails.
    const isProgress = () => clock() - startedAt >= minWatchMs;
    try {
      await streamJson(this.#request(access, query), {
        maxLineBytes: maxEventBytes,
        headMs: requestTimeoutMs,
        silenceMs,
        onOpen: () => {
          isOpen = true;
          this.#report(access);
        },
        onValues: (events) => {
          for (const event of events) this.#accept(event);
          this.#pace.succeeded();
          this.#report(access);
        },
      });
    } catch (error) {
      const isCut = isOpen && error instanceof ApiFailure && error.status === undefined;
      if (isOpen && isProgress()) this.#pace.succeeded();
      // A stream that is cut or silent after a while is ordinary: the next one tells what happened meanwhile.
      if (isCut && isProgress()) return;
      throw error;
    }
    if (!isProgress()) throw new ApiFailure("the server ended the watch at once");
    this.#pace.succeeded();
  }

  /** Throws what ends the watch. */
  #accept(event: unknown): void {
    const { type, object } = asRecord(event);
    if (type === "ERROR") throw failureOfStatus(object);
    const { metadata } = asRecord(object);
    const version = asRecord(metadata)["resourceVersion"];
    if (typeof version === "string") this.#version = version;
    if (type === "BOOKMARK") return;
    const slice = readEndpointSlice(object);
    if (!slice) return;
    if (type === "DELETED") this.#slices.delete(slice.name);
    else if (this.#slices.size < maxSlices || this.#slices.has(slice.name))
      this.#slices.set(slice.name, slice);
  }

  #report({ namespace }: KubernetesAccess): void {
    const { source, template } = this.#entry;
    const { service, port } = source;
    // By this name pods of a cluster reach the service, and certificates of services have it.
    const serverName = `${service}.${namespace}.svc`;
    const answer = sliceMembers(this.#slices.values(), { port, template, serverName });
    if (answer.members.length > 0) this.#listener.answered(answer);
    else if (answer.skipped && answer.skipped.length > 0)
      this.#listener.failed(answer.skipped.slice(0, 3).join("; "));
    else if (this.#slices.size > 0)
      this.#listener.absent(`service ${namespace}/${service} has no ready endpoint`);
    else
      this.#listener.absent(`service ${namespace}/${service} has no EndpointSlice; is there such a service?`);
  }

  #request(
    { url, headers, ca, namespace }: KubernetesAccess,
    query: Readonly<Record<string, string>>,
  ): ApiRequest {
    const selector = `kubernetes.io/service-name=${this.#entry.source.service}`;
    const parameters = new URLSearchParams({ labelSelector: selector, ...query });
    return {
      server: { url },
      path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?${parameters}`,
      headers,
      ca,
      schedule: this.#context.schedule,
      signal: this.#abort.signal,
    };
  }
}

/** The error in a stream: a `Status` of the API. */
function failureOfStatus(object: unknown): ApiFailure {
  const { code, message } = asRecord(object);
  const text = typeof message === "string" ? message.slice(0, 300) : "an error";
  return new ApiFailure(`the watch ended: ${text}`, { status: Number.isInteger(code) ? Number(code) : 500 });
}

function explain(
  error: unknown,
  { service }: KubernetesSettings,
  access: KubernetesAccess | undefined,
): string {
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof ApiFailure ? error.status : undefined;
  const namespace = access?.namespace ?? "default";
  if (status === 401) return `${message}; the token is not valid for this server`;
  if (status === 403)
    return `${message}; a Role in namespace ${namespace} has to allow get, list and watch on endpointslices of discovery.k8s.io, and a RoleBinding has to give it to the balancer's service account`;
  if (status === 404) return `${message}; Kubernetes has EndpointSlices from version 1.21 on`;
  return message === "" ? `cannot watch ${service}` : message;
}
