/** Clients of a stream of server-sent events: limits their number, drops messages for slow ones, disconnects stalled ones. */

import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";

export interface SseClientsOptions {
  /** More concurrent clients than this are a mistake or an attack. */
  readonly maxClients: number;
  /** Bytes that may wait for one client; beyond them it gets no further messages. */
  readonly maxWaitingBytes: number;
  readonly schedule: Schedule;
  /** Called when the first client connects; the returned function is called when the last one has left. */
  readonly begin: () => Cancel;
}

const heartbeatMs = 15_000;

/** A client that reads nothing for this many heartbeats is disconnected; it may reconnect. */
const maxMissedHeartbeats = 2;

const encoder = new TextEncoder();

/** First bytes, so that the headers leave at once. A disconnected browser reconnects after one second. */
const preamble = encoder.encode("retry: 1000\n\n");
const heartbeat = encoder.encode(":\n\n");

/** One connected client. */
export class SseClient<State> {
  /** Its query, and how far it has read. */
  readonly state: State;
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  /** Heartbeats in a row that could not be sent. */
  #missedHeartbeats = 0;

  constructor(state: State, controller: ReadableStreamDefaultController<Uint8Array>) {
    this.state = state;
    this.#controller = controller;
  }

  /** Whether the client reads fast enough to get more. */
  get isReady(): boolean {
    return (this.#controller.desiredSize ?? 0) > 0;
  }

  /** @returns false if the client is behind, and then nothing was sent */
  send(bytes: Uint8Array | string): boolean {
    const { isReady } = this;
    if (isReady) this.#controller.enqueue(typeof bytes === "string" ? encoder.encode(bytes) : bytes);
    return isReady;
  }

  /** @returns false if the client has read nothing for too long */
  heartbeat(): boolean {
    this.#missedHeartbeats = this.send(heartbeat) ? 0 : this.#missedHeartbeats + 1;
    return this.#missedHeartbeats < maxMissedHeartbeats;
  }

  disconnect(): void {
    this.#controller.error(new Error("Cannot continue the stream: the client does not read."));
  }
}

/** Per-client callbacks of a stream. */
export interface SseGreeting<State> {
  /** Called once, before the client gets messages that are sent to all. */
  readonly onJoin?: (client: SseClient<State>) => void;
  /** Called whenever the client has room for messages, also at the start. */
  readonly onReady?: (client: SseClient<State>) => void;
}

/** `idle ──first client──▶ heartbeats ──last client left──▶ idle` */
export class SseClients<State> {
  readonly #options: SseClientsOptions;
  readonly #clients = new Set<SseClient<State>>();
  #cancels: readonly Cancel[] = [];

  constructor(options: SseClientsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#clients.size;
  }

  has(client: SseClient<State>): boolean {
    return this.#clients.has(client);
  }

  [Symbol.iterator](): Iterator<SseClient<State>> {
    return this.#clients.values();
  }

  /** Undefined if too many clients are connected. */
  open(state: () => State, { onJoin, onReady }: SseGreeting<State>): ReadableStream<Uint8Array> | undefined {
    const { maxClients, maxWaitingBytes } = this.#options;
    if (this.#clients.size >= maxClients) return undefined;
    let client: SseClient<State> | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          client = new SseClient(state(), controller);
          client.send(preamble);
          onJoin?.(client);
          this.#add(client);
        },
        pull: () => client && onReady?.(client),
        cancel: () => client && this.#remove(client),
      },
      { highWaterMark: maxWaitingBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  #add(client: SseClient<State>): void {
    this.#clients.add(client);
    if (this.#clients.size > 1) return;
    const { schedule, begin } = this.#options;
    this.#cancels = [begin(), repeat(schedule, heartbeatMs, () => this.#heartbeat())];
  }

  #heartbeat(): void {
    for (const client of this.#clients) {
      if (client.heartbeat()) continue;
      this.#remove(client);
      client.disconnect();
    }
  }

  #remove(client: SseClient<State>): void {
    if (!this.#clients.delete(client) || this.#clients.size > 0) return;
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }
}
