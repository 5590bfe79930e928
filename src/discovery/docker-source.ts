/** Members from Docker: lists containers every 30 s, and at once when an event says that something changed. */

import type { DockerSettings } from "../config/docker-source.ts";
import type { Cancel } from "../lib/clock.ts";
import { ApiFailure, type ApiRequest, type ApiServer, requestJson, streamJson } from "./api-request.ts";
import { containerMembers, type ContainerSelection } from "./docker-containers.ts";
import { RetryPace } from "../lib/retry-pace.ts";
import type { DiscoveryListener, DiscoverySource, EntryOf, SourceContext } from "./source.ts";
import { StoppingContainers } from "./stopping-containers.ts";

/** Events are hints: this finds what they left out, such as a container that was connected to another network. */
const listEveryMs = 30_000;
/** Where a proxy of the socket allows no events. */
const listWithoutEventsMs = 5_000;
/** Between the starts of two lists: containers that start together make few of them. */
const minListMs = 100;
/** The daemon is near, so that it may be asked often. */
const maxRetryMs = 10_000;

const requestTimeoutMs = 10_000;
/** About four thousand containers. */
const maxListBytes = 16 * 1_048_576;
const maxEventBytes = 262_144;
/** A stream of a daemon without news is silent. After this it is opened again, in case that it is dead. */
const eventSilenceMs = 300_000;
/** One that ends sooner without an event is a failure: it would be opened twice a second for ever. */
const minStreamMs = 5_000;

/** Events that change who serves. Commands of health checks cause many others. */
const eventNames = [
  ...["start", "die", "kill", "stop", "destroy", "pause", "unpause", "rename", "restart", "update"],
  "health_status",
];

export function createDockerSource(entry: EntryOf<DockerSettings>, context: SourceContext): DiscoverySource {
  return {
    start(listener) {
      const run = new DockerRun(entry, context, listener);
      run.start();
      return () => run.stop();
    },
  };
}

/**
 * ```
 *  events:  connect ──open──▶ list;  each event ──▶ list, at most each 100 ms;  cut ──▶ list, connect again in 0.5–10 s
 *  lists:   one at a time;  the next in 30 s, or in 0.5–10 s after a failure
 * ```
 */
class DockerRun {
  readonly #entry: EntryOf<DockerSettings>;
  readonly #context: SourceContext;
  readonly #listener: DiscoveryListener;
  readonly #server: ApiServer;
  readonly #selection: ContainerSelection;
  readonly #stopping: StoppingContainers;
  readonly #abort = new AbortController();
  readonly #listPace: RetryPace;
  readonly #eventPace: RetryPace;
  #isListing = false;
  /** Something may have changed after the list under way was asked for. */
  #isOutdated = false;
  #hasEvents = true;
  #nextList: Cancel | undefined;
  #nextListAt = Infinity;
  /** Clock time at which the last list was asked for. */
  #listedAt = -Infinity;
  #nextConnect: Cancel | undefined;

  constructor(entry: EntryOf<DockerSettings>, context: SourceContext, listener: DiscoveryListener) {
    this.#entry = entry;
    this.#context = context;
    this.#listener = listener;
    const { labels, network, port, published, host } = entry.source;
    this.#server = dockerServer(host);
    this.#selection = {
      labels,
      ...(network !== undefined && { network }),
      ...(port !== undefined && { port }),
      published,
      daemonHost: "url" in this.#server ? new URL(this.#server.url).hostname : "127.0.0.1",
    };
    this.#stopping = new StoppingContainers(context.clock);
    this.#listPace = new RetryPace(context.random, maxRetryMs);
    this.#eventPace = new RetryPace(context.random, maxRetryMs);
  }

  start(): void {
    this.#listIn(0);
    void this.#watch();
  }

  stop(): void {
    this.#abort.abort();
    this.#nextList?.();
    this.#nextConnect?.();
  }

  async #watch(): Promise<void> {
    let why: unknown;
    let openedAt = Infinity;
    try {
      const filters = { type: ["container"], event: eventNames, label: this.#selection.labels.slice(0, 1) };
      await streamJson(this.#request(`/events?filters=${encodeURIComponent(JSON.stringify(filters))}`), {
        maxLineBytes: maxEventBytes,
        headMs: requestTimeoutMs,
        silenceMs: eventSilenceMs,
        onOpen: () => {
          this.#hasEvents = true;
          openedAt = this.#context.clock();
          // What happened before the stream was open is in no event.
          this.#listIn(0);
        },
        onValues: (events) => {
          for (const event of events) this.#stopping.accept(event);
          this.#eventPace.succeeded();
          this.#listIn(Math.max(0, this.#listedAt + minListMs - this.#context.clock()));
        },
      });
    } catch (error) {
      why = error;
    }
    if (this.#abort.signal.aborted) return;
    if (this.#context.clock() - openedAt >= minStreamMs) this.#eventPace.succeeded();
    // An answer says that the daemon is there, and allows no events.
    this.#hasEvents = !(why instanceof ApiFailure && why.status !== undefined);
    this.#listIn(this.#hasEvents ? 0 : listWithoutEventsMs);
    this.#nextConnect = this.#context.schedule(this.#eventPace.failed(), () => void this.#watch());
  }

  /** Lists after this time, unless a list comes sooner. */
  #listIn(delayMs: number): void {
    if (this.#isListing) {
      this.#isOutdated = true;
      return;
    }
    const at = this.#context.clock() + delayMs;
    if (at >= this.#nextListAt) return;
    this.#nextList?.();
    this.#nextListAt = at;
    this.#nextList = this.#context.schedule(delayMs, () => void this.#list());
  }

  async #list(): Promise<void> {
    this.#nextListAt = Infinity;
    this.#listedAt = this.#context.clock();
    this.#isListing = true;
    this.#isOutdated = false;
    let nextMs: number;
    try {
      // Without a version in the path: daemons refuse versions that are old to them, and what is read here is in all.
      const filters = { label: this.#selection.labels, status: ["running"] };
      const path = `/containers/json?filters=${encodeURIComponent(JSON.stringify(filters))}`;
      const { value } = await requestJson(this.#request(path), {
        maxBytes: maxListBytes,
        timeoutMs: requestTimeoutMs,
      });
      if (this.#abort.signal.aborted) return;
      if (!Array.isArray(value)) throw new ApiFailure("the answer is no list of containers");
      this.#listPace.succeeded();
      this.#report(value);
      nextMs = this.#isOutdated ? minListMs : this.#hasEvents ? listEveryMs : listWithoutEventsMs;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      nextMs = this.#listPace.failed(error instanceof ApiFailure ? error.retryAfterMs : 0);
      this.#listener.failed(explain(error));
    } finally {
      this.#isListing = false;
    }
    this.#listIn(nextMs);
  }

  #report(list: readonly unknown[]): void {
    const answer = containerMembers(list, {
      selection: this.#selection,
      template: this.#entry.template,
      isStopping: (id) => this.#stopping.has(id),
    });
    if (answer.members.length > 0) this.#listener.answered(answer);
    else if (answer.skipped && answer.skipped.length > 0)
      this.#listener.failed(answer.skipped.slice(0, 3).join("; "));
    else
      this.#listener.absent(
        `no running and healthy container has the label ${this.#selection.labels.join(", ")}`,
      );
  }

  #request(path: string): ApiRequest {
    return { server: this.#server, path, schedule: this.#context.schedule, signal: this.#abort.signal };
  }
}

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof ApiFailure ? error.status : undefined;
  if (status === 403 || status === 404)
    return `${message}; a proxy of the socket has to allow GET /containers/json and GET /events`;
  return message.endsWith("no permission to open the socket")
    ? `${message}; use a proxy of the socket that only reads, or run the balancer in the group of the socket`
    : message;
}

/** @param host as {@link DockerSettings} has it */
function dockerServer(host: string): ApiServer {
  return host.startsWith("unix://")
    ? { socketPath: host.slice("unix://".length) }
    : { url: host.replace(/^tcp:/, "http:") };
}
